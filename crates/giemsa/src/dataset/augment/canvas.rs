//! The image during augmentation: four numbers per pixel, so that a pixel fits one vector register.

use super::geometry::Affine;

/// Red, green and blue in 0..=1; the fourth number is scratch space.
pub(super) type Pixel = [f32; 4];

/// A square image with an additional row and column, which sampling at the last row and column reads with weight 0.
pub(super) struct Canvas {
    side: usize,
    pixels: Vec<Pixel>,
}

/// The scale of fixed-point positions with 32 fractional bits: sums are exact, and splitting into index and fraction is
/// fast.
const ONE: f64 = (1_u64 << 32) as f64;
const FRACTION_SCALE: f32 = 1.0 / (1 << 24) as f32;

impl Canvas {
    /// Divides bytes by 255.
    pub fn from_bytes(bytes: &[u8], side: usize) -> Canvas {
        let mut pixels = vec![[0.0; 4]; (side + 1) * (side + 1)];
        for (row, from) in pixels.chunks_exact_mut(side + 1).zip(bytes.chunks_exact(side * 3)) {
            for (pixel, &[r, g, b]) in row.iter_mut().zip(from.as_chunks::<3>().0) {
                *pixel = [r, g, b, 0].map(|byte| f32::from(byte) * (1.0 / 255.0));
            }
        }
        Canvas { side, pixels }
    }

    /// Computes each pixel from its index, row-major.
    pub fn from_fn(side: usize, mut pixel: impl FnMut(usize) -> Pixel) -> Canvas {
        let mut canvas = Canvas { side, pixels: vec![[0.0; 4]; (side + 1) * (side + 1)] };
        canvas.for_each_pixel(|i, to| *to = pixel(i));
        canvas
    }

    /// Rounds to bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let rows = (0..self.side).flat_map(|y| self.row(y));
        rows.flat_map(|&[r, g, b, _]| [r, g, b].map(|value| (value * 255.0 + 0.5) as u8)).collect()
    }

    pub fn side(&self) -> usize {
        self.side
    }

    /// Returns row `y` without the additional pixel.
    pub fn row(&self, y: usize) -> &[Pixel] {
        &self.pixels[y * (self.side + 1)..][..self.side]
    }

    pub fn row_mut(&mut self, y: usize) -> &mut [Pixel] {
        &mut self.pixels[y * (self.side + 1)..][..self.side]
    }

    /// Calls `change` with each pixel's index, row-major, and the pixel.
    pub fn for_each_pixel(&mut self, mut change: impl FnMut(usize, &mut Pixel)) {
        for y in 0..self.side {
            let first = y * self.side;
            self.row_mut(y).iter_mut().enumerate().for_each(|(x, pixel)| change(first + x, pixel));
        }
    }

    /// Samples through an affine map with bilinear interpolation; positions outside take the nearest border pixel.
    pub fn sample(&self, affine: &Affine, out: &mut [f32]) {
        let last = ((self.side - 1) as i64) << 32;
        let stride = self.side + 1;
        let fixed = |value: f64| (value * ONE).round() as i64;
        let fraction = |position: i64| ((position as u32) >> 8) as i32 as f32 * FRACTION_SCALE;
        let (row_step, column_step) = (fixed(affine.row[1]), fixed(affine.column[1]));
        for (y, out) in out.chunks_exact_mut(self.side * 3).enumerate() {
            let start = |line: &[f64; 3]| fixed(line[0] * y as f64 + line[2]);
            let (mut row, mut column) = (start(&affine.row), start(&affine.column));
            for to in out.as_chunks_mut::<3>().0 {
                let (inside_row, inside_column) = (row.clamp(0, last), column.clamp(0, last));
                let at = (inside_row >> 32) as usize * stride + (inside_column >> 32) as usize;
                let (above, below) = (&self.pixels[at..at + 2], &self.pixels[at + stride..at + stride + 2]);
                let (down, right) = (fraction(inside_row), fraction(inside_column));
                let pixel = mix(mix(above[0], above[1], right), mix(below[0], below[1], right), down);
                to.copy_from_slice(&pixel[..3]);
                row += row_step;
                column += column_step;
            }
        }
    }
}

/// Interpolates linearly from `a` at weight 0 to `b` at weight 1.
fn mix(a: Pixel, b: Pixel, weight: f32) -> Pixel {
    std::array::from_fn(|i| a[i] + (b[i] - a[i]) * weight)
}

/// Samples an image through an affine map with bilinear interpolation, and divides by 255. Positions outside take the
/// nearest border pixel.
///
/// # Shapes
/// `bytes`: `[side, side, 3]`, RGB. `out`: `[side, side, 3]`, in 0..=1.
///
/// # Panics
/// If a length differs from the shapes.
pub fn sample_affine(bytes: &[u8], side: usize, affine: &Affine, out: &mut [f32]) {
    let length = side * side * 3;
    assert!(bytes.len() == length && out.len() == length, "expected {side}x{side}x3 bytes and values");
    Canvas::from_bytes(bytes, side).sample(affine, out);
}
