//! Boxes over a photograph on the page, as SVG. Each has an identifier, so that a link can show it.

use super::boxes::BoxKind;
use crate::smear::segment::FieldOfView;
use crate::smear::{FoundObject, Photograph};
use std::fmt::Write;

/// Returns the identifier of a photograph on the page; slides and photographs are counted from 0.
pub(super) fn photograph_id(slide: usize, photograph: usize) -> String {
    format!("s{}p{}", slide + 1, photograph + 1)
}

/// Returns the identifier of an object on the page.
pub(super) fn cell_id(slide: usize, photograph: usize, cell: usize) -> String {
    format!("{}c{}", photograph_id(slide, photograph), cell + 1)
}

/// Returns left, top, width and height of the part of a photograph that is shown on the page: a round field, or everything.
pub(super) fn shown_part(photograph: &Photograph) -> [u32; 4] {
    let (width, height) = (photograph.width_px, photograph.height_px);
    let FieldOfView::Round { x, y, radius } = photograph.field_of_view else { return [0, 0, width, height] };
    let within = |at: f32, side: u32| (at.max(0.0) as u32).min(side);
    let margin = 1.02 * radius;
    let (left, top) = (within(x - margin, width), within(y - margin, height));
    let (right, bottom) = (within(x + margin, width), within(y + margin, height));
    if right > left && bottom > top { [left, top, right - left, bottom - top] } else { [0, 0, width, height] }
}

/// Draws the boxes of all objects of a photograph. The element has the aspect ratio of the part that is shown.
pub(super) fn overlay(photograph: &Photograph, id: &str) -> String {
    let [left, top, width, height] = shown_part(photograph);
    let mut svg = format!("<svg viewBox=\"{left} {top} {width} {height}\" aria-hidden=\"true\">");
    svg.push_str(&frame(photograph));
    for kind in BoxKind::ALL.into_iter().rev() {
        let of_kind = || photograph.cells.iter().enumerate().filter(move |(_, found)| BoxKind::of(found) == kind);
        if of_kind().next().is_none() {
            continue;
        }
        // Writing to a string cannot fail.
        let _ = write!(svg, "<g class=\"{}\">", kind.look().class);
        for (index, found) in of_kind() {
            let _ = write!(svg, "{}", rectangle(found, id, index, kind));
        }
        if kind == BoxKind::Infected {
            of_kind().for_each(|(index, found)| svg.push_str(&number(photograph, found, index)));
        }
        svg.push_str("</g>");
    }
    svg.push_str("</svg>");
    svg
}

