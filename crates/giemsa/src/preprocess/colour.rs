//! Colour normalisation of a single cell: its median colour becomes the same for every stain, lamp and camera, and its
//! outside becomes black.
//!
//! The outside is black already in the images of the NIH data set. In other crops, the cell is found by its contrast with
//! the corners of the image; if there is none, the pixels beyond the ellipse that touches the four sides are outside.

/// The median colour of every normalised cell, RGB: darker than that of a typical cell, so that its pale centre, and the
/// smear around it, are not clipped.
pub const REFERENCE: [u8; 3] = [160, 128, 136];

/// The least exponent of a channel. The dark cells of the sites seen so far need 0.26; a darker image is no red cell.
const LEAST_EXPONENT: f32 = 0.2;

/// A pixel whose channels are all below this is black: JPEG files do not keep black exactly.
const BLACK_BELOW: u8 = 16;

/// The green channel has the most contrast between a red cell and the smear.
const GREEN: usize = 1;
/// The smear's green is this quantile of the corners, so that neighbouring cells in some corners do not matter.
const SMEAR_QUANTILE: f32 = 0.9;
/// The middle of the image, as a fraction of the ellipse that touches its sides, is inside the cell.
const MIDDLE: f32 = 0.6;
/// Pixels are part of the cell if they are darker than the smear by this fraction of the contrast of the middle.
const CELL_CONTRAST: f32 = 0.35;
/// The least contrast, as a fraction of the smear's green, with which the cell is searched for.
const LEAST_CONTRAST: f32 = 0.07;
/// The least area of a cell that is found, as a fraction of the frame.
const LEAST_AREA: f32 = 0.12;

/// The part of a square input that an image covers: left, top, width and height, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub left: usize,
    pub top: usize,
    pub width: usize,
    pub height: usize,
}

/// Returns whether a pixel is black.
pub(crate) fn is_black(pixel: [u8; 3]) -> bool {
    pixel.iter().all(|&channel| channel < BLACK_BELOW)
}

/// Returns whether the outside of a cell is black already, as in the images of the NIH data set: at least two of the four
/// corner pixels are.
pub(crate) fn is_segmented(image: &image::RgbImage) -> bool {
    let (right, bottom) = (image.width() - 1, image.height() - 1);
    let corners = [(0, 0), (right, 0), (0, bottom), (right, bottom)];
    is_segmented_at(corners.map(|(x, y)| is_black(image.get_pixel(x, y).0)))
}

fn is_segmented_at(black_corners: [bool; 4]) -> bool {
    black_corners.iter().filter(|&&black| black).count() >= 2
}

/// Changes the colours so that the median of the cell becomes [`REFERENCE`], and paints the outside of the cell black.
/// `frame` is the part of the square that the image covers; `segmented` as [`is_segmented`].
///
/// A channel that is lighter than the reference is multiplied by a factor; the optical densities of a darker one are. Both
/// reduce contrasts: the inverse would amplify the noise and the texture of cells of an unusual stain.
///
/// # Shapes
/// `bytes`: `[side, side, 3]`, RGB.
pub(crate) fn normalize(bytes: &mut [u8], side: usize, frame: Frame, segmented: bool) {
    let pixels = bytes.as_chunks_mut::<3>().0;
    let inside = cell_mask(pixels, side, frame, segmented);
    let medians = medians(pixels, &inside);
    let tables: [[u8; 256]; 3] = std::array::from_fn(|c| table(medians[c], REFERENCE[c]));
    for (pixel, inside) in pixels.iter_mut().zip(inside) {
        *pixel = std::array::from_fn(|c| if inside { tables[c][usize::from(pixel[c])] } else { 0 });
    }
}

/// Finds the cell of an image that is already resized and padded with black. Returns which pixels are part of it, and
/// its median colour.
///
/// # Shapes
/// `bytes`: `[side, side, 3]`, RGB.
pub(crate) fn find_cell(bytes: &[u8], side: usize) -> (Vec<bool>, [u8; 3]) {
    let pixels = bytes.as_chunks::<3>().0;
    let frame = Frame::of_image(pixels, side);
    let corners = frame.corners().map(|(x, y)| is_black(pixels[y * side + x]));
    let inside = cell_mask(pixels, side, frame, is_segmented_at(corners));
    let medians = medians(pixels, &inside);
    (inside, medians)
}

