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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_width_of_a_linear_rise() {
        for width in [4.0_f32, 10.0] {
            let density = |i: usize| (((i % 60) as f32 - 20.0) / width).clamp(0.0, 1.0);
            let values: Vec<f32> = (0..60 * 20).map(density).collect();
            let mask = Grid { width: 60, height: 20, values: values.iter().map(|&value| value > 0.35).collect() };
            let found = width_px(&Grid { width: 60, height: 20, values }, &mask, 1.0);
            assert!((found / width - 1.0).abs() < 0.05, "{width}: {found}");
        }
    }
}
