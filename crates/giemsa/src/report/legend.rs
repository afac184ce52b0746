//! The legend of a chart: the names of its series with their marks, above the plot, where it covers no data.

use super::chart::{BAND_OPACITY, BAR_OPACITY, DOT_RADIUS, DrawResult, Mark};
use super::plot::{Area, FONT, INK};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// The entry of a series.
pub(super) struct Entry<'a> {
    pub name: &'a str,
    pub mark: Mark,
    pub colour: RGBColor,
}

/// Height of a row.
const ROW: f64 = 20.0;
const MARK_WIDTH: f64 = 22.0;
/// Distance of a mark from its name.
const NAME_GAP: f64 = 6.0;
/// Distance of a name from the next mark.
const ENTRY_GAP: f64 = 16.0;
/// Distance of the last row from the plot, whose highest dots may extend beyond it.
const PLOT_GAP: f64 = 6.0;
/// Width of the sans-serif fonts of browsers, relative to the embedded font.
const WIDEST_FONT: f64 = 1.15;

/// Draws the legend in as many rows as it needs at the top of an area, and returns the rest of the area.
pub(super) fn draw_legend<B: DrawingBackend>(
    area: Area<B>,
    entries: &[Entry<'_>],
    unit: f64,
) -> DrawResult<B, Area<B>> {
    let style = TextStyle::from((FONT, 14.0 * unit).into_font()).color(&INK);
    let mut widths = Vec::new();
    for entry in entries {
        let (name, _) = area.estimate_text_size(entry.name, &style)?;
        widths.push((MARK_WIDTH + NAME_GAP) * unit + WIDEST_FONT * f64::from(name));
    }
    let whole = f64::from(area.dim_in_pixel().0);
    let rows = rows(&widths, ENTRY_GAP * unit, whole);
    let height = if rows.is_empty() { 0.0 } else { ROW * rows.len() as f64 + PLOT_GAP };
    let (legend, rest) = area.split_vertically((height * unit) as u32);
    for (i, row) in rows.into_iter().enumerate() {
        let y = (ROW * unit * (i as f64 + 0.5)) as i32;
        let width = widths[row.clone()].iter().sum::<f64>() + ENTRY_GAP * unit * (row.len() - 1) as f64;
        let mut x = ((whole - width) / 2.0).max(0.0);
        for (entry, width) in entries[row.clone()].iter().zip(&widths[row]) {
            draw_mark(&legend, entry, (x, y), unit)?;
            let middle = style.pos(Pos::new(HPos::Left, VPos::Center));
            legend.draw_text(entry.name, &middle, ((x + (MARK_WIDTH + NAME_GAP) * unit) as i32, y))?;
            x += width + ENTRY_GAP * unit;
        }
    }
    Ok(rest)
}

/// Divides entries into rows, in order: each row has as many as fit, and at least one.
fn rows(widths: &[f64], gap: f64, available: f64) -> Vec<std::ops::Range<usize>> {
    let mut rows: Vec<std::ops::Range<usize>> = Vec::new();
    let mut used = 0.0;
    for (i, width) in widths.iter().enumerate() {
        match rows.last_mut() {
            Some(row) if used + gap + width <= available => {
                row.end = i + 1;
                used += gap + width;
            }
            _ => {
                rows.push(i..i + 1);
                used = *width;
            }
        }
    }
    rows
}

/// Draws the mark of an entry to the right of a point.
fn draw_mark<B: DrawingBackend>(area: &Area<B>, entry: &Entry<'_>, (x, y): (f64, i32), unit: f64) -> DrawResult<B> {
    let colour = entry.colour;
    let at = |fraction: f64| (x + fraction * MARK_WIDTH * unit) as i32;
    let line = |from, to, width: f64| {
        area.draw(&PathElement::new(vec![(at(from), y), (at(to), y)], colour.stroke_width(width as u32)))
    };
    let dot = |style: ShapeStyle| area.draw(&Circle::new((at(0.5), y), DOT_RADIUS * unit, style));
    let rectangle = |opacity| {
        let half = (5.0 * unit) as i32;
        area.draw(&Rectangle::new([(at(0.0), y - half), (at(1.0), y + half)], colour.mix(opacity).filled()))
    };
    match entry.mark {
        Mark::ThinLine => line(0.0, 1.0, unit),
        Mark::Line => line(0.0, 1.0, 2.0 * unit),
        Mark::LineAndDots => {
            line(0.0, 1.0, 2.0 * unit)?;
            dot(colour.filled())
        }
        Mark::Dashed => {
            [(0.0, 0.27), (0.37, 0.63), (0.73, 1.0)].into_iter().try_for_each(|(from, to)| line(from, to, 2.0 * unit))
        }
        Mark::DashedAndDots => {
            line(0.0, 0.27, 2.0 * unit)?;
            line(0.73, 1.0, 2.0 * unit)?;
            dot(colour.stroke_width((1.5 * unit).ceil() as u32))
        }
        Mark::Dots | Mark::Circles(_) => dot(colour.filled()),
        Mark::Bars(_) => rectangle(BAR_OPACITY),
        Mark::Band => rectangle(BAND_OPACITY),
    }
}

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn entries_that_do_not_fit_start_a_row() {
        assert_eq!(rows(&[40.0, 50.0, 90.0, 200.0, 10.0], 10.0, 100.0), [0..2, 2..3, 3..4, 4..5]);
        assert!(rows(&[], 10.0, 100.0).is_empty());
    }
}
