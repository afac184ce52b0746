//! Which pixels belong to cells.

use super::grid::Grid;
use super::optical_density::Densities;

/// The density of one channel mixed from three, and the threshold above which a pixel belongs to a cell.
pub(super) struct Foreground {
    /// Mixed optical density.
    pub density: Grid<f32>,
    /// Pixels of cells.
    pub mask: Grid<bool>,
    /// Those of them that are as pale as the empty slide and lie in a pale centre.
    pub filled: Grid<bool>,
    /// The densities of the empty slide and of cells.
    pub levels: Levels,
}

/// The densities of the empty slide and of cells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Levels {
    /// Most frequent density of the empty slide.
    pub slide: f32,
    /// Standard deviation of the density of the empty slide.
    pub noise: f32,
    /// Median density of the pixels of cells.
    pub cell: f32,
}

impl Levels {
    /// Estimates the densities from a histogram. Otsu's threshold may lie above red cells, if there are white cells.
    fn of(counts: &[u64]) -> Levels {
        let (slide, noise) = empty_slide(counts, otsu(counts));
        let cell = median(counts, slide + SURE_NOISES * noise);
        Levels { slide, noise, cell }
    }

    /// Returns the density above which a pixel belongs to a cell.
    pub fn threshold(self) -> f32 {
        self.slide + (FRACTION * (self.cell - self.slide)).max(NOISES * self.noise)
    }
}

/// The weights of red, green and blue before those that separate cells from the slide best are known.
const FIRST_WEIGHTS: [f32; 3] = [0.2, 0.6, 0.2];
/// Noise that is added to each channel's, so that no channel has all the weight, in optical density.
const LEAST_NOISE: f32 = 0.01;
/// A pixel belongs to a cell from this fraction of the cells' typical density on,
const FRACTION: f32 = 0.35;
/// and from this multiple of the noise of the empty slide on.
const NOISES: f32 = 4.0;
/// Pixels from this multiple of the noise on surely belong to cells.
const SURE_NOISES: f32 = 6.0;
/// Range and number of steps of the histogram of densities.
const HISTOGRAM: (f32, f32, usize) = (-0.25, 1.75, 512);

/// Separates the pixels of cells from the empty slide.
pub(super) fn find(densities: &Densities, field: &Grid<bool>) -> Foreground {
    let first = mix(densities, FIRST_WEIGHTS);
    let threshold = Levels::of(&histogram(&first, field)).threshold();
    let weights = best_weights(densities, field, |pixel| first.values[pixel] > threshold);
    let density = smooth(&mix(densities, weights));
    let levels = Levels::of(&histogram(&density, field));
    let threshold = levels.threshold();
    let values = density.values.iter().zip(&field.values).map(|(&value, &inside)| inside && value > threshold);
    let mask = Grid { width: density.width, height: density.height, values: values.collect() };
    Foreground { density, filled: Grid::like(&mask), mask, levels }
}

fn mix(densities: &Densities, weights: [f32; 3]) -> Grid<f32> {
    let mixed = |value: &[f32; 3]| value.iter().zip(&weights).map(|(value, weight)| value * weight).sum();
    Grid { width: densities.width, height: densities.height, values: densities.values.iter().map(mixed).collect() }
}

/// Computes the weights of the channels that separate cells from the empty slide best for its noise: the difference of the
/// means over the variance of the slide, as in a linear discriminant with independent channels. Their sum is 1.
fn best_weights(densities: &Densities, field: &Grid<bool>, is_cell: impl Fn(usize) -> bool) -> [f32; 3] {
    let mut sums = [[0.0_f64; 3]; 2];
    let (mut squares, mut counts) = ([0.0_f64; 3], [0_u32; 2]);
    for pixel in (0..densities.values.len()).filter(|&pixel| field.values[pixel]) {
        let cell = usize::from(is_cell(pixel));
        counts[cell] += 1;
        for (c, &value) in densities.values[pixel].iter().enumerate() {
            sums[cell][c] += f64::from(value);
            squares[c] += if cell == 0 { f64::from(value).powi(2) } else { 0.0 };
        }
    }
    if counts.contains(&0) {
        return FIRST_WEIGHTS;
    }
    let weights: [f64; 3] = std::array::from_fn(|c| {
        let [slide, cell] = [0, 1].map(|class| sums[class][c] / f64::from(counts[class]));
        let variance = squares[c] / f64::from(counts[0]) - slide * slide + f64::from(LEAST_NOISE).powi(2);
        (cell - slide).max(0.0) / variance
    });
    let sum: f64 = weights.iter().sum();
    if sum > 0.0 { weights.map(|weight| (weight / sum) as f32) } else { FIRST_WEIGHTS }
}