/// Returns which pixels are part of the cell, and not black.
fn cell_mask(pixels: &[[u8; 3]], side: usize, frame: Frame, segmented: bool) -> Vec<bool> {
    let mut inside = if segmented { vec![true; pixels.len()] } else { cell_by_contrast(pixels, side, frame) };
    inside.iter_mut().zip(pixels).for_each(|(inside, &pixel)| *inside &= !is_black(pixel));
    inside
}

/// Computes the median of each channel of some of the pixels; 0 if there are none.
fn medians(pixels: &[[u8; 3]], inside: &[bool]) -> [u8; 3] {
    let mut histograms = [[0_u32; 256]; 3];
    for (pixel, _) in pixels.iter().zip(inside).filter(|(_, inside)| **inside) {
        (0..3).for_each(|c| histograms[c][usize::from(pixel[c])] += 1);
    }
    histograms.map(|histogram| quantile(&histogram, 0.5) as u8)
}

/// Returns which pixels are inside the cell in the middle of a crop.
fn cell_by_contrast(pixels: &[[u8; 3]], side: usize, frame: Frame) -> Vec<bool> {
    let radii: Vec<f32> = (0..pixels.len()).map(|i| frame.radius(i % side, i / side)).collect();
    let green = |wanted: &dyn Fn(usize) -> bool| {
        let mut histogram = [0_u32; 256];
        let chosen = (0..pixels.len()).filter(|&i| frame.contains(i % side, i / side) && wanted(i));
        chosen.for_each(|i| histogram[usize::from(pixels[i][GREEN])] += 1);
        histogram
    };
    let ellipse = || radii.iter().map(|&radius| radius <= 1.0).collect();
    let smear = quantile(&green(&|i| radii[i] > 1.0), SMEAR_QUANTILE) as f32;
    let middle = quantile(&green(&|i| radii[i] <= MIDDLE), 0.5) as f32;
    if smear - middle < LEAST_CONTRAST * smear {
        return ellipse();
    }
    let threshold = smear - CELL_CONTRAST * (smear - middle);
    let is_dark = |i: usize| radii[i] <= 1.0 && f32::from(pixels[i][GREEN]) < threshold;
    let seeds = (0..pixels.len()).filter(|&i| radii[i] <= MIDDLE && is_dark(i));
    let cell = connected(side, seeds, is_dark);
    // What the outside does not reach is inside: the cell, and its pale centre.
    let border = (0..pixels.len()).filter(|&i| radii[i] > 1.0 || on_border(i, side));
    let outside = connected(side, border, |i| !cell[i]);
    let area = outside.iter().filter(|&&outside| !outside).count() as f32;
    if area < LEAST_AREA * (frame.width * frame.height) as f32 {
        return ellipse();
    }
    // The pixels next to the outside are a mixture of cell and smear.
    let is_inner = |i: usize| !outside[i] && (radii[i] > 0.93 || neighbours(i, side).all(|i| !outside[i]));
    (0..pixels.len()).map(is_inner).collect()
}

/// Returns the pixels for which `belongs` holds that are connected to one of `seeds` through common edges.
fn connected(side: usize, seeds: impl Iterator<Item = usize>, belongs: impl Fn(usize) -> bool) -> Vec<bool> {
    let mut found = vec![false; side * side];
    let mut open: Vec<usize> = Vec::new();
    let visit = |i: usize, found: &mut Vec<bool>, open: &mut Vec<usize>| {
        if !found[i] && belongs(i) {
            found[i] = true;
            open.push(i);
        }
    };
    seeds.for_each(|i| visit(i, &mut found, &mut open));
    while let Some(i) = open.pop() {
        neighbours(i, side).for_each(|i| visit(i, &mut found, &mut open));
    }
    found
}

/// Returns the pixels that have an edge in common with a pixel.
pub(crate) fn neighbours(i: usize, side: usize) -> impl Iterator<Item = usize> {
    let (y, x) = (i / side, i % side);
    let found = [
        (x > 0).then(|| i - 1),
        (x + 1 < side).then(|| i + 1),
        (y > 0).then(|| i - side),
        (y + 1 < side).then(|| i + side),
    ];
    found.into_iter().flatten()
}

