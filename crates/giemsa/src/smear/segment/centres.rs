//! Votes for the centres of cells.
//!
//! The outline of a cell is where the density rises towards its inside, also where it lies on another cell: densities of
//! overlapping cells add up. Each pixel of an outline votes for the places at about a radius from it in the direction in
//! which the density rises, after Loy and Zelinsky 2003, "Fast radial symmetry for detecting points of interest". The edge
//! of a pale centre votes outwards, and so for no common place.

use super::grid::Grid;

/// Distances from the outline that receive votes, in radii.
const NEAREST: f32 = 0.65;
const FARTHEST: f32 = 1.1;
/// A pixel with less than this fraction of a cell's density as gradient does not vote, per pixel.
const LEAST_SLOPE: f32 = 0.04;
/// A pixel with this slope or more has a whole vote.
const FULL_SLOPE: f32 = 0.12;
/// The radius within which votes are averaged, in cell radii.
const SPREAD: f32 = 0.28;

/// Computes the votes for the centre of a cell at each pixel, in no particular unit.
pub(super) fn votes(density: &Grid<f32>, cell_density: f32, radius_px: f32) -> Grid<f32> {
    let (width, height) = (density.width, density.height);
    let mut votes: Grid<f32> = Grid::like(density);
    let distances = (NEAREST * radius_px).round().max(1.0) as usize..=(FARTHEST * radius_px).round().max(1.0) as usize;
    let (least_slope, full_slope) = (LEAST_SLOPE * cell_density, FULL_SLOPE * cell_density);
    for y in 1..height.saturating_sub(1) {
        for x in 1..width.saturating_sub(1) {
            let pixel = y * width + x;
            let at = |index: usize| density.values[index];
            // Sobel: 1, 2, 1 across the direction of the difference.
            let column = |x: usize| at(x - width) + 2.0 * at(x) + at(x + width);
            let row = |x: usize| at(x - 1) + 2.0 * at(x) + at(x + 1);
            let (dx, dy) =
                ((column(pixel + 1) - column(pixel - 1)) / 8.0, (row(pixel + width) - row(pixel - width)) / 8.0);
            let slope = (dx * dx + dy * dy).sqrt();
            if slope < least_slope {
                continue;
            }
            let (dx, dy) = (dx / slope, dy / slope);
            let weight = (slope / full_slope).min(1.0);
            for distance in distances.clone() {
                // Half a pixel more, so that truncation rounds.
                let column = x as f32 + 0.5 + dx * distance as f32;
                let row = y as f32 + 0.5 + dy * distance as f32;
                if column >= 0.0 && row >= 0.0 && (column as usize) < width && (row as usize) < height {
                    votes.values[row as usize * width + column as usize] += weight;
                }
            }
        }
    }
    blur(&mut votes, (SPREAD * radius_px).round().max(1.0) as usize);
    votes
}

/// Averages over squares of side 2 radius + 1, twice.
fn blur(grid: &mut Grid<f32>, radius: usize) {
    let (width, height) = (grid.width, grid.height);
    for _ in 0..2 {
        let mut row = vec![0.0; width];
        for line in grid.values.chunks_exact_mut(width) {
            row.copy_from_slice(line);
            average(&row, radius, |x, value| line[x] = value);
        }
        let mut column = vec![0.0; height];
        for x in 0..width {
            (0..height).for_each(|y| column[y] = grid.values[y * width + x]);
            average(&column, radius, |y, value| grid.values[y * width + x] = value);
        }
    }
}

fn average(values: &[f32], radius: usize, mut set: impl FnMut(usize, f32)) {
    let length = (2 * radius + 1) as f32;
    let mut sum: f32 = values.iter().take(radius).sum();
    for i in 0..values.len() {
        sum += values.get(i + radius).copied().unwrap_or(0.0);
        set(i, sum / length);
        if i >= radius {
            sum -= values[i - radius];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The densities of discs of radius 10, which add up where they overlap.
    fn discs(centres: &[(f32, f32)]) -> Grid<f32> {
        let density = |i: usize| {
            let (x, y) = ((i % 80) as f32, (i / 80) as f32);
            centres.iter().map(|&(a, b)| (10.5 - (x - a).hypot(y - b)).clamp(0.0, 1.0)).sum()
        };
        Grid { width: 80, height: 60, values: (0..80 * 60).map(density).collect() }
    }

    #[test]
    fn overlapping_discs_have_a_maximum_each() {
        let votes = votes(&discs(&[(30.0, 30.0), (42.0, 30.0)]), 1.0, 10.0);
        let at = |x: usize| votes.values[30 * 80 + x];
        let left = (20..36).max_by(|&a, &b| at(a).total_cmp(&at(b))).unwrap();
        let right = (36..52).max_by(|&a, &b| at(a).total_cmp(&at(b))).unwrap();
        assert!(left.abs_diff(30) <= 1 && right.abs_diff(42) <= 1, "{left} {right}");
        assert!(at(36) < 0.8 * at(left), "{} {}", at(36), at(left));
    }

    #[test]
    fn a_pale_spot_has_no_votes_in_it() {
        let mut pale = discs(&[]);
        pale.values.iter_mut().zip(&discs(&[(40.0, 30.0)]).values).for_each(|(value, disc)| *value = 1.0 - disc);
        assert!(votes(&pale, 1.0, 10.0).values[30 * 80 + 40] < 1e-3);
    }
}
