//! The sharpness of a photograph, measured on the outlines of its cells at full resolution.

use super::grid::Grid;
use image::RgbImage;

/// About as many places on outlines are measured.
const SAMPLES: usize = 1500;
/// A profile reaches this far to both sides of an outline, in cell diameters.
const REACH: f32 = 0.25;
/// The slope of a profile is measured over this many pixels, so that noise of single pixels does not look sharp.
const BASELINE_PX: usize = 3;
/// The least difference of brightness along a profile that is the edge of a cell, as a sum of the three channels.
const LEAST_RANGE: i32 = 24;

/// Returns the median width in pixels of the photograph over which the brightness falls from the empty slide to that of a cell;
/// 0 if no cell has an outline.
///
/// `density` and `mask` are those of the photograph, reduced by `factor`.
pub(super) fn width_px(
    photograph: &RgbImage,
    density: &Grid<f32>,
    mask: &Grid<bool>,
    factor: usize,
    diameter_px: f32,
) -> f32 {
    let is_outline = |&pixel: &usize| {
        mask.values[pixel] && !mask.is_on_edge(pixel) && mask.neighbours4(pixel).any(|next| !mask.values[next])
    };
    let outline: Vec<usize> = (0..mask.values.len()).filter(is_outline).collect();
    let step = outline.len().div_ceil(SAMPLES).max(1);
    let width_at = |&pixel: &usize| {
        let (x, y) = mask.place(pixel);
        let at = |index: usize| density.values[index];
        let inwards = [at(pixel + 1) - at(pixel - 1), at(pixel + mask.width) - at(pixel - mask.width)];
        let place = [x, y].map(|at| (at as f32 + 0.5) * factor as f32 - 0.5);
        edge_width_px(&profile(photograph, place, inwards, REACH * diameter_px))
    };
    let mut widths: Vec<f32> = outline.iter().step_by(step).filter_map(width_at).collect();
    let middle = widths.len() / 2;
    if widths.is_empty() { 0.0 } else { *widths.select_nth_unstable_by(middle, f32::total_cmp).1 }
}

/// Returns the brightness of the pixels along a line through a place, from outside of a cell inwards.
fn profile(photograph: &RgbImage, [x, y]: [f32; 2], [dx, dy]: [f32; 2], reach_px: f32) -> Vec<i32> {
    let length = dx.hypot(dy);
    if length == 0.0 {
        return Vec::new();
    }
    let (dx, dy) = (dx / length, dy / length);
    let reach = reach_px.ceil() as i32;
    let brightness = |step: i32| {
        let [column, row] = [x + step as f32 * dx, y + step as f32 * dy].map(|at| at.round().max(0.0) as u32);
        let inside = column < photograph.width() && row < photograph.height();
        inside.then(|| photograph.get_pixel(column, row).0.iter().map(|&channel| i32::from(channel)).sum())
    };
    (-reach..=reach).filter_map(brightness).collect()
}

/// Returns the range of a profile over its steepest fall; `None` if it contains no edge.
fn edge_width_px(profile: &[i32]) -> Option<f32> {
    let range = profile.iter().max()? - profile.iter().min()?;
    let fall = profile.windows(BASELINE_PX + 1).map(|window| window[0] - window[BASELINE_PX]).max()?;
    (range >= LEAST_RANGE && fall > 0).then(|| range as f32 * BASELINE_PX as f32 / fall as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn is_the_width_of_a_linear_fall() {
        for width in [6.0_f32, 12.0, 20.0] {
            let density = |x: f32| ((x - 40.0) / width).clamp(0.0, 1.0);
            let photograph = RgbImage::from_fn(120, 40, |x, _| Rgb([(230.0 - 120.0 * density(x as f32)) as u8; 3]));
            let values: Vec<f32> = (0..60 * 20).map(|i| density((i % 60) as f32 * 2.0 + 0.5)).collect();
            let mask = Grid { width: 60, height: 20, values: values.iter().map(|&value| value > 0.35).collect() };
            let found = width_px(&photograph, &Grid { width: 60, height: 20, values }, &mask, 2, 80.0);
            assert!((found / width - 1.0).abs() < 0.1, "{width}: {found}");
        }
    }

    #[test]
    fn there_is_no_edge_in_noise() {
        assert_eq!(edge_width_px(&[600, 605, 598, 602, 601, 596, 600]), None);
        assert_eq!(edge_width_px(&[]), None);
    }
}
