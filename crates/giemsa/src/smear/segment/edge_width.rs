//! The sharpness of a photograph, measured on the outlines of its cells.

use super::grid::Grid;

/// Returns the median width in pixels of the rise from the empty slide to the density of a cell, over the outlines of a
/// mask; 0 if there is none.
pub(super) fn width_px(density: &Grid<f32>, mask: &Grid<bool>, cell_density: f32) -> f32 {
    let (width, height) = (density.width, density.height);
    let mut slopes = Vec::new();
    for y in 1..height.saturating_sub(1) {
        for pixel in y * width + 1..y * width + width.saturating_sub(1) {
            let is_outline = mask.values[pixel] && mask.neighbours4(pixel).any(|next| !mask.values[next]);
            if is_outline {
                let dx = (density.values[pixel + 1] - density.values[pixel - 1]) / 2.0;
                let dy = (density.values[pixel + width] - density.values[pixel - width]) / 2.0;
                slopes.push(dx.hypot(dy));
            }
        }
    }
    let middle = slopes.len() / 2;
    if slopes.is_empty() {
        return 0.0;
    }
    let slope = *slopes.select_nth_unstable_by(middle, f32::total_cmp).1;
    if slope > 0.0 { cell_density / slope } else { 0.0 }
}