fn on_border(i: usize, side: usize) -> bool {
    let (y, x) = (i / side, i % side);
    y == 0 || x == 0 || y + 1 == side || x + 1 == side
}

impl Frame {
    /// Returns the part of a square image that is not padding: the rectangle around all pixels that are not exactly black;
    /// the whole image if there are none.
    fn of_image(pixels: &[[u8; 3]], side: usize) -> Frame {
        let (mut first, mut last) = ([side; 2], [0; 2]);
        for i in (0..pixels.len()).filter(|&i| pixels[i] != [0; 3]) {
            for (axis, at) in [i % side, i / side].into_iter().enumerate() {
                (first[axis], last[axis]) = (first[axis].min(at), last[axis].max(at));
            }
        }
        if first[0] > last[0] {
            return Frame { left: 0, top: 0, width: side, height: side };
        }
        let [width, height] = std::array::from_fn(|axis| last[axis] + 1 - first[axis]);
        Frame { left: first[0], top: first[1], width, height }
    }

    fn corners(&self) -> [(usize, usize); 4] {
        let (right, bottom) = (self.left + self.width - 1, self.top + self.height - 1);
        [(self.left, self.top), (right, self.top), (self.left, bottom), (right, bottom)]
    }

    fn contains(&self, x: usize, y: usize) -> bool {
        (self.left..self.left + self.width).contains(&x) && (self.top..self.top + self.height).contains(&y)
    }

    /// Returns the distance of a pixel from the centre of the frame, in units of the ellipse that touches its sides.
    fn radius(&self, x: usize, y: usize) -> f32 {
        let along = |at: usize, first: usize, length: usize| {
            let half = length as f32 / 2.0;
            (at as f32 + 0.5 - first as f32 - half) / half
        };
        along(x, self.left, self.width).hypot(along(y, self.top, self.height))
    }
}

/// Returns the lowest value below or at which this fraction of a histogram lies; 0 if it is empty.
fn quantile(histogram: &[u32; 256], fraction: f32) -> usize {
    let wanted = (histogram.iter().sum::<u32>() as f32 * fraction).ceil() as u32;
    let mut seen = 0;
    let reached = |&count: &u32| {
        seen += count;
        seen >= wanted
    };
    histogram.iter().position(reached).unwrap_or(0)
}

