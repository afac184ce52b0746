//! Converts an image to the input of a network. The settings are stored in every model file.

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

/// Settings of the preprocessing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// The side of the square input, in pixels.
    pub side_px: usize,
    /// The method of resizing.
    pub resize: Resize,
}

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
    /// Resizes an image to the input size.
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
    /// let fitted = Preprocessing { side_px: 2, resize: Resize::Fit }.to_bytes(&white);
    /// assert_eq!(fitted, [[255; 6], [0; 6]].concat());
    /// ```
    pub fn to_bytes(&self, image: &RgbImage) -> Vec<u8> {
        match self.resize {
            Resize::StretchNearest => resize::nearest(image, self.side_px, self.side_px),
            Resize::Fit => resize::fit(image, self.side_px),
        }
    }

    /// Reads an image file and resizes it as [`Preprocessing::to_bytes`].
    ///
    /// # Errors
    /// See [`decode_file`](crate::image::decode_file).
    pub fn load(&self, path: &Path) -> Result<Vec<u8>, ImageError> {
        decode_file_and(path, |decoded| self.to_bytes(&decoded.pixels))
    }
}

impl Resize {
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
