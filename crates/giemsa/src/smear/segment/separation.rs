//! Separates touching cells: a watershed of a relief, which is the distance to the outside, with or without votes for centres.

use super::distance::distance_to_outside;
use super::grid::Grid;
use super::regions;

/// A place where the relief is higher than around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peak {
    /// The pixel.
    pub pixel: usize,
    /// The radius of the largest disc around it.
    pub radius_px: f32,
    /// The height of the relief.
    pub height: f32,
}

/// Numbered parts of a mask.
pub(super) struct Parts {
    /// The number of each pixel's part, from 1 on; 0 is outside.
    pub labels: Grid<u32>,
    /// The peaks, in the order of the parts' numbers.
    pub peaks: Vec<Peak>,
    /// Pairs of parts that touch, with the largest height of the relief where they do.
    pub necks: Vec<(u32, u32, f32)>,
    /// The distance to the outside.
    pub distance: Grid<f32>,
}

/// Peaks are distinct if the relief between them falls below this fraction of the lower one.
const NECK: f32 = 0.97;
/// Steps of the relief per unit of height.
const STEPS: f32 = 8.0;
/// The height of one radius of distance, and that of the votes which cells typically have. The scale matters only for the
/// number of steps.
const SCALE: f32 = 8.0;
/// More distance than this, in radii, adds no height: the middle of a clump is no better centre than that of a cell.
const MOST_DISTANCE: f32 = 1.2;
/// More votes than this, in typical maxima, add no height.
const MOST_VOTES: f32 = 1.5;
/// Peaks of the distance below this many pixels are not those of cells.
const LEAST_PEAK_PX: f32 = 3.0;

/// Separates a mask into parts by the distance to the outside.
pub(super) fn separate(mask: &Grid<bool>) -> Parts {
    let distance = smooth_within(&distance_to_outside(mask));
    flood(mask, &distance, distance.clone())
}

/// Separates a mask into parts by the distance to the outside and the votes for centres.
pub(super) fn separate_by(mask: &Grid<bool>, votes: &Grid<f32>, radius_px: f32) -> Parts {
    let distance = smooth_within(&distance_to_outside(mask));
    let mut relief = distance.clone();
    let most = typical_maximum(&relief, votes);
    for (height, &vote) in relief.values.iter_mut().zip(&votes.values).filter(|(height, _)| **height > 0.0) {
        *height = (*height / radius_px).min(MOST_DISTANCE) * SCALE + (vote / most).min(MOST_VOTES) * SCALE;
    }
    flood(mask, &relief, distance)
}

/// Returns the median of the votes at the places that are farthest from the outside.
fn typical_maximum(distance: &Grid<f32>, votes: &Grid<f32>) -> f32 {
    let is_peak = |pixel: &usize| {
        let height = distance.values[*pixel];
        height > LEAST_PEAK_PX && distance.neighbours8(*pixel).all(|next| distance.values[next] <= height)
    };
    let mut heights: Vec<f32> = (0..distance.values.len()).filter(is_peak).map(|pixel| votes.values[pixel]).collect();
    heights.sort_unstable_by(f32::total_cmp);
    heights.get(heights.len() / 2).copied().unwrap_or(1.0).max(1e-6)
}

/// Numbers the pixels of a mask from the highest to the lowest, and starts a part at each peak.
fn flood(mask: &Grid<bool>, relief: &Grid<f32>, distance: Grid<f32>) -> Parts {
    let order = by_falling_height(relief);
    let mut labels: Grid<u32> = Grid::like(mask);
    let mut sets = Sets { parents: vec![0], peaks: vec![0.0], pixels: vec![0] };
    let mut necks = Vec::new();
    for pixel in order {
        let pixel = pixel as usize;
        let level = relief.values[pixel];
        let mut joined = 0;
        for neighbour in mask.neighbours8(pixel) {
            let other = sets.find(labels.values[neighbour]);
            if other == 0 || other == joined {
                continue;
            }
            if joined == 0 {
                joined = other;
            } else if level >= NECK * sets.peaks[joined as usize].min(sets.peaks[other as usize]) {
                joined = sets.unite(joined, other);
            } else {
                necks.push((joined, other, level));
            }
        }
        labels.values[pixel] = if joined == 0 { sets.add(pixel, level) } else { joined };
    }
    numbered(labels, sets, necks, distance)
}

/// Renumbers the parts without gaps, and keeps the widest neck of each pair.
fn numbered(mut labels: Grid<u32>, mut sets: Sets, necks: Vec<(u32, u32, f32)>, distance: Grid<f32>) -> Parts {
    let mut numbers = vec![0_u32; sets.parents.len()];
    let mut peaks = Vec::new();
    for set in 1..sets.parents.len() as u32 {
        if sets.find(set) == set {
            let pixel = sets.pixels[set as usize];
            peaks.push(Peak { pixel, radius_px: distance.values[pixel], height: sets.peaks[set as usize] });
            numbers[set as usize] = peaks.len() as u32;
        }
    }
    labels.values.iter_mut().for_each(|label| *label = numbers[sets.find(*label) as usize]);
    let mut widest = std::collections::BTreeMap::new();
    for (a, b, level) in necks {
        let [a, b] = [a, b].map(|set| numbers[sets.find(set) as usize]);
        if a != b {
            let neck = widest.entry((a.min(b), a.max(b))).or_insert(level);
            *neck = level.max(*neck);
        }
    }
    let necks = widest.into_iter().map(|((a, b), level)| (a, b, level)).collect();
    Parts { labels, peaks, necks, distance }
}

