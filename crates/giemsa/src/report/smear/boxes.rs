//! Boxes around the objects of a photograph: their colours, line styles and numbers.

use super::super::ReportError;
use super::super::plot::{FONT, register_font};
use crate::smear::{FoundObject, Object, ObjectKind, Photograph};
use image::{Rgb, RgbImage};
use plotters::prelude::*;

/// What a box marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BoxKind {
    Infected,
    Uninfected,
    Cluster,
    WhiteCell,
    Platelet,
    Artefact,
}

/// How a box is drawn. The line styles distinguish all boxes without colours; the colours are those of Okabe and Ito, which
/// readers with any type of colour vision can distinguish, with black for the rare white cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    /// The word in the legend.
    pub name: &'static str,
    /// The class in the style sheet.
    pub class: &'static str,
    pub colour: [u8; 3],
    /// The width of the line, as a multiple of that of the thinnest line.
    pub width: u32,
    /// Lengths of lines and gaps in turn, as multiples of the thinnest line; empty for a solid line.
    pub dashes: &'static [u32],
}

impl BoxKind {
    /// In the order of the legend.
    pub(super) const ALL: [BoxKind; 6] = [
        BoxKind::Infected,
        BoxKind::Uninfected,
        BoxKind::Cluster,
        BoxKind::WhiteCell,
        BoxKind::Platelet,
        BoxKind::Artefact,
    ];

    pub(super) fn of(found: &FoundObject) -> BoxKind {
        match found.object.kind {
            ObjectKind::RedCell if found.is_infected() => BoxKind::Infected,
            ObjectKind::RedCell => BoxKind::Uninfected,
            ObjectKind::Cluster => BoxKind::Cluster,
            ObjectKind::WhiteCell => BoxKind::WhiteCell,
            ObjectKind::Platelet => BoxKind::Platelet,
            ObjectKind::Artefact => BoxKind::Artefact,
        }
    }

    pub(super) fn look(self) -> Look {
        let look = |name, class, colour, width, dashes| Look { name, class, colour, width, dashes };
        match self {
            BoxKind::Infected => look("infected red cell", "infected", [213, 94, 0], 3, &[]),
            BoxKind::Uninfected => look("uninfected red cell", "uninfected", [0, 114, 178], 1, &[]),
            BoxKind::Cluster => look("cluster of red cells", "cluster", [0, 158, 115], 2, &[10, 5]),
            BoxKind::WhiteCell => look("white cell", "white", [0, 0, 0], 2, &[12, 4, 2, 4]),
            BoxKind::Platelet => look("platelet", "platelet", [204, 121, 167], 2, &[3, 3]),
            BoxKind::Artefact => look("artefact", "artefact", [90, 90, 90], 1, &[2, 5]),
        }
    }
}

/// Draws the boxes of all objects on a photograph, and the numbers of infected cells: their places in `photograph.cells`,
/// from 1.
///
/// # Errors
/// If the numbers cannot be drawn.
pub fn draw_boxes(pixels: &mut RgbImage, photograph: &Photograph) -> Result<(), ReportError> {
    let unit = (photograph.cell_diameter_px / 60.0).round().clamp(1.0, 8.0) as u32;
    // Infected cells last, on top of the others.
    for kind in BoxKind::ALL.into_iter().rev() {
        for found in photograph.cells.iter().filter(|found| BoxKind::of(found) == kind) {
            draw_box(pixels, &found.object, kind.look(), unit);
            if !found.is_counted {
                draw_diagonal(pixels, &found.object, kind.look(), unit);
            }
        }
    }
    draw_numbers(pixels, photograph)
        .map_err(|reason| ReportError::Draw { title: "the numbers of cells".to_owned(), reason })
}

const HALO: Rgb<u8> = Rgb([255; 3]);

/// Draws a box around an object, so that its line covers no parasite, with a halo that separates it from a background of its
/// colour.
fn draw_box(pixels: &mut RgbImage, object: &Object, look: Look, unit: u32) {
    let width = look.width * unit;
    draw_outline(pixels, object, width + unit.div_ceil(2), HALO, |at| is_on(look.dashes, unit, at));
    draw_outline(pixels, object, width, Rgb(look.colour), |at| is_on(look.dashes, unit, at));
}

/// Returns whether a line with these dashes is drawn at a distance from its beginning, in pixels.
fn is_on(dashes: &[u32], unit: u32, at: u32) -> bool {
    let period = dashes.iter().sum::<u32>() * unit;
    if period == 0 {
        return true;
    }
    let mut rest = at % period;
    for (index, dash) in dashes.iter().enumerate() {
        match rest.checked_sub(dash * unit) {
            Some(beyond) => rest = beyond,
            None => return index % 2 == 0,
        }
    }
    true
}

fn draw_outline(pixels: &mut RgbImage, object: &Object, width: u32, colour: Rgb<u8>, is_drawn: impl Fn(u32) -> bool) {
    let (columns, rows) = pixels.dimensions();
    for outset in 0..width {
        // At the edge of the photograph, the line is on it.
        let [left, top] = [object.x, object.y].map(|edge| edge.saturating_sub(outset));
        let right = (object.x + object.width + outset).min(columns).saturating_sub(1);
        let bottom = (object.y + object.height + outset).min(rows).saturating_sub(1);
        let across = (left..=right).flat_map(|x| [(x, top, x), (x, bottom, x)]);
        let down = (top..=bottom).flat_map(|y| [(left, y, y), (right, y, y)]);
        for (x, y, at) in across.chain(down) {
            if is_drawn(at) {
                put(pixels, x, y, colour);
            }
        }
    }
}

