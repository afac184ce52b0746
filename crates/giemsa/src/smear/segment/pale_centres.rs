//! Holes of the mask: the pale centres of cells are filled, and gaps between cells are not.

use super::grid::Grid;
use super::regions;

/// A hole is a pale centre from this circularity on. A disc has 1; the gap that three discs enclose has 0.2, and a slit less.
/// Gaps that are filled become parts of their own, which are left out because nearly all of their area was filled.
const ROUND: f32 = 0.2;
/// A hole of fewer pixels is filled whatever its shape: its circularity is not reliable.
const TINY_PX: usize = 6;

/// Fills the holes that are pale centres, and returns their pixels. What touches the edge of the grid or lies outside the
/// field is no hole.
pub(super) fn fill(mask: &mut Grid<bool>, field: &Grid<bool>, largest_px: usize) -> Grid<bool> {
    let outside =
        Grid { width: mask.width, height: mask.height, values: mask.values.iter().map(|&inside| !inside).collect() };
    let (labels, areas) = regions::label(&outside);
    let mut is_open = vec![false; areas.len()];
    let mut edges = vec![0_usize; areas.len()];
    for pixel in 0..labels.values.len() {
        let number = labels.values[pixel] as usize;
        if number != 0 {
            is_open[number] |= labels.is_on_edge(pixel) || !field.values[pixel];
            edges[number] += labels.neighbours4(pixel).filter(|&next| mask.values[next]).count();
        }
    }
    let fills: Vec<bool> = (0..areas.len())
        .map(|number| {
            let is_small = areas[number] <= largest_px;
            number != 0 && !is_open[number] && is_small && is_pale_centre(areas[number], edges[number])
        })
        .collect();
    let filled: Vec<bool> = labels.values.iter().map(|&number| fills[number as usize]).collect();
    mask.values.iter_mut().zip(&filled).for_each(|(pixel, &filled)| *pixel |= filled);
    Grid { width: mask.width, height: mask.height, values: filled }
}

/// Decides by the circularity, 4 pi area / perimeter².
fn is_pale_centre(area: usize, edges: usize) -> bool {
    // Pixel edges overestimate the perimeter of a disc by 4 / pi.
    let perimeter = edges as f32 * std::f32::consts::FRAC_PI_4;
    let circularity = 4.0 * std::f32::consts::PI * area as f32 / (perimeter * perimeter);
    area < TINY_PX || circularity >= ROUND
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(inside: impl Fn(f32, f32) -> bool) -> Grid<bool> {
        let values = (0..60 * 60).map(|i| inside((i % 60) as f32, (i / 60) as f32)).collect();
        Grid { width: 60, height: 60, values }
    }

    #[test]
    fn fills_the_centre_of_a_ring_but_not_the_slit_between_cells() {
        let field = mask(|_, _| true);
        let ring = |x: f32, y: f32| (6.0..14.0).contains(&(x - 30.0).hypot(y - 30.0));
        let mut filled = mask(ring);
        fill(&mut filled, &field, usize::MAX);
        assert!(filled.values[30 * 60 + 30] && !filled.values[0]);

        let mut small = mask(ring);
        fill(&mut small, &field, 50);
        assert!(!small.values[30 * 60 + 30], "the hole is larger than a pale centre can be");

        let slit =
            |x: f32, y: f32| (10.0..50.0).contains(&y) && !((28.0..29.0).contains(&x) && (12.0..48.0).contains(&y));
        let mut open = mask(slit);
        fill(&mut open, &field, usize::MAX);
        assert!(!open.values[30 * 60 + 28]);
    }

    #[test]
    fn what_reaches_the_border_of_the_field_is_no_hole() {
        let field = mask(|x, _| x < 31.0);
        let mut ring = mask(|x, y| (6.0..14.0).contains(&(x - 30.0).hypot(y - 30.0)));
        fill(&mut ring, &field, usize::MAX);
        assert!(!ring.values[30 * 60 + 30]);
    }
}
