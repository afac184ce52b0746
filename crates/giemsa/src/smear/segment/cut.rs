//! Cuts objects out of a photograph.

use super::Segmentation;
use image::{Rgb, RgbImage};

impl Segmentation {
    /// Returns the box of an object as an image. With `mask`, everything outside the object is black, as in the NIH images.
    ///
    /// # Panics
    /// If there is no object of this index, or the photograph is not the one that was segmented.
    #[must_use]
    pub fn cut(&self, photograph: &RgbImage, index: usize, mask: bool) -> RgbImage {
        let object = &self.objects[index];
        let mut cell =
            image::imageops::crop_imm(photograph, object.x, object.y, object.width, object.height).to_image();
        if mask {
            for (x, y, pixel) in cell.enumerate_pixels_mut() {
                if self.share(self.parts[index], object.x + x, object.y + y) < 0.5 {
                    *pixel = Rgb([0; 3]);
                }
            }
        }
        cell
    }

    /// Returns how much of a part is at a pixel of the photograph, in 0..=1: bilinear between the centres of the pixels of
    /// the reduced photograph, so that outlines have no steps.
    fn share(&self, part: u32, x: u32, y: u32) -> f32 {
        let place = |at: u32, length: usize| {
            let at = ((at as f32 + 0.5) / self.factor as f32 - 0.5).clamp(0.0, (length - 1) as f32);
            let low = at as usize;
            (low, (low + 1).min(length - 1), at - low as f32)
        };
        let (left, right, across) = place(x, self.labels.width);
        let (top, bottom, down) = place(y, self.labels.height);
        let is_part = |x: usize, y: usize| f32::from(u8::from(self.labels.values[y * self.labels.width + x] == part));
        let above = is_part(left, top) * (1.0 - across) + is_part(right, top) * across;
        let below = is_part(left, bottom) * (1.0 - across) + is_part(right, bottom) * across;
        above * (1.0 - down) + below * down
    }
}
