//! Size, colour and shape of the parts of a mask.

use super::foreground::Foreground;
use super::grid::Grid;
use super::optical_density::Densities;
use super::separation::Peak;

/// The measurements of a part. Areas are in pixels of the reduced photograph.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measurements {
    /// Left, top, right and bottom edge; right and bottom are the first pixels outside.
    pub bounds: [usize; 4],
    pub area: f32,
    /// Area that was filled as a pale centre.
    pub filled: f32,
    /// Area of stain as dark and as red-absorbing as that of nuclei of white cells.
    pub nuclear: f32,
    /// Mean density of each channel, as a multiple of the typical one of cells.
    pub density: [f32; 3],
    /// Radius of the largest disc in it.
    pub inner_radius: f32,
}

/// Nuclear stain is purple: compared with red cells, it absorbs less blue than green, by this factor at most,
const NUCLEAR_BLUE: f32 = 0.7;
/// and at least this multiple of what red cells absorb in green and in red;
const NUCLEAR: [f32; 2] = [1.15, 1.5];
/// or this multiple in green, where red cells are stained blue and absorb much red.
const NUCLEAR_GREEN: f32 = 1.7;
/// Densities below this are taken for this, in red, where red cells absorb little.
const LEAST_RED: f32 = 0.08;
/// Every so many pixels of cells are a sample for the typical densities.
const SAMPLE_STEP: usize = 7;

/// Measures the parts, in the order of their numbers; the first is the outside and has no meaning. Parts without pixels have
/// an area of 0.
pub(super) fn measure(
    labels: &Grid<u32>,
    peaks: &[Peak],
    distance: &Grid<f32>,
    densities: &Densities,
    found: &Foreground,
) -> Vec<Measurements> {
    let mut typical = typical_densities(densities, found);
    typical[0] = typical[0].max(LEAST_RED);
    let none = Measurements {
        bounds: [usize::MAX, usize::MAX, 0, 0],
        area: 0.0,
        filled: 0.0,
        nuclear: 0.0,
        density: [0.0; 3],
        inner_radius: 0.0,
    };
    let mut parts = vec![none; peaks.len() + 1];
    for (pixel, &label) in labels.values.iter().enumerate().filter(|(_, label)| **label != 0) {
        let part = &mut parts[label as usize];
        let density = densities.values[pixel];
        part.include(labels.place(pixel));
        part.area += 1.0;
        part.filled += f32::from(u8::from(found.filled.values[pixel]));
        let [red, green, blue] = std::array::from_fn(|channel| density[channel] / typical[channel]);
        let is_dark = green > NUCLEAR[0] && red > NUCLEAR[1] || green > NUCLEAR_GREEN;
        part.nuclear += f32::from(u8::from(is_dark && blue < NUCLEAR_BLUE * green));
        (0..3).for_each(|channel| part.density[channel] += density[channel] / typical[channel]);
        part.inner_radius = part.inner_radius.max(distance.values[pixel]);
    }
    parts.iter_mut().for_each(|part| part.density = part.density.map(|sum| sum / part.area.max(1.0)));
    parts
}

impl Measurements {
    fn include(&mut self, (x, y): (usize, usize)) {
        let [left, top, right, bottom] = self.bounds;
        self.bounds = [left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1)];
    }

    /// Adds the measurements of another part.
    pub fn absorb(&mut self, other: &Measurements) {
        let area = self.area + other.area;
        self.density = std::array::from_fn(|c| (self.density[c] * self.area + other.density[c] * other.area) / area);
        let ([a, b, c, d], [e, f, g, h]) = (self.bounds, other.bounds);
        self.bounds = [a.min(e), b.min(f), c.max(g), d.max(h)];
        self.area = area;
        self.filled += other.filled;
        self.nuclear += other.nuclear;
        self.inner_radius = self.inner_radius.max(other.inner_radius);
    }
}

/// Returns the median density of each channel over the pixels of cells; at least 0.02, so that it can divide.
fn typical_densities(densities: &Densities, found: &Foreground) -> [f32; 3] {
    let is_cell = |&pixel: &usize| found.mask.values[pixel] && !found.filled.values[pixel];
    let sample: Vec<usize> = (0..densities.values.len()).filter(is_cell).step_by(SAMPLE_STEP).collect();
    std::array::from_fn(|channel| {
        let mut values: Vec<f32> = sample.iter().map(|&pixel| densities.values[pixel][channel]).collect();
        let middle = values.len() / 2;
        if values.is_empty() { 1.0 } else { values.select_nth_unstable_by(middle, f32::total_cmp).1.max(0.02) }
    })
}
