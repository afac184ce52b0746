//! Charts with lines, dots, bars and confidence bands.

use super::axis::{Axis, Coordinate};
use super::legend::{Entry, draw_legend};
use super::plot::{Area, COLOURS, FONT, GRID, INK, MUTED, PARASITIZED, UNINFECTED};
use plotters::prelude::*;

/// The way in which the points of a series are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Mark {
    /// A line.
    Line,
    /// A thin line, for a reference.
    ThinLine,
    /// A line with a dot at each point.
    LineAndDots,
    /// A dashed line.
    Dashed,
    /// A dashed line with a hollow dot at each point.
    DashedAndDots,
    /// Dots.
    Dots,
    /// Translucent circles with this radius, in SVG pixels.
    Circles(f64),
    /// Bars from 0 to each point, which is at their left edge, with this width in units of the x axis.
    Bars(f64),
    /// A translucent area; the points are its outline.
    Band,
}

/// The colour of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Colour {
    /// The colour of [`COLOURS`] with this index.
    Palette(usize),
    /// The colour of the class Parasitized.
    Parasitized,
    /// The colour of the class Uninfected.
    Uninfected,
    /// The colour of text.
    Ink,
    /// The colour of reference lines.
    Muted,
}

impl Colour {
    fn rgb(self) -> RGBColor {
        match self {
            Colour::Palette(index) => COLOURS[index % COLOURS.len()],
            Colour::Parasitized => PARASITIZED,
            Colour::Uninfected => UNINFECTED,
            Colour::Ink => INK,
            Colour::Muted => MUTED,
        }
    }
}

/// Points that are drawn alike.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Series {
    /// The name in the legend; a series with an empty name is not in the legend.
    pub name: String,
    /// The points, in the order in which lines connect them; points that are not finite are skipped.
    pub points: Vec<(f64, f64)>,
    /// The way in which they are drawn.
    pub mark: Mark,
    /// The colour; by default, series take the colours of [`COLOURS`] in turn.
    pub colour: Option<Colour>,
}

impl Series {
    /// Creates a series with the next colour of the palette.
    #[must_use]
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>, mark: Mark) -> Series {
        Series { name: name.into(), points, mark, colour: None }
    }

    /// Sets the colour.
    #[must_use]
    pub fn with_colour(self, colour: Colour) -> Series {
        Series { colour: Some(colour), ..self }
    }
}

/// A chart with two axes.
///
/// ```
/// use giemsa::report::{axis::Axis, chart::{Chart, Mark, Series}, plot};
/// let chance = Series::new("chance", vec![(0.0, 0.0), (1.0, 1.0)], Mark::Dashed);
/// let chart = Chart::new("ROC", Axis::new("1 - specificity", 0.0..1.0), Axis::new("sensitivity", 0.0..1.0), vec![chance]);
/// assert!(plot::to_svg(&[chart])?.contains("1 - specificity"));
/// # Ok::<(), giemsa::report::ReportError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Chart {
    /// The title, above the chart.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The series, drawn in order.
    pub series: Vec<Series>,
    /// Width and height in SVG pixels.
    pub size_px: (u32, u32),
}

type Context2d<'a, B> = ChartContext<'a, B, Cartesian2d<Coordinate, Coordinate>>;
pub(super) type DrawResult<B, T = ()> = Result<T, DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

impl Chart {
    /// Creates a chart of 460 × 340 SVG pixels.
    #[must_use]
    pub fn new(title: impl Into<String>, x: Axis, y: Axis, series: Vec<Series>) -> Chart {
        Chart { title: title.into(), x, y, series, size_px: (460, 340) }
    }

