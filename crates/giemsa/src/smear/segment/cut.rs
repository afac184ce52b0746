//! Cuts objects out of a photograph.

use super::Segmentation;
use image::{Rgb, RgbImage};

impl Segmentation {
    /// Returns an object as an image: its box with a margin of one pixel of the reduced photograph, about 5 % of a cell's
    /// diameter. With `mask`, everything beyond this margin around the object is black, as in the NIH images.
    ///
    /// # Panics
    /// If there is no object of this index, or the photograph is not the one that was segmented.
    #[must_use]
    pub fn cut(&self, photograph: &RgbImage, index: usize, mask: bool) -> RgbImage {
        let object = &self.objects[index];
        let margin = self.factor as u32;
        let (left, top) = (object.x.saturating_sub(margin), object.y.saturating_sub(margin));
        let right = (object.x + object.width + margin).min(photograph.width());
        let bottom = (object.y + object.height + margin).min(photograph.height());
        let mut cell = image::imageops::crop_imm(photograph, left, top, right - left, bottom - top).to_image();
        if mask {
            for (x, y, pixel) in cell.enumerate_pixels_mut() {
                if !self.is_near(self.parts[index], left + x, top + y) {
                    *pixel = Rgb([0; 3]);
                }
            }
        }
        cell
    }

    /// Returns whether one of the four pixels of the reduced photograph whose centres surround a pixel of the photograph
    /// belongs to a part.
    fn is_near(&self, part: u32, x: u32, y: u32) -> bool {
        let around = |at: u32, length: usize| {
            let place = ((at as f32 + 0.5) / self.factor as f32 - 0.5).clamp(0.0, (length - 1) as f32);
            [place.floor() as usize, place.ceil() as usize]
        };
        let columns = around(x, self.labels.width);
        let rows = around(y, self.labels.height);
        rows.iter().any(|row| columns.iter().any(|column| self.labels.values[row * self.labels.width + column] == part))
    }
}