/// Averages each pixel with its neighbours, with the weights 1, 2, 1 along rows and columns.
fn smooth(grid: &Grid<f32>) -> Grid<f32> {
    let (width, height) = (grid.width, grid.height);
    let mut rows: Grid<f32> = Grid::like(grid);
    for y in 0..height {
        let line = &grid.values[y * width..][..width];
        for x in 0..width {
            let (left, right) = (line[x.saturating_sub(1)], line[(x + 1).min(width - 1)]);
            rows.values[y * width + x] = 0.25 * (left + right) + 0.5 * line[x];
        }
    }
    let mut smoothed: Grid<f32> = Grid::like(grid);
    for y in 0..height {
        let (above, below) = (y.saturating_sub(1) * width, (y + 1).min(height - 1) * width);
        for x in 0..width {
            smoothed.values[y * width + x] =
                0.25 * (rows.values[above + x] + rows.values[below + x]) + 0.5 * rows.values[y * width + x];
        }
    }
    smoothed
}

fn histogram(density: &Grid<f32>, field: &Grid<bool>) -> Vec<u64> {
    let (low, high, steps) = HISTOGRAM;
    let mut counts = vec![0; steps];
    for (value, _) in density.values.iter().zip(&field.values).filter(|(_, inside)| **inside) {
        let step = (value - low) / (high - low) * steps as f32;
        counts[(step.max(0.0) as usize).min(steps - 1)] += 1;
    }
    counts
}

fn density_of(step: usize) -> f32 {
    let (low, high, steps) = HISTOGRAM;
    low + (step as f32 + 0.5) / steps as f32 * (high - low)
}

/// Computes the threshold with the largest variance between the two classes (Otsu 1979, "A threshold selection method from
/// gray-level histograms", equation 18).
fn otsu(counts: &[u64]) -> f32 {
    let value = |step: usize| f64::from(density_of(step));
    let total: f64 = counts.iter().map(|&count| count as f64).sum();
    let sum: f64 = counts.iter().enumerate().map(|(step, &count)| count as f64 * value(step)).sum();
    let (mut below, mut sum_below, mut best) = (0.0, 0.0, (0.0, 0));
    for (step, &count) in counts.iter().enumerate() {
        below += count as f64;
        sum_below += count as f64 * value(step);
        let above = total - below;
        if below > 0.0 && above > 0.0 {
            let variance = below * above * (sum_below / below - (sum - sum_below) / above).powi(2);
            if variance > best.0 {
                best = (variance, step);
            }
        }
    }
    density_of(best.1)
}

/// Returns the median density above a threshold.
fn median(counts: &[u64], threshold: f32) -> f32 {
    let above = || counts.iter().enumerate().filter(|&(step, _)| density_of(step) > threshold);
    let total: u64 = above().map(|(_, count)| count).sum();
    let mut below = 0;
    above()
        .find(|&(_, count)| {
            below += count;
            2 * below >= total
        })
        .map_or(threshold, |(step, _)| density_of(step))
}

/// Estimates the most frequent density of the empty slide and its standard deviation, from the densities below the most
/// frequent one, which no cell has.
fn empty_slide(counts: &[u64], threshold: f32) -> (f32, f32) {
    let below = || counts.iter().enumerate().filter(|&(step, _)| density_of(step) < threshold);
    let Some((mode, _)) = below().max_by_key(|&(_, count)| count) else { return (0.0, LEAST_NOISE) };
    let (mut sum, mut total) = (0.0, 0.0);
    for (step, &count) in counts.iter().enumerate().take(mode) {
        sum += count as f32 * (density_of(step) - density_of(mode)).powi(2);
        total += count as f32;
    }
    let noise = if total > 0.0 { (sum / total).sqrt() } else { 0.0 };
    (density_of(mode), noise.max(LEAST_NOISE))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Squares of side 10 of this density at every 20th pixel; one of them is a nucleus of the other density.
    fn squares(cell: [f32; 3], nucleus: [f32; 3]) -> Densities {
        let density = |i: usize| {
            let (x, y) = (i % 200, i / 200);
            let noise = ((i * 7919) % 13) as f32 / 13.0 * 0.02 - 0.01;
            let is_cell = x % 20 < 10 && y % 20 < 10;
            let stain = if !is_cell {
                [0.0; 3]
            } else if x < 20 && y < 20 {
                nucleus
            } else {
                cell
            };
            stain.map(|value| value + noise)
        };
        Grid { width: 200, height: 200, values: (0..40_000).map(density).collect() }
    }

    #[test]
    fn finds_pale_cells_beside_a_dark_nucleus_and_in_any_channel() {
        let field = Grid { width: 200, height: 200, values: vec![true; 40_000] };
        for cell in [[0.05, 0.2, 0.12], [0.0, 0.1, 0.3], [0.9, 0.8, 0.5]] {
            let found = find(&squares(cell, [1.5, 1.8, 0.4]), &field);
            assert!(found.mask.values[5 * 200 + 45] && found.mask.values[5 * 200 + 5], "{cell:?}");
            assert!(!found.mask.values[15 * 200 + 15], "{cell:?}");
            let share = found.mask.values.iter().filter(|&&inside| inside).count() as f32 / 40_000.0;
            assert!((0.22..0.33).contains(&share), "{cell:?} {share}");
        }
    }

    #[test]
    fn otsu_separates_two_peaks() {
        let mut counts = vec![0; HISTOGRAM.2];
        (counts[80], counts[90], counts[300], counts[310]) = (500, 400, 90, 100);
        let threshold = otsu(&counts);
        assert!(threshold >= density_of(90) && threshold < density_of(300), "{threshold}");
    }
}
