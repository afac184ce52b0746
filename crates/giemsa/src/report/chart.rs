//! A line and scatter chart.

use super::plot::{Area, COLOURS, FONT, Plot};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use std::ops::Range;

/// How the points of a series are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A line.
    Line,
    /// A line with a dot at each point.
    LineAndDots,
    /// A dashed line, for a reference or a second kind.
    Dashed,
    /// A dashed line with a hollow dot at each point.
    DashedAndDots,
    /// Dots alone.
    Dots,
}

/// Points that belong together.
#[derive(Clone, Debug)]
pub struct Series {
    /// In the legend; a series without a name is not listed there.
    pub name: String,
    /// In the order in which they are joined; those that are not finite are left out.
    pub points: Vec<(f64, f64)>,
    /// How they are shown.
    pub mark: Mark,
}

/// One axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// With the unit, if there is one.
    pub label: String,
    /// From where to where; see [`covering`].
    pub range: Range<f64>,
    /// Decimals of the numbers along it.
    pub decimals: usize,
}

/// A chart with two linear axes.
///
/// ```
/// use giemsa::report::{chart::{Axis, Chart, Mark, Series}, plot};
/// let axis = |label: &str| Axis { label: label.into(), range: 0.0..1.0, decimals: 1 };
/// let line = Series { name: "chance".into(), points: vec![(0.0, 0.0), (1.0, 1.0)], mark: Mark::Dashed };
/// let chart = Chart::new("ROC", axis("1 - specificity"), axis("sensitivity"), vec![line]);
/// assert!(plot::to_svg(&chart)?.contains("1 - specificity"));
/// # Ok::<(), giemsa::report::ReportError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Chart {
    /// Above it.
    pub title: String,
    /// Below it.
    pub x: Axis,
    /// At its left.
    pub y: Axis,
    /// Series take the colours of [`COLOURS`] in turn.
    pub series: Vec<Series>,
    /// Width and height in SVG pixels.
    pub size_px: (u32, u32),
    /// Where the legend lies.
    pub legend: SeriesLabelPosition,
}

impl Chart {
    /// A chart of the usual size, its legend where `UpperRight` is.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis, series: Vec<Series>) -> Chart {
        let legend = SeriesLabelPosition::UpperRight;
        Chart { title: title.into(), x, y, series, size_px: (460, 340), legend }
    }
}

/// A range that holds all finite values with a margin of a twentieth on both sides, and is never empty.
///
/// ```
/// use giemsa::report::chart::covering;
/// assert_eq!(covering([0.0, 10.0, f64::NAN]), -0.5..10.5);
/// assert_eq!(covering([3.0]), 2.5..3.5);
/// ```
pub fn covering(values: impl IntoIterator<Item = f64>) -> Range<f64> {
    let finite = values.into_iter().filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    match high - low {
        width if width > 0.0 => low - 0.05 * width..high + 0.05 * width,
        _ if low.is_finite() => low - 0.5..low + 0.5,
        _ => 0.0..1.0,
    }
}

type Context2d<'a, B> = ChartContext<'a, B, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

const INK: RGBColor = RGBColor(40, 40, 48);
const GRID: RGBColor = RGBColor(226, 226, 232);

impl Plot for Chart {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn size_px(&self) -> (u32, u32) {
        self.size_px
    }

