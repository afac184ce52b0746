//! Charts with lines, dots, bars and confidence bands.

use super::axis::{Axis, Coordinate};
use super::plot::{Area, COLOURS, FONT, GRID, INK, MUTED, PARASITIZED, UNINFECTED};
use plotters::chart::SeriesAnno;
pub use plotters::prelude::SeriesLabelPosition;
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
    /// The position of the legend.
    pub legend: SeriesLabelPosition,
}

type Context2d<'a, B> = ChartContext<'a, B, Cartesian2d<Coordinate, Coordinate>>;
type DrawResult<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

impl Chart {
    /// Creates a chart of 460 × 340 SVG pixels with its legend in the upper right corner.
    #[must_use]
    pub fn new(title: impl Into<String>, x: Axis, y: Axis, series: Vec<Series>) -> Chart {
        let legend = SeriesLabelPosition::UpperRight;
        Chart { title: title.into(), x, y, series, size_px: (460, 340), legend }
    }

    /// Sets the position of the legend.
    #[must_use]
    pub fn with_legend(self, legend: SeriesLabelPosition) -> Chart {
        Chart { legend, ..self }
    }

    /// Draws the chart; lengths are multiplied by `unit`.
    pub(super) fn draw<B: DrawingBackend>(&self, area: &Area<B>, unit: f64) -> Result<(), String> {
        let mut context = ChartBuilder::on(area)
            .caption(&self.title, (FONT, 19.0 * unit).into_font().color(&INK))
            .margin(12.0 * unit)
            .x_label_area_size(46.0 * unit)
            .y_label_area_size(62.0 * unit)
            .build_cartesian_2d(Coordinate(self.x.clone()), Coordinate(self.y.clone()))
            .map_err(|error| error.to_string())?;
        self.draw_axes(&mut context, unit).map_err(|error| error.to_string())?;
        for (index, series) in self.series.iter().enumerate() {
            let colour = series.colour.unwrap_or(Colour::Palette(index)).rgb();
            draw_series(&mut context, series, colour, unit).map_err(|error| error.to_string())?;
        }
        if self.series.iter().any(|series| !series.name.is_empty()) {
            self.draw_legend(&mut context, unit).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn draw_axes<'a, B: DrawingBackend + 'a>(&self, context: &mut Context2d<'a, B>, unit: f64) -> DrawResult<B> {
        context
            .configure_mesh()
            .max_light_lines(0)
            .bold_line_style(GRID.stroke_width(unit as u32))
            .axis_style(INK.stroke_width(unit as u32))
            .x_desc(&self.x.label)
            .y_desc(&self.y.label)
            .x_labels(self.x.max_ticks())
            .y_labels(self.y.max_ticks())
            .label_style((FONT, 15.0 * unit).into_font().color(&INK))
            .axis_desc_style((FONT, 16.0 * unit).into_font().color(&INK))
            .draw()
    }

    fn draw_legend<'a, B: DrawingBackend + 'a>(&self, context: &mut Context2d<'a, B>, unit: f64) -> DrawResult<B> {
        context
            .configure_series_labels()
            .position(self.legend.clone())
            .margin((8.0 * unit) as u32)
            .legend_area_size((30.0 * unit) as u32)
            .background_style(WHITE.mix(0.85))
            .border_style(GRID.stroke_width(unit as u32))
            .label_font((FONT, 15.0 * unit).into_font().color(&INK))
            .draw()
    }
}

const DOT_RADIUS: f64 = 3.5;
const BAR_OPACITY: f64 = 0.75;
const BAND_OPACITY: f64 = 0.2;

fn draw_series<'a, B: DrawingBackend + 'a>(
    context: &mut Context2d<'a, B>,
    series: &Series,
    colour: RGBColor,
    unit: f64,
) -> DrawResult<B> {
    let points = || series.points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite());
    let line = colour.stroke_width((2.0 * unit) as u32);
    let dot = |at: (f64, f64), radius: f64, style: ShapeStyle| Circle::new(at, radius * unit, style);
    // Only the first drawn shape of a series has an entry in the legend.
    let drawn = match series.mark {
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
    if !series.name.is_empty() {
        add_to_legend(drawn, series, colour, unit);
    }
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

/// Adds a series to the legend: with a rectangle, a dot, or a line.
fn add_to_legend<'a, B: DrawingBackend + 'a>(
    drawn: &mut SeriesAnno<'a, B>,
    series: &Series,
    colour: RGBColor,
    unit: f64,
) {
    let at = move |x: i32, fraction: f64| x + (fraction * 26.0 * unit) as i32;
    let width = if series.mark == Mark::ThinLine { unit } else { 2.0 * unit };
    let line = move |x: i32, y: i32, from: f64, to: f64| {
        PathElement::new(vec![(at(x, from), y), (at(x, to), y)], colour.stroke_width(width as u32))
    };
    let half = (5.0 * unit) as i32;
    let drawn = drawn.label(&series.name);
    match series.mark {
        Mark::Line | Mark::LineAndDots | Mark::ThinLine => drawn.legend(move |(x, y)| line(x, y, 0.0, 1.0)),
        Mark::Dashed | Mark::DashedAndDots => drawn.legend(move |(x, y)| {
            EmptyElement::at((0, 0)) + line(x, y, 0.0, 0.27) + line(x, y, 0.42, 0.69) + line(x, y, 0.84, 1.0)
        }),
        Mark::Dots | Mark::Circles(_) => {
            drawn.legend(move |(x, y)| Circle::new((at(x, 0.5), y), DOT_RADIUS * unit, colour.filled()))
        }
        Mark::Bars(_) | Mark::Band => {
            let opacity = if series.mark == Mark::Band { BAND_OPACITY } else { BAR_OPACITY };
            drawn.legend(move |(x, y)| {
                Rectangle::new([(at(x, 0.0), y - half), (at(x, 1.0), y + half)], colour.mix(opacity).filled())
            })
        }
    };
}
