//! Pictures of objects.

use crate::problem::Problem;
use crate::state::Server;
use giemsa::image::decode_bytes;
use giemsa::model::Model;
use giemsa::model::explain::occlusion;
use giemsa::report::png_bytes;
use giemsa::report::saliency::overlay_of_occlusion;
use giemsa::smear::segment::segment;
use image::RgbImage;
use image::imageops::crop_imm;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The most bytes of decoded images that are kept, besides the last one.
const MOST_BYTES: usize = 200 << 20;

/// The images that were decoded last, because a reviewer looks at many objects of few images.
#[derive(Debug, Default)]
pub struct Decoded {
    recent: Mutex<VecDeque<(i64, Arc<RgbImage>)>>,
    /// Images are decoded one at a time, so that the second request for an image finds it.
    decoding: tokio::sync::Mutex<()>,
}

impl Decoded {
    /// Returns the pixels of an image.
    ///
    /// # Errors
    /// If there is no such image, or it cannot be read.
    pub async fn pixels(&self, server: &Server, image: i64) -> Result<Arc<RgbImage>, Problem> {
        if let Some(pixels) = self.recent(image) {
            return Ok(pixels);
        }
        let _decoding = self.decoding.lock().await;
        if let Some(pixels) = self.recent(image) {
            return Ok(pixels);
        }
        let (_, file) = server.store.run(move |database| database.file(image)).await?;
        let decode = move || decode_bytes(&file.bytes, Path::new("image"));
        let decoded = tokio::task::spawn_blocking(decode).await.map_err(Problem::internal)?;
        let pixels = Arc::new(decoded.map_err(|error| Problem::internal(error.reason()))?.pixels);
        self.keep(image, pixels.clone());
        Ok(pixels)
    }

    /// Forgets all images, because one was deleted.
    pub fn clear(&self) {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn recent(&self, image: i64) -> Option<Arc<RgbImage>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().find(|(id, _)| *id == image).map(|(_, pixels)| pixels.clone())
    }

    fn keep(&self, image: i64, pixels: Arc<RgbImage>) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.push_front((image, pixels));
        let mut bytes = 0;
        let kept = recent.iter().take_while(|(_, pixels)| {
            bytes += pixels.as_raw().len();
            bytes <= MOST_BYTES
        });
        let kept = kept.count().max(1);
        recent.truncate(kept);
    }
}

/// Draws an object with a margin of half its size, as far as the image reaches, as PNG. `frame_px` is left edge, upper edge, width
/// and height of the object.
///
/// # Errors
/// If the picture cannot be encoded.
pub fn picture(pixels: &RgbImage, [x, y, width, height]: [u32; 4]) -> Result<Vec<u8>, Problem> {
    let (left, top) = (x.saturating_sub(width / 2), y.saturating_sub(height / 2));
    let right = (x + width + width / 2).min(pixels.width());
    let bottom = (y + height + height / 2).min(pixels.height());
    let part = crop_imm(pixels, left, top, right.saturating_sub(left), bottom.saturating_sub(top)).to_image();
    png_bytes(&part).map_err(Problem::internal)
}

/// Draws the saliency map of an object over what the network saw of it, as PNG. `index` is that of the object on a photograph;
/// `None` for the image of a single cell.
///
/// # Errors
/// If the model computes something that is not a number, or there is no such object.
pub fn saliency(model: &Model, pixels: &RgbImage, index: Option<usize>) -> Result<Vec<u8>, Problem> {
    let cut;
    let cell = match index {
        None => pixels,
        Some(index) => {
            let segmentation = segment(pixels, None);
            if index >= segmentation.objects.len() {
                return Err(Problem::conflict("the objects have changed; count the case again"));
            }
            cut = segmentation.cut(pixels, index, true);
            &cut
        }
    };
    let map = occlusion(model, cell).map_err(Problem::internal)?;
    png_bytes(&overlay_of_occlusion(model, cell, &map)).map_err(Problem::internal)
}
