//! Which boxes, drawn by people, are those of the objects found on a photograph.

/// A found and a marked box are of the same object from this intersection over union on.
pub(super) const LEAST_OVERLAP: f64 = 0.5;

/// Left, top, width and height of a box, in pixels.
pub(super) type Frame = [f64; 4];

/// Returns the pairs of marked and found boxes of the same object, the best one first. No box is in two pairs.
pub(super) fn match_boxes(marked: &[Frame], found: &[Frame]) -> Vec<(usize, usize)> {
    let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
    for (m, frame) in marked.iter().enumerate() {
        let overlaps = found.iter().enumerate().map(|(f, found)| (overlap(frame, found), m, f));
        pairs.extend(overlaps.filter(|(overlap, ..)| *overlap >= LEAST_OVERLAP));
    }
    // The sort is stable, so that equal pairs stay in the order of the boxes.
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut marked_taken, mut found_taken) = (vec![false; marked.len()], vec![false; found.len()]);
    pairs.retain(|&(_, m, f)| {
        let is_free = !marked_taken[m] && !found_taken[f];
        marked_taken[m] |= is_free;
        found_taken[f] |= is_free;
        is_free
    });
    pairs.into_iter().map(|(_, m, f)| (m, f)).collect()
}

/// Computes the intersection over union of a marked and a found box. For a marked centre, a box of at most one pixel, it is
/// from 0.5 at the edge of the found box to 1 at its middle, and 0 outside.
fn overlap(&[x, y, width, height]: &Frame, &[left, top, found_width, found_height]: &Frame) -> f64 {
    if width <= 1.0 && height <= 1.0 {
        let off = |at: f64, from: f64, side: f64| (at - from - side / 2.0).abs() / side;
        let off_centre = off(x, left, found_width).max(off(y, top, found_height));
        return if off_centre <= 0.5 { 1.0 - 0.5 * off_centre } else { 0.0 };
    }
    let common = |a: f64, a_side: f64, b: f64, b_side: f64| ((a + a_side).min(b + b_side) - a.max(b)).max(0.0);
    let both = common(x, width, left, found_width) * common(y, height, top, found_height);
    both / (width * height + found_width * found_height - both)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intersection_over_union_is_that_of_hand_arithmetic() {
        // Shifted by half its width: 50 of 150 units. Shifted by a third: 2/3 of 4/3, exactly 0.5.
        let square = [100.0, 100.0, 60.0, 60.0];
        assert!((overlap(&square, &[130.0, 100.0, 60.0, 60.0]) - 1.0 / 3.0).abs() < 1e-12);
        assert!((overlap(&square, &[120.0, 100.0, 60.0, 60.0]) - 0.5).abs() < 1e-12);
        assert_eq!(overlap(&square, &square), 1.0);
        assert_eq!(overlap(&square, &[160.0, 100.0, 60.0, 60.0]), 0.0);
    }

    #[test]
    fn a_centre_belongs_to_the_box_that_contains_it() {
        let centre = [130.0, 130.0, 1.0, 1.0];
        assert_eq!(overlap(&centre, &[100.0, 100.0, 60.0, 60.0]), 1.0);
        assert_eq!(overlap(&centre, &[130.0, 100.0, 60.0, 60.0]), 0.75);
        assert_eq!(overlap(&centre, &[131.0, 100.0, 60.0, 60.0]), 0.0);
    }

    #[test]
    fn a_box_belongs_to_the_object_that_agrees_best() {
        let found = [10.0, 14.0, 300.0].map(|left| [left, 10.0, 60.0, 60.0]);
        let marked = [[14.0, 10.0, 60.0, 60.0], [10.0, 12.0, 60.0, 60.0]];
        assert_eq!(match_boxes(&marked, &found), [(0, 1), (1, 0)]);
        assert_eq!(match_boxes(&marked[..1], &found), [(0, 1)]);
    }

    #[test]
    fn a_pair_of_taken_boxes_does_not_take_their_neighbours() {
        // The overlaps are 1 (A, a), 50/70 (B, a), 50/70 (A, b), and 40/80 (B, b): the second and third pair are taken, the
        // fourth is free.
        let marked = [100.0, 110.0].map(|left| [left, 100.0, 60.0, 60.0]);
        let found = [100.0, 90.0].map(|left| [left, 100.0, 60.0, 60.0]);
        assert_eq!(match_boxes(&marked, &found), [(0, 0), (1, 1)]);
    }
}