/// Returns the new value of each byte of a channel: b r / m if the median m is above the reference r, else
/// 255 (b / 255)^k with the k that maps m to r.
fn table(median: u8, reference: u8) -> [u8; 256] {
    let median = f32::from(median.clamp(1, 254));
    let reference = f32::from(reference);
    let exponent = ((reference / 255.0).ln() / (median / 255.0).ln()).max(LEAST_EXPONENT);
    let value = |byte: f32| match median > reference {
        true => byte * reference / median,
        false => 255.0 * (byte / 255.0).powf(exponent),
    };
    std::array::from_fn(|byte| (value(byte as f32) + 0.5) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};

    const WHOLE: Frame = Frame { left: 0, top: 0, width: 32, height: 32 };

    /// A disc of this radius, in pixels, with a dark dot, on a smear.
    fn crop(radius: f32, cell: [u8; 3], smear: [u8; 3]) -> Vec<u8> {
        let colour = |i: usize| {
            let (x, y) = ((i % 32) as f32 - 15.5, (i / 32) as f32 - 15.5);
            match x.hypot(y) {
                _ if (x + 4.0).hypot(y) < 2.0 => cell.map(|value| value / 2),
                distance if distance < radius => cell,
                _ => smear,
            }
        };
        (0..32 * 32).flat_map(colour).collect()
    }

    fn pixel(bytes: &[u8], x: usize, y: usize) -> [u8; 3] {
        bytes.as_chunks::<3>().0[y * 32 + x]
    }

    #[test]
    fn brings_the_median_of_light_and_dark_cells_to_the_reference_and_keeps_a_dot_darker() {
        for cell in [[214, 175, 188], [92, 100, 146], [186, 60, 70]] {
            let mut bytes = crop(11.0, cell, [230, 228, 235]);
            normalize(&mut bytes, 32, WHOLE, false);
            let plain = pixel(&bytes, 18, 16);
            assert!(plain.iter().zip(REFERENCE).all(|(&found, expected)| found.abs_diff(expected) <= 1), "{plain:?}");
            let dot = pixel(&bytes, 11, 16);
            assert!(dot.iter().zip(plain).all(|(&dot, plain)| dot < plain - 15), "{dot:?}");
        }
    }

    #[test]
    fn never_increases_the_contrast_in_optical_density() {
        for median in 1..=255 {
            let table = table(median, 136);
            let density = |byte: u8| -(f32::from(byte) / 255.0).ln();
            for (dark, light) in [(40_usize, 50_usize), (100, 120), (180, 200)] {
                let before = density(dark as u8) - density(light as u8);
                let after = density(table[dark]) - density(table[light]);
                // Rounding changes each density by up to half a step.
                let rounding = 0.5 / f32::from(table[dark].max(1)) + 0.5 / f32::from(table[light].max(1));
                assert!(after <= before + rounding + 0.001, "{median}: {before} {after}");
            }
        }
    }

    #[test]
    fn paints_the_smear_and_what_is_outside_the_ellipse_black() {
        let mut bytes = crop(11.0, [180, 140, 150], [230, 228, 235]);
        normalize(&mut bytes, 32, WHOLE, false);
        for (x, y, is_cell) in [(16, 16, true), (16, 7, true), (16, 2, false), (2, 16, false), (3, 3, false)] {
            assert_eq!(pixel(&bytes, x, y) != [0; 3], is_cell, "{x} {y}");
        }
        // Without contrast, the pixels in the ellipse are the cell.
        let mut bytes = crop(11.0, [180, 140, 150], [181, 141, 150]);
        normalize(&mut bytes, 32, WHOLE, false);
        for (x, y, is_cell) in [(16, 16, true), (16, 1, true), (1, 16, true), (3, 3, false)] {
            assert_eq!(pixel(&bytes, x, y) != [0; 3], is_cell, "{x} {y}");
        }
    }

    #[test]
    fn keeps_a_pale_centre() {
        let mut bytes = crop(12.0, [180, 140, 150], [230, 228, 235]);
        for i in 0..32 * 32 {
            if ((i % 32) as f32 - 15.5).hypot((i / 32) as f32 - 15.5) < 4.0 {
                bytes[3 * i..][..3].copy_from_slice(&[228, 226, 233]);
            }
        }
        normalize(&mut bytes, 32, WHOLE, false);
        assert!(pixel(&bytes, 16, 16)[1] > REFERENCE[1] + 30, "{:?}", pixel(&bytes, 16, 16));
        assert_eq!(pixel(&bytes, 2, 2), [0; 3]);
    }

    #[test]
    fn leaves_the_shape_of_a_segmented_cell() {
        let mut bytes = crop(9.0, [200, 150, 160], [3, 2, 6]);
        normalize(&mut bytes, 32, WHOLE, true);
        let kept = bytes.as_chunks::<3>().0.iter().filter(|pixel| **pixel != [0; 3]).count();
        let expected = crop(9.0, [1; 3], [0; 3]);
        // The dot of half of 1 is 0, so it is counted apart.
        let dot = (0..32 * 32).filter(|i| ((i % 32) as f32 - 11.5).hypot((i / 32) as f32 - 15.5) < 2.0).count();
        assert_eq!(kept, expected.as_chunks::<3>().0.iter().filter(|pixel| **pixel != [0; 3]).count() + dot);
    }

    #[test]
    fn finds_black_corners() {
        let image = |black: &[(u32, u32)]| {
            RgbImage::from_fn(9, 5, |x, y| Rgb(if black.contains(&(x, y)) { [15, 0, 3] } else { [16, 0, 0] }))
        };
        assert!(is_segmented(&image(&[(0, 0), (8, 4)])));
        assert!(!is_segmented(&image(&[(0, 0), (4, 2), (1, 0)])));
    }

    #[test]
    fn accepts_images_without_a_cell() {
        for fill in [0, 1, 128, 255] {
            for segmented in [true, false] {
                normalize(&mut [fill; 12], 2, Frame { left: 0, top: 0, width: 2, height: 2 }, segmented);
            }
        }
        normalize(&mut [200; 3], 1, Frame { left: 0, top: 0, width: 1, height: 1 }, false);
    }
}