fn rectangle(found: &FoundObject, id: &str, index: usize, kind: BoxKind) -> String {
    let (object, number) = (&found.object, index + 1);
    let (x, y, width, height) = (object.x, object.y, object.width, object.height);
    let mut title = format!("{number}: {}", kind.look().name);
    if let Some(prediction) = found.prediction {
        let _ = write!(title, ", probability {:.3}", prediction.probability_parasitized);
    }
    if object.cells > 1 {
        let _ = write!(title, ", about {} cells", object.cells);
    }
    let mut diagonal = String::new();
    if !found.is_counted {
        title.push_str(", not counted");
        diagonal = format!("<path d=\"M{x} {}l{width} -{height}\"/>", y + height);
    }
    let place = format!("x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"");
    format!("<rect id=\"{id}c{number}\" {place}><title>{title}</title></rect>{diagonal}")
}

/// Writes the number of a cell above its box, or below it at the upper edge.
fn number(photograph: &Photograph, found: &FoundObject, index: usize) -> String {
    let size = text_px(photograph);
    let (x, y) = (found.object.x as f32, found.object.y as f32);
    let above = y - 0.2 * size;
    let y = if above > size { above } else { y + found.object.height as f32 + size };
    let x = x.min(photograph.width_px as f32 - 2.0 * size).max(0.0);
    format!("<text x=\"{x:.0}\" y=\"{y:.0}\" font-size=\"{size:.0}\">{}</text>", index + 1)
}

/// Returns the size of text that is as large as a third of a cell, but legible where the photograph is shown with its width
/// reduced to that of the page.
fn text_px(photograph: &Photograph) -> f32 {
    (photograph.cell_diameter_px / 3.0).max(shown_part(photograph)[2] as f32 / 70.0)
}

/// Draws the counting frame: objects that touch its solid lines are not counted.
fn frame(photograph: &Photograph) -> String {
    let [right, bottom] = [photograph.width_px, photograph.height_px].map(|side| side as f32);
    let (excluding, including) = match photograph.field_of_view {
        FieldOfView::Whole => (format!("M0 {bottom}V0H{right}"), format!("M0 {bottom}H{right}V0")),
        FieldOfView::Round { x, y, radius } => {
            let arc = |sweep| {
                let (lower, upper) = (y + radius, y - radius);
                format!("M{x:.0} {lower:.0}A{radius:.0} {radius:.0} 0 0 {sweep} {x:.0} {upper:.0}")
            };
            let across = |at: f32| chord(at, y, x, radius, right).map(|[from, to]| format!("M{from:.0} {at}H{to:.0}"));
            let down = |at: f32| chord(at, x, y, radius, bottom).map(|[from, to]| format!("M{at} {from:.0}V{to:.0}"));
            let joined = |arc: String, edges: [Option<String>; 2]| edges.into_iter().flatten().fold(arc, |a, b| a + &b);
            (joined(arc(1), [across(0.0), down(0.0)]), joined(arc(0), [across(bottom), down(right)]))
        }
    };
    format!("<path class=\"excluding\" d=\"{excluding}\"/><path class=\"including\" d=\"{including}\"/>")
}

/// Returns the part of an edge of the photograph that lies in a round field: `at` is the place of the edge and `centre` that
/// of the field, in the direction across it; `middle` is the centre along the edge, which has this length.
fn chord(at: f32, centre: f32, middle: f32, radius: f32, length: f32) -> Option<[f32; 2]> {
    let squared = radius * radius - (at - centre) * (at - centre);
    let half = (squared > 0.0).then(|| squared.sqrt())?;
    Some([(middle - half).max(0.0), (middle + half).min(length)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_follows_the_edge_that_cuts_a_round_field() {
        // A circle of radius 5 around (5, 3), whose upper part is missing.
        assert_eq!(chord(0.0, 3.0, 5.0, 5.0, 20.0), Some([1.0, 9.0]));
        assert_eq!(chord(0.0, 3.0, 5.0, 5.0, 7.0), Some([1.0, 7.0]));
        assert_eq!(chord(9.0, 3.0, 5.0, 5.0, 20.0), None);
    }

    #[test]
    fn a_round_field_is_shown_without_the_black_around_it() {
        let mut photograph = Photograph {
            path: "a.png".into(),
            width_px: 1_000,
            height_px: 400,
            field_of_view: FieldOfView::Round { x: 500.0, y: 200.0, radius: 250.0 },
            cell_diameter_px: 20.0,
            condition: Default::default(),
            warnings: Vec::new(),
            cells: Vec::new(),
        };
        assert_eq!(shown_part(&photograph), [245, 0, 510, 400]);
        assert!(overlay(&photograph, "s1p1").starts_with("<svg viewBox=\"245 0 510 400\""));
        // Nothing is drawn outside of a photograph, whatever the field.
        photograph.field_of_view = FieldOfView::Round { x: -500.0, y: 200.0, radius: 100.0 };
        assert_eq!(shown_part(&photograph), [0, 0, 1_000, 400]);
        photograph.field_of_view = FieldOfView::Whole;
        assert!(overlay(&photograph, "s1p1").contains("class=\"excluding\" d=\"M0 400V0H1000\""));
    }

    #[test]
    fn identifiers_count_from_one() {
        assert_eq!((photograph_id(0, 4), cell_id(1, 0, 9)), ("s1p5".to_owned(), "s2p1c10".to_owned()));
    }
}