    fn draw<B: DrawingBackend>(&self, area: &Area<B>, unit: f64) -> Result<(), String> {
        let mut context = ChartBuilder::on(area)
            .caption(&self.title, (FONT, 17.0 * unit).into_font().color(&INK))
            .margin(12.0 * unit)
            .x_label_area_size(42.0 * unit)
            .y_label_area_size(52.0 * unit)
            .build_cartesian_2d(self.x.range.clone(), self.y.range.clone())
            .map_err(|error| error.to_string())?;
        self.draw_axes(&mut context, unit).map_err(|error| error.to_string())?;
        for (series, colour) in self.series.iter().zip(COLOURS.into_iter().cycle()) {
            draw_series(&mut context, series, colour, unit).map_err(|error| error.to_string())?;
        }
        if self.series.iter().any(|series| !series.name.is_empty()) {
            self.draw_legend(&mut context, unit).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

impl Chart {
    fn draw_axes<'a, B: DrawingBackend + 'a>(
        &self,
        context: &mut Context2d<'a, B>,
        unit: f64,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let number = |axis: &Axis| {
            let decimals = axis.decimals;
            move |value: &f64| format!("{value:.decimals$}")
        };
        // Whole numbers want no ticks between them.
        let ticks = |axis: &Axis| match axis.decimals {
            0 => ((axis.range.end - axis.range.start).floor() as usize + 1).clamp(2, 11),
            _ => 8,
        };
        context
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(GRID.stroke_width(unit as u32))
            .axis_style(INK.stroke_width(unit as u32))
            .x_desc(&self.x.label)
            .y_desc(&self.y.label)
            .x_labels(ticks(&self.x))
            .y_labels(ticks(&self.y))
            .x_label_formatter(&number(&self.x))
            .y_label_formatter(&number(&self.y))
            .label_style((FONT, 13.0 * unit).into_font().color(&INK))
            .axis_desc_style((FONT, 14.0 * unit).into_font().color(&INK))
            .draw()
    }

    fn draw_legend<'a, B: DrawingBackend + 'a>(
        &self,
        context: &mut Context2d<'a, B>,
        unit: f64,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        context
            .configure_series_labels()
            .position(self.legend.clone())
            .margin((8.0 * unit) as u32)
            .legend_area_size((30.0 * unit) as u32)
            .background_style(WHITE.mix(0.85))
            .border_style(GRID.stroke_width(unit as u32))
            .label_font((FONT, 13.0 * unit).into_font().color(&INK))
            .draw()
    }
}

fn draw_series<'a, B: DrawingBackend + 'a>(
    context: &mut Context2d<'a, B>,
    series: &Series,
    colour: RGBColor,
    unit: f64,
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    let points = || series.points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite());
    let line = colour.stroke_width((2.0 * unit) as u32);
    let radius = 3.5 * unit;
    let legend_line = move |x: i32, y: i32, from: f64, to: f64| {
        let at = |share: f64| x + (share * 26.0 * unit) as i32;
        PathElement::new(vec![(at(from), y), (at(to), y)], line)
    };
    if matches!(series.mark, Mark::Line | Mark::LineAndDots) {
        let drawn = context.draw_series(LineSeries::new(points(), line))?;
        if !series.name.is_empty() {
            drawn.label(&series.name).legend(move |(x, y)| legend_line(x, y, 0.0, 1.0));
        }
    }
    if matches!(series.mark, Mark::Dashed | Mark::DashedAndDots) {
        let (dash, gap) = ((7.0 * unit) as i32, (4.0 * unit) as i32);
        let drawn = context.draw_series(DashedLineSeries::new(points(), dash, gap, line))?;
        if !series.name.is_empty() {
            drawn.label(&series.name).legend(move |(x, y)| {
                let parts = [(0.0, 0.27), (0.42, 0.69), (0.84, 1.0)];
                EmptyElement::at((0, 0))
                    + legend_line(x, y, parts[0].0, parts[0].1)
                    + legend_line(x, y, parts[1].0, parts[1].1)
                    + legend_line(x, y, parts[2].0, parts[2].1)
            });
        }
    }
    let dot = move |at: (f64, f64), fill: ShapeStyle| Circle::new(at, radius, fill);
    match series.mark {
        Mark::LineAndDots => drop(context.draw_series(points().map(|at| dot(at, colour.filled())))?),
        Mark::DashedAndDots => {
            context.draw_series(points().map(|at| dot(at, WHITE.filled())))?;
            context.draw_series(points().map(|at| dot(at, colour.stroke_width((1.5 * unit).ceil() as u32))))?;
        }
        Mark::Dots => {
            let drawn = context.draw_series(points().map(|at| dot(at, colour.mix(0.7).filled())))?;
            if !series.name.is_empty() {
                let middle = (13.0 * unit) as i32;
                drawn.label(&series.name).legend(move |(x, y)| Circle::new((x + middle, y), radius, colour.filled()));
            }
        }
        Mark::Line | Mark::Dashed => {}
    }
    Ok(())
}
