//! The part of a photograph that shows the smear: all of it, or a round field in black as a telephone at the eyepiece
//! sees it.

use super::grid::Grid;
use super::regions;
use serde::{Deserialize, Serialize};

/// The part of a photograph that shows the smear, in pixels of the file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldOfView {
    /// The whole photograph.
    Whole,
    /// A disc, which the edges of the photograph may cut.
    Round {
        /// Column of the centre.
        x: f32,
        /// Row of the centre.
        y: f32,
        /// Radius.
        radius: f32,
    },
}

/// A pixel is black if its brightest channel is below this fraction of the photograph's bright pixels.
const BLACK: f32 = 0.3;
/// A field is round if at least this fraction of the photograph is black.
const LEAST_BLACK: f32 = 0.03;
/// The largest mean deviation of the field's border from a circle, as a fraction of its radius.
const ROUNDNESS: f32 = 0.03;
/// The blurred border of a round field, as a fraction of its radius.
const BORDER: f32 = 0.02;

/// Finds the field of view of a reduced photograph, in pixels of the reduced photograph.
pub(super) fn find(colours: &Grid<[u8; 3]>) -> FieldOfView {
    let brightness = |pixel: &[u8; 3]| pixel.iter().copied().max().unwrap_or(0);
    let limit = BLACK * f32::from(percentile(colours.values.iter().map(brightness), 0.95));
    let values: Vec<bool> = colours.values.iter().map(|pixel| f32::from(brightness(pixel)) >= limit).collect();
    let bright = values.iter().filter(|&&bright| bright).count();
    if (bright as f32) > (1.0 - LEAST_BLACK) * values.len() as f32 {
        return FieldOfView::Whole;
    }
    let mask = Grid { width: colours.width, height: colours.height, values };
    round_field(&mask).unwrap_or(FieldOfView::Whole)
}

/// Fits a circle to the border of the largest bright region; `None` if it is not round.
fn round_field(mask: &Grid<bool>) -> Option<FieldOfView> {
    let (labels, areas) = regions::label(mask);
    let largest = (1..areas.len()).max_by_key(|&number| areas[number])?;
    let inside = |pixel: usize| labels.values[pixel] as usize == largest;
    let (mut points, mut reached) = (Vec::new(), vec![[usize::MAX, 0]; mask.height]);
    for pixel in (0..labels.values.len()).filter(|&pixel| inside(pixel)) {
        let (x, y) = mask.place(pixel);
        reached[y] = [reached[y][0].min(x), reached[y][1].max(x)];
    }
    // The ends of the rows, so that dark cells within the field are no border.
    for (y, &[left, right]) in reached.iter().enumerate().filter(|(_, [left, right])| left <= right) {
        points.extend([left, right].iter().filter(|&&x| x > 0 && x + 1 < mask.width).map(|&x| [x as f32, y as f32]));
    }
    let ([x, y], radius) = fit_circle(&points)?;
    let deviation = |point: &[f32; 2]| ((point[0] - x).hypot(point[1] - y) - radius).abs();
    let mean = points.iter().map(deviation).sum::<f32>() / points.len() as f32;
    (mean <= ROUNDNESS * radius).then_some(FieldOfView::Round { x, y, radius: radius * (1.0 - BORDER) })
}

/// Fits a circle to points by linear least squares (Kåsa 1976, "A circle fitting procedure and its error analysis"), and
/// once more without the points that are far from it.
fn fit_circle(points: &[[f32; 2]]) -> Option<([f32; 2], f32)> {
    let mut kept = points.to_vec();
    let mut circle = None;
    for _ in 0..3 {
        let (centre, radius) = kasa(&kept)?;
        circle = Some((centre, radius));
        let near = |point: &&[f32; 2]| {
            let distance = (point[0] - centre[0]).hypot(point[1] - centre[1]);
            (distance - radius).abs() < 2.0 * ROUNDNESS * radius
        };
        let nearer: Vec<_> = points.iter().filter(near).copied().collect();
        if nearer.len() < points.len() / 2 {
            return None;
        }
        kept = nearer;
    }
    circle
}