/// Strikes out an object that is not counted, from the lower left to the upper right.
fn draw_diagonal(pixels: &mut RgbImage, object: &Object, look: Look, unit: u32) {
    let steps = object.width.max(object.height).max(2) - 1;
    for (width, colour) in [(2 * unit + unit.div_ceil(2), HALO), (unit, Rgb(look.colour))] {
        for step in 0..=steps {
            let along = |length: u32| (u64::from(length - 1) * u64::from(step) / u64::from(steps)) as u32;
            let (x, y) = (object.x + along(object.width), object.y + object.height - 1 - along(object.height));
            for (dx, dy) in (0..width).flat_map(|dx| (0..width).map(move |dy| (dx, dy))) {
                put(pixels, (x + dx).saturating_sub(width / 2), (y + dy).saturating_sub(width / 2), colour);
            }
        }
    }
}

fn put(pixels: &mut RgbImage, x: u32, y: u32, colour: Rgb<u8>) {
    if let Some(pixel) = pixels.get_pixel_mut_checked(x, y) {
        *pixel = colour;
    }
}

/// Writes the numbers of infected cells on labels above their boxes.
fn draw_numbers(pixels: &mut RgbImage, photograph: &Photograph) -> Result<(), String> {
    register_font();
    let size = pixels.dimensions();
    let text_px = f64::from((photograph.cell_diameter_px / 3.5).clamp(13.0, 60.0));
    let [red, green, blue] = BoxKind::Infected.look().colour;
    let area = BitMapBackend::with_buffer(pixels, size).into_drawing_area();
    let style = TextStyle::from((FONT, text_px).into_font()).color(&WHITE);
    for (index, found) in photograph.cells.iter().enumerate().filter(|(_, found)| found.is_infected()) {
        let number = (index + 1).to_string();
        let (width, _) = area.estimate_text_size(&number, &style).map_err(|error| error.to_string())?;
        let (width, height) = (width as i32 + (0.5 * text_px) as i32, (1.15 * text_px) as i32);
        let left = (found.object.x as i32).min(size.0 as i32 - width).max(0);
        let top = (found.object.y as i32 - height).max(0);
        let label = Rectangle::new([(left, top), (left + width, top + height)], RGBColor(red, green, blue).filled());
        area.draw(&label).map_err(|error| error.to_string())?;
        let place = (left + (0.25 * text_px) as i32, top + (0.1 * text_px) as i32);
        area.draw_text(&number, &style, place).map_err(|error| error.to_string())?;
    }
    area.present().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> Object {
        Object::new([10, 20, 30, 40], ObjectKind::RedCell, 1)
    }

    #[test]
    fn every_kind_has_its_own_line_style_and_colour() {
        let looks = BoxKind::ALL.map(BoxKind::look);
        for (i, one) in looks.iter().enumerate() {
            for other in &looks[i + 1..] {
                assert!(one.colour != other.colour && one.class != other.class);
                assert!((one.width, one.dashes) != (other.width, other.dashes), "{} {}", one.name, other.name);
            }
        }
    }

    #[test]
    fn a_box_is_drawn_around_its_object() {
        let paper = Rgb([250, 200, 210]);
        let mut pixels = RgbImage::from_pixel(60, 80, paper);
        draw_box(&mut pixels, &object(), BoxKind::Uninfected.look(), 1);
        for corner in [(10, 20), (39, 20), (10, 59), (39, 59)] {
            assert_eq!(pixels[corner].0, BoxKind::Uninfected.look().colour);
        }
        assert_eq!(pixels[(9, 19)], HALO);
        assert!([(11, 21), (8, 20), (41, 30), (25, 40), (25, 61)].into_iter().all(|place| pixels[place] == paper));
        draw_diagonal(&mut pixels, &object(), BoxKind::Uninfected.look(), 1);
        assert_ne!(pixels[(25, 39)], paper);
    }

    #[test]
    fn boxes_at_the_edge_and_tiny_ones_are_drawn() {
        let mut pixels = RgbImage::new(20, 20);
        for place in [[0, 0, 20, 20], [19, 19, 1, 1], [0, 5, 1, 9], [15, 15, 40, 40]] {
            let object = Object::new(place, ObjectKind::Artefact, 0);
            for look in BoxKind::ALL.map(BoxKind::look) {
                draw_box(&mut pixels, &object, look, 3);
                draw_diagonal(&mut pixels, &object, look, 3);
            }
        }
    }

    #[test]
    fn dashes_alternate_with_gaps() {
        let line: Vec<bool> = (0..8).map(|at| is_on(&[2, 1], 1, at)).collect();
        assert_eq!(line, [true, true, false, true, true, false, true, true]);
        assert!((0..9).all(|at| is_on(&[], 3, at)));
    }
}