    /// Draws the chart; lengths are multiplied by `unit`.
    pub(super) fn draw<B: DrawingBackend>(&self, area: &Area<B>, unit: f64) -> DrawResult<B> {
        let margin = 12.0 * unit;
        let area = area
            .margin(margin, margin, margin, margin)
            .titled(&self.title, (FONT, 19.0 * unit).into_font().color(&INK))?;
        let colour = |(index, series): (usize, &Series)| series.colour.unwrap_or(Colour::Palette(index)).rgb();
        let colours: Vec<RGBColor> = self.series.iter().enumerate().map(colour).collect();
        let coloured = || self.series.iter().zip(&colours);
        let named = coloured().filter(|(series, _)| !series.name.is_empty());
        let entries: Vec<Entry<'_>> =
            named.map(|(Series { name, mark, .. }, &colour)| Entry { name, mark: *mark, colour }).collect();
        let area = draw_legend(area, &entries, unit)?;
        let mut context = ChartBuilder::on(&area)
            .x_label_area_size(46.0 * unit)
            .y_label_area_size(62.0 * unit)
            .build_cartesian_2d(Coordinate(self.x.clone()), Coordinate(self.y.clone()))?;
        self.draw_axes(&mut context, unit)?;
        coloured().try_for_each(|(series, &colour)| draw_series(&mut context, series, colour, unit))
    }

    fn draw_axes<'a, B: DrawingBackend + 'a>(&self, context: &mut Context2d<'a, B>, unit: f64) -> DrawResult<B> {
        context
            .configure_mesh()
            .max_light_lines(0)
            .bold_line_style(GRID.stroke_width(unit as u32))
            .axis_style(INK.stroke_width(unit as u32))
            .x_desc(&self.x.label)
            .y_desc(&self.y.label)
            .label_style((FONT, 15.0 * unit).into_font().color(&INK))
            .axis_desc_style((FONT, 16.0 * unit).into_font().color(&INK))
            .draw()
    }
}

pub(super) const DOT_RADIUS: f64 = 3.5;
pub(super) const BAR_OPACITY: f64 = 0.75;
pub(super) const BAND_OPACITY: f64 = 0.2;

fn draw_series<'a, B: DrawingBackend + 'a>(
    context: &mut Context2d<'a, B>,
    series: &Series,
    colour: RGBColor,
    unit: f64,
) -> DrawResult<B> {
    let points = || series.points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite());
    let line = colour.stroke_width((2.0 * unit) as u32);
    let dot = |at: (f64, f64), radius: f64, style: ShapeStyle| Circle::new(at, radius * unit, style);
    match series.mark {
        Mark::Line | Mark::LineAndDots => context.draw_series(LineSeries::new(points(), line))?,
        Mark::ThinLine => context.draw_series(LineSeries::new(points(), colour.stroke_width(unit as u32)))?,
        Mark::Dashed | Mark::DashedAndDots => {
            let (dash, gap) = ((7.0 * unit) as i32, (4.0 * unit) as i32);
            context.draw_series(DashedLineSeries::new(points(), dash, gap, line))?
        }
        Mark::Dots => context.draw_series(points().map(|at| dot(at, DOT_RADIUS, colour.mix(0.7).filled())))?,
        Mark::Circles(radius) => context.draw_series(points().map(|at| dot(at, radius, colour.mix(0.45).filled())))?,
        Mark::Bars(width) => context.draw_series(
            points().map(|(x, y)| Rectangle::new([(x, 0.0), (x + width, y)], colour.mix(BAR_OPACITY).filled())),
        )?,
        Mark::Band => {
            context.draw_series([Polygon::new(points().collect::<Vec<_>>(), colour.mix(BAND_OPACITY).filled())])?
        }
    };
    match series.mark {
        Mark::LineAndDots => {
            context.draw_series(points().map(|at| dot(at, DOT_RADIUS, colour.filled())))?;
        }
        Mark::DashedAndDots => {
            context.draw_series(points().map(|at| dot(at, DOT_RADIUS, WHITE.filled())))?;
            let ring = colour.stroke_width((1.5 * unit).ceil() as u32);
            context.draw_series(points().map(|at| dot(at, DOT_RADIUS, ring)))?;
        }
        _ => {}
    }
    Ok(())
}
