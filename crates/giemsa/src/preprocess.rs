//! Converts an image to the input of a network. The settings are stored in every model file.

pub(crate) mod colour;

use crate::image::{ImageError, decode_file_and, resize};
use image::RgbImage;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The method of resizing an image to the square input of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// Stretches the image to the square with nearest-neighbour sampling, as Keras' `flow_from_directory`.
    StretchNearest,
    /// Keeps the aspect ratio, centres the image on black, and resamples by area when shrinking and bilinearly when
    /// enlarging.
    Fit,
}

/// The normalisation of an image's colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Colour {
    /// Colours as they are in the file.
    #[default]
    Unchanged,
    /// The median colour of the cell becomes a fixed one, and its outside black. In an image whose corners are not black, the
    /// cell is found by its contrast with them; `docs/model-file.md` defines each step.
    Median,
}

/// Settings of the preprocessing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// The side of the square input, in pixels.
    pub side_px: usize,
    /// The method of resizing.
    pub resize: Resize,
    /// The normalisation of colours.
    #[serde(default, skip_serializing_if = "is_unchanged")]
    pub colour: Colour,
}

/// Recipes and model files without the setting stay as they are.
fn is_unchanged(colour: &Colour) -> bool {
    *colour == Colour::Unchanged
}

/// Counts the cells of an image that shows a field of a smear; `None` for any other image. See
/// [`count_if_field`](crate::smear::count_if_field).
pub type FieldCheck = fn(&RgbImage) -> Option<usize>;

/// A set of images, preprocessed to the network's input size.
pub trait Images: Sync {
    /// Returns the number of images.
    fn len(&self) -> usize;
    /// Returns whether there are no images.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Copies the bytes of one image into `bytes`.
    ///
    /// # Shapes
    /// `bytes`: `[side_px, side_px, 3]`, RGB.
    ///
    /// # Errors
    /// If the images are kept in a file that cannot be read back.
    fn read(&self, index: usize, bytes: &mut [u8]) -> Result<(), ImageError>;
}

impl Preprocessing {
    /// Returns settings that leave the colours unchanged.
    #[must_use]
    pub fn new(side_px: usize, resize: Resize) -> Preprocessing {
        Preprocessing { side_px, resize, colour: Colour::Unchanged }
    }

    /// Resizes an image to the input size, and normalises its colours.
    ///
    /// # Shapes
    /// Returns `[side_px, side_px, 3]`, RGB.
    ///
    /// # Panics
    /// If the image has no pixels.
    ///
    /// ```
    /// use giemsa::preprocess::{Preprocessing, Resize};
    /// let white = image::RgbImage::from_pixel(4, 2, image::Rgb([255; 3]));
    /// let fitted = Preprocessing::new(2, Resize::Fit).to_bytes(&white);
    /// assert_eq!(fitted, [[255; 6], [0; 6]].concat());
    /// ```
    pub fn to_bytes(&self, image: &RgbImage) -> Vec<u8> {
        let mut bytes = match self.resize {
            Resize::StretchNearest => resize::nearest(image, self.side_px, self.side_px),
            Resize::Fit => resize::fit(image, self.side_px),
        };
        if self.colour == Colour::Median {
            let frame = self.resize.frame(image.dimensions(), self.side_px);
            colour::normalize(&mut bytes, self.side_px, frame, colour::is_segmented(image));
        }
        bytes
    }

    /// Reads an image file and converts it as [`Preprocessing::to_bytes`].
    ///
    /// # Errors
    /// See [`decode_file`](crate::image::decode_file).
    pub fn load(&self, path: &Path) -> Result<Vec<u8>, ImageError> {
        decode_file_and(path, |decoded| self.to_bytes(&decoded.pixels))
    }

    /// Reads an image file as [`Preprocessing::load`], and refuses it if the check finds that it shows a field.
    ///
    /// # Errors
    /// [`ImageError::SeveralCells`] for a field; see also [`decode_file`](crate::image::decode_file).
    pub fn load_cell(&self, path: &Path, check: FieldCheck) -> Result<Vec<u8>, ImageError> {
        // The check may wait for other threads, and must not while the memory of the image is reserved.
        let (bytes, pixels) = decode_file_and(path, |decoded| (self.to_bytes(&decoded.pixels), decoded.pixels))?;
        match check(&pixels) {
            Some(cells) => Err(ImageError::SeveralCells { path: path.to_owned(), cells }),
            None => Ok(bytes),
        }
    }
}

impl Resize {
    /// Returns the part of a square of `side` pixels that an image of this width and height covers.
    fn frame(self, (width, height): (u32, u32), side: usize) -> colour::Frame {
        let (width, height) = match self {
            Resize::StretchNearest => (side, side),
            Resize::Fit => resize::fitted_size(width as usize, height as usize, side),
        };
        colour::Frame { left: (side - width) / 2, top: (side - height) / 2, width, height }
    }

    /// Maps a position in an image of this width and height, in pixels, to the position in the input, in 0..=1.
    ///
    /// ```
    /// use giemsa::preprocess::Resize;
    /// assert_eq!(Resize::Fit.place([0.0, 0.0], (200, 100)), [0.0, 0.25]);
    /// assert_eq!(Resize::StretchNearest.place([200.0, 50.0], (200, 100)), [1.0, 0.5]);
    /// ```
    pub fn place(self, [x, y]: [f32; 2], (width, height): (u32, u32)) -> [f32; 2] {
        let (width, height) = (width as f32, height as f32);
        match self {
            Resize::StretchNearest => [x / width, y / height],
            Resize::Fit => {
                let longest = width.max(height);
                [0.5 + (x - width / 2.0) / longest, 0.5 + (y - height / 2.0) / longest]
            }
        }
    }
}

/// Converts bytes to the input of a network: divides each by 255, so that it is in 0..=1.
pub fn to_input(bytes: &[u8], input: &mut [f32]) {
    for (value, &byte) in input.iter_mut().zip(bytes) {
        *value = f32::from(byte) * (1.0 / 255.0);
    }
}
