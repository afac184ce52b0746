//! Predictions for images from different sources: files, the bytes of files, and pixels.

use super::predictor::block_len;
use super::{ModelError, Prediction, Predictor};
use crate::image::{ImageError, decode_bytes};
use image::RgbImage;
use rayon::prelude::*;
use std::path::Path;

/// Where an image comes from. The path of an image that is not a file appears in errors only.
#[derive(Clone, Copy, Debug)]
pub enum ImageSource<'a> {
    /// An image file.
    File(&'a Path),
    /// The bytes of an image file.
    Bytes {
        /// A name for errors.
        path: &'a Path,
        /// The content of the file.
        bytes: &'a [u8],
    },
    /// A decoded image.
    Pixels {
        /// A name for errors.
        path: &'a Path,
        /// The pixels.
        pixels: &'a RgbImage,
    },
}

impl Predictor<'_> {
    /// Predicts the classes of images, in their order. The result of an image that cannot be read is an error, which does
    /// not affect the other images.
    ///
    /// The images are decoded and classified block by block, on all threads.
    ///
    /// ```
    /// use giemsa::model::{ImageSource, Model};
    /// use std::path::Path;
    /// let model = Model::embedded()?;
    /// let path = Path::new("row 1");
    /// let results = model.predictor(Default::default()).predict_sources(&[
    ///     ImageSource::Pixels { path, pixels: &image::RgbImage::from_pixel(80, 90, image::Rgb([225, 170, 180])) },
    ///     ImageSource::Bytes { path, bytes: b"no image" },
    /// ])?;
    /// assert!(results[0].is_ok());
    /// assert_eq!(results[1].as_ref().unwrap_err().reason(), "expected a PNG, JPEG, TIFF or BMP image, found text");
    /// # Ok::<(), giemsa::model::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// [`ModelError::NonFiniteOutput`] if an output of the network is not finite.
    ///
    /// # Panics
    /// If a decoded image has no pixels.
    pub fn predict_sources(
        &self,
        images: &[ImageSource<'_>],
    ) -> Result<Vec<Result<Prediction, ImageError>>, ModelError> {
        let mut results = Vec::with_capacity(images.len());
        for block in images.chunks(block_len(&self.model().network)) {
            let inputs: Vec<Result<Vec<u8>, ImageError>> =
                block.par_iter().map(|&source| self.preprocess(source)).collect();
            let readable: Vec<&[u8]> = inputs.iter().filter_map(|input| input.as_deref().ok()).collect();
            let mut predictions = self.predict_preprocessed(&readable)?.into_iter();
            // There is one prediction per readable image, so they never end early.
            results.extend(inputs.into_iter().filter_map(|input| input.map(|_| predictions.next()).transpose()));
        }
        Ok(results)
    }

    fn preprocess(&self, source: ImageSource<'_>) -> Result<Vec<u8>, ImageError> {
        match source {
            ImageSource::File(path) => self.load(path),
            ImageSource::Bytes { path, bytes } => self.preprocess_cell(&decode_bytes(bytes, path)?.pixels, path),
            ImageSource::Pixels { path, pixels } => self.preprocess_cell(pixels, path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;
    use image::{ImageFormat, Rgb};
    use std::io::Cursor;

    fn field_of_seven(_: &RgbImage) -> Option<usize> {
        Some(7)
    }

    #[test]
    fn predicts_files_bytes_and_pixels_alike_and_keeps_their_order() {
        let (model, folder) = (Model::embedded().unwrap(), tempfile::tempdir().unwrap());
        let cells = [225, 150].map(|red| RgbImage::from_fn(60, 70, |x, y| Rgb([red, (2 * x) as u8, (3 * y) as u8])));
        let encode = |cell: &RgbImage| {
            let mut bytes = Cursor::new(Vec::new());
            cell.write_to(&mut bytes, ImageFormat::Png).unwrap();
            bytes.into_inner()
        };
        let (file, bytes) = (folder.path().join("cell.png"), encode(&cells[1]));
        std::fs::write(&file, encode(&cells[0])).unwrap();
        let path = Path::new("row");
        let sources = [
            ImageSource::Bytes { path, bytes: &bytes },
            ImageSource::Bytes { path, bytes: b"" },
            ImageSource::File(&file),
            ImageSource::File(Path::new("missing.png")),
            ImageSource::Pixels { path, pixels: &cells[0] },
        ];
        let predictor = model.predictor(Default::default());
        let results = predictor.predict_sources(&sources).unwrap();
        let expected = predictor.predict_images(&cells).unwrap();
        for (result, cell) in [(0, 1), (2, 0), (4, 0)] {
            assert_eq!(results[result].as_ref().unwrap(), &expected[cell]);
        }
        assert_eq!(results[1].as_ref().unwrap_err().to_string(), "row: the file is empty");
        assert!(results[3].as_ref().unwrap_err().to_string().starts_with("missing.png: "));

        let checked = predictor.refusing_fields(field_of_seven).predict_sources(&sources).unwrap();
        for index in [0, 2, 4] {
            assert!(matches!(checked[index], Err(ImageError::SeveralCells { cells: 7, .. })));
        }
    }
}