fn kasa(points: &[[f32; 2]]) -> Option<([f32; 2], f32)> {
    if points.len() < 16 {
        return None;
    }
    let n = points.len() as f64;
    let mean = |axis: usize| points.iter().map(|point| f64::from(point[axis])).sum::<f64>() / n;
    let (mean_x, mean_y) = (mean(0), mean(1));
    let (mut uu, mut uv, mut vv, mut uz, mut vz, mut z_sum) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    for point in points {
        let (u, v) = (f64::from(point[0]) - mean_x, f64::from(point[1]) - mean_y);
        let z = u * u + v * v;
        uu += u * u;
        uv += u * v;
        vv += v * v;
        uz += u * z;
        vz += v * z;
        z_sum += z;
    }
    let determinant = uu * vv - uv * uv;
    if determinant < 1e-6 * uu * vv {
        return None;
    }
    let u = (uz * vv - vz * uv) / (2.0 * determinant);
    let v = (vz * uu - uz * uv) / (2.0 * determinant);
    let radius = (u * u + v * v + z_sum / n).sqrt();
    Some(([(u + mean_x) as f32, (v + mean_y) as f32], radius as f32))
}

impl FieldOfView {
    /// Returns the field in pixels that are `factor` times smaller or, below 1, larger.
    pub(super) fn scaled(self, factor: f32) -> FieldOfView {
        match self {
            FieldOfView::Whole => FieldOfView::Whole,
            FieldOfView::Round { x, y, radius } => {
                FieldOfView::Round { x: (x + 0.5) * factor - 0.5, y: (y + 0.5) * factor - 0.5, radius: radius * factor }
            }
        }
    }

    /// Returns whether a point lies in the field.
    #[must_use]
    pub fn contains(self, at_x: f32, at_y: f32) -> bool {
        match self {
            FieldOfView::Whole => true,
            FieldOfView::Round { x, y, radius } => (at_x - x).powi(2) + (at_y - y).powi(2) <= radius * radius,
        }
    }

    /// Returns which pixels of a grid lie in the field.
    pub(super) fn mask<T>(self, grid: &Grid<T>) -> Grid<bool> {
        let inside = |pixel| {
            let (x, y) = grid.place(pixel);
            self.contains(x as f32, y as f32)
        };
        Grid { width: grid.width, height: grid.height, values: (0..grid.values.len()).map(inside).collect() }
    }
}

/// Returns the smallest byte that at least this fraction of the bytes do not exceed.
fn percentile(bytes: impl Iterator<Item = u8>, fraction: f32) -> u8 {
    let mut counts = [0_usize; 256];
    bytes.for_each(|byte| counts[usize::from(byte)] += 1);
    let wanted = (counts.iter().sum::<usize>() as f32 * fraction) as usize;
    let mut below = 0;
    counts
        .iter()
        .position(|&count| {
            below += count;
            below > wanted
        })
        .unwrap_or(255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photograph(bright: impl Fn(f32, f32) -> bool) -> Grid<[u8; 3]> {
        let colour = |i: usize| if bright((i % 200) as f32, (i / 200) as f32) { [210, 190, 180] } else { [4, 3, 5] };
        Grid { width: 200, height: 120, values: (0..200 * 120).map(colour).collect() }
    }

    #[test]
    fn finds_a_disc_that_the_edges_cut() {
        let found = find(&photograph(|x, y| (x - 90.0).hypot(y - 55.0) < 70.0));
        let FieldOfView::Round { x, y, radius } = found else { panic!("{found:?}") };
        assert!((x - 90.0).abs() < 1.0 && (y - 55.0).abs() < 1.0, "{found:?}");
        assert!(radius < 70.0 && radius > 66.0, "{found:?}");
        let FieldOfView::Round { x, radius: scaled, .. } = found.scaled(4.0) else { panic!() };
        assert!((x - (4.0 * 90.0 + 1.5)).abs() < 4.0 && (scaled - 4.0 * radius).abs() < 1e-3);
    }

    #[test]
    fn a_photograph_without_black_or_with_black_of_another_shape_is_used_whole() {
        assert_eq!(find(&photograph(|_, _| true)), FieldOfView::Whole);
        assert_eq!(find(&photograph(|x, _| x > 60.0)), FieldOfView::Whole);
        assert_eq!(find(&photograph(|_, _| false)), FieldOfView::Whole);
        // Dark cells are no border.
        assert_eq!(find(&photograph(|x, y| (x % 40.0 - 20.0).hypot(y % 40.0 - 20.0) > 12.0)), FieldOfView::Whole);
    }
}