/// Disjoint sets of pixels with the highest one in each.
struct Sets {
    parents: Vec<u32>,
    peaks: Vec<f32>,
    pixels: Vec<usize>,
}

impl Sets {
    fn add(&mut self, pixel: usize, peak: f32) -> u32 {
        self.pixels.push(pixel);
        let set = self.parents.len() as u32;
        self.parents.push(set);
        self.peaks.push(peak);
        set
    }

    fn find(&mut self, mut set: u32) -> u32 {
        while self.parents[set as usize] != set {
            let parent = self.parents[set as usize];
            self.parents[set as usize] = self.parents[parent as usize];
            set = parent;
        }
        set
    }

    /// Unites two roots under the one with the larger peak.
    fn unite(&mut self, a: u32, b: u32) -> u32 {
        let (root, child) = if self.peaks[a as usize] >= self.peaks[b as usize] { (a, b) } else { (b, a) };
        self.parents[child as usize] = root;
        root
    }
}

/// Averages the distances of a pixel and its neighbours, so that the corners of pixels make no peaks.
fn smooth_within(distance: &Grid<f32>) -> Grid<f32> {
    let (width, height) = (distance.width, distance.height);
    let mut smoothed: Grid<f32> = Grid::like(distance);
    for y in 0..height {
        for x in 0..width {
            let pixel = y * width + x;
            if distance.values[pixel] > 0.0 {
                let (left, right) = (pixel - usize::from(x > 0), pixel + usize::from(x + 1 < width));
                let above = if y > 0 { pixel - width } else { pixel };
                let below = if y + 1 < height { pixel + width } else { pixel };
                let around: f32 = [left, right, above, below].iter().map(|&next| distance.values[next]).sum();
                smoothed.values[pixel] = 0.5 * distance.values[pixel] + 0.125 * around;
            }
        }
    }
    smoothed
}

/// Sorts the pixels with a height above 0, the highest first, by counting.
fn by_falling_height(relief: &Grid<f32>) -> Vec<u32> {
    let step = |value: f32| (value * STEPS) as usize;
    let largest = relief.values.iter().copied().fold(0.0, f32::max);
    let mut starts = vec![0_usize; step(largest) + 2];
    for &value in relief.values.iter().filter(|&&value| value > 0.0) {
        starts[step(largest) - step(value) + 1] += 1;
    }
    (1..starts.len()).for_each(|i| starts[i] += starts[i - 1]);
    let mut order = vec![0; starts[starts.len() - 1]];
    for (pixel, &value) in relief.values.iter().enumerate().filter(|(_, value)| **value > 0.0) {
        let start = &mut starts[step(largest) - step(value)];
        order[*start] = pixel as u32;
        *start += 1;
    }
    order
}

/// Estimates the diameter of a cell in pixels of the mask, by the discs within its parts: the median, where each part has
/// the weight of its disc's area.
pub(super) fn typical_diameter_px(mask: &Grid<bool>) -> Option<f32> {
    let mut mask = mask.clone();
    regions::remove_small(&mut mask, 12);
    let mut radii = separate(&mask).peaks.iter().map(|peak| peak.radius_px).collect::<Vec<_>>();
    radii.sort_unstable_by(f32::total_cmp);
    let total: f32 = radii.iter().map(|radius| radius * radius).sum();
    let mut below = 0.0;
    let middle = radii.iter().find(|&&radius| {
        below += radius * radius;
        2.0 * below >= total && radius > 0.0
    });
    middle.map(|radius| 2.0 * radius)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn discs(centres: &[(f32, f32)], radius: f32) -> Grid<bool> {
        let inside = |i: usize| {
            let (x, y) = ((i % 90) as f32, (i / 90) as f32);
            centres.iter().any(|&(a, b)| (x - a).hypot(y - b) < radius)
        };
        Grid { width: 90, height: 60, values: (0..90 * 60).map(inside).collect() }
    }

    #[test]
    fn separates_discs_at_their_neck() {
        let parts = separate(&discs(&[(30.0, 30.0), (47.0, 30.0)], 10.0));
        assert_eq!(parts.peaks.len(), 2);
        let [(_, _, neck)] = parts.necks[..] else { panic!("{:?}", parts.necks) };
        // Half of the common chord of two circles at a distance of 17: sqrt(100 - 8.5²) = 5.3.
        assert!((neck - 5.3).abs() < 1.0, "{neck}");
        let at = |x: usize| parts.labels.values[30 * 90 + x];
        assert!(at(30) != at(47) && at(32) == at(30) && at(45) == at(47) && at(10) == 0);
    }

    #[test]
    fn a_disc_is_one_part_and_determines_the_diameter() {
        let disc = discs(&[(40.0, 30.0)], 12.0);
        assert_eq!(separate(&disc).peaks.len(), 1);
        assert!((typical_diameter_px(&disc).unwrap() - 24.0).abs() < 2.0);
        assert_eq!(typical_diameter_px(&discs(&[], 1.0)), None);
    }
}
