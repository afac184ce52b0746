//! Predictions: the only way from pixels to a probability.

use super::{Model, ModelError, PredictError};
use crate::classes::Class;
use crate::image::ImageError;
use crate::input::InputError;
use crate::nn::{Network, Shape};
use crate::preprocess::{FieldCheck, Images, to_input};
use image::RgbImage;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// The prediction of a model for one image.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Prediction {
    /// The class at the model's decision threshold; `None` if the image is refused because it is not a single red cell.
    pub class: Option<Class>,
    /// The class at the model's decision threshold, whatever the image shows.
    pub class_of_any_image: Class,
    /// The calibrated probability of *Parasitized*, in 0..=1. It has no meaning if the image is not a red cell.
    pub probability_parasitized: f32,
    /// The probability that the image shows a single red cell, in 0..=1; `None` if the network has no output for it.
    pub probability_red_cell: Option<f32>,
}

/// The outputs of a network for one image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Logits {
    /// The logit of the class, see [`Class`].
    pub class: f32,
    /// The logit of a single red cell; `None` if the network has no output for it.
    pub red_cell: Option<f32>,
}

impl Logits {
    /// Returns the outputs in the order of the last layer's units.
    fn of(outputs: &[f32]) -> Logits {
        Logits { class: outputs[0], red_cell: outputs.get(1).copied() }
    }

    /// Computes the probability of a single red cell, in 0..=1: the sigmoid of its logit.
    #[must_use]
    pub fn probability_red_cell(&self) -> Option<f32> {
        self.red_cell.map(|logit| 1.0 / (1.0 + (-logit).exp()))
    }
}

/// Test-time augmentation: the views of an image whose logits are averaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tta {
    /// The image only.
    #[default]
    None,
    /// The eight symmetries of the square (the dihedral group D4): four rotations of the image and of its mirror image.
    Dihedral8,
}

/// A model with the options of its predictions, created by [`Model::predictor`].
#[derive(Clone, Copy, Debug)]
pub struct Predictor<'a> {
    model: &'a Model,
    tta: Tta,
    field_check: Option<FieldCheck>,
}

/// The most images per forward pass; the results do not depend on it.
const BATCH: usize = 100;
/// The most input values per forward pass: 100 images of 118x118 pixels, in 16 MiB.
const BATCH_VALUES: usize = 1 << 22;
/// Batches that are decoded at once, while the network processes the previous ones.
const BLOCK_BATCHES: usize = 4;

impl Model {
    /// Predicts the class of one image in memory.
    ///
    /// ```
    /// let model = giemsa::model::Model::embedded()?;
    /// let cell = image::RgbImage::from_pixel(80, 90, image::Rgb([225, 170, 180]));
    /// let prediction = model.predict(&cell)?;
    /// assert!((0.0..=1.0).contains(&prediction.probability_parasitized));
    /// # Ok::<(), giemsa::model::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// [`ModelError::NonFiniteOutput`] if the network's output is not finite.
    ///
    /// # Panics
    /// If the image has no pixels.
    pub fn predict(&self, image: &RgbImage) -> Result<Prediction, ModelError> {
        self.predictor(Tta::None).predict(image)
    }

    /// Returns a predictor with test-time augmentation.
    #[must_use]
    pub fn predictor(&self, tta: Tta) -> Predictor<'_> {
        Predictor { model: self, tta, field_check: None }
    }

    /// Preprocesses an image to the input of the network.
    pub(super) fn input(&self, image: &RgbImage) -> Vec<f32> {
        let bytes = self.recipe.input.to_bytes(image);
        let mut input = vec![0.0; bytes.len()];
        to_input(&bytes, &mut input);
        input
    }

    /// Converts the logits of the network to a prediction: temperature, sigmoid and decision threshold.
    ///
    /// # Errors
    /// [`ModelError::NonFiniteOutput`] if a logit is not finite.
    pub fn prediction(&self, logits: Logits) -> Result<Prediction, ModelError> {
        check_finite(logits)?;
        let probability_parasitized = Class::probability_parasitized(logits.class / self.temperature);
        let class_of_any_image = Class::decide(probability_parasitized, self.threshold);
        Ok(Prediction {
            class: (!self.refuses(logits)).then_some(class_of_any_image),
            class_of_any_image,
            probability_parasitized,
            probability_red_cell: logits.probability_red_cell(),
        })
    }

    /// Returns whether the model refuses an image because it is not a single red cell: if the probability of one is below
    /// [`Model::red_cell_threshold`].
    #[must_use]
    pub fn refuses(&self, logits: Logits) -> bool {
        logits.probability_red_cell().is_some_and(|probability| probability < self.red_cell_threshold)
    }
}

impl<'a> Predictor<'a> {
    /// Returns the model.
    pub fn model(&self) -> &'a Model {
        self.model
    }

    /// Returns a predictor whose [`Predictor::predict_files`] refuses files in which this check finds a field of a smear, with
    /// [`ImageError::SeveralCells`].
    ///
    /// ```
    /// use giemsa::model::Model;
    /// let model = Model::embedded()?;
    /// let predictor = model.predictor(Default::default()).refusing_fields(giemsa::smear::count_if_field);
    /// # let _ = predictor;
    /// # Ok::<(), giemsa::model::ModelError>(())
    /// ```
    #[must_use]
    pub fn refusing_fields(self, check: FieldCheck) -> Predictor<'a> {
        Predictor { field_check: Some(check), ..self }
    }

    /// Predicts the class of one image in memory.
    ///
    /// # Errors
    /// [`ModelError::NonFiniteOutput`] if the network's output is not finite.
    ///
    /// # Panics
    /// If the image has no pixels.
    pub fn predict(&self, image: &RgbImage) -> Result<Prediction, ModelError> {
        let outputs = self.tta.outputs(&self.model.network, &self.model.input(image));
        self.model.prediction(Logits::of(&outputs))
    }

    /// Predicts the classes of many images in memory, in their order.
    ///
    /// ```
    /// use giemsa::model::{Model, Tta};
    /// let model = Model::embedded()?;
    /// let cells = [225, 90].map(|red| image::RgbImage::from_pixel(80, 90, image::Rgb([red, 70, 150])));
    /// let predictions = model.predictor(Tta::Dihedral8).predict_images(&cells)?;
    /// assert_eq!(predictions.len(), 2);
    /// # Ok::<(), giemsa::model::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// [`ModelError::NonFiniteOutput`] if an output of the network is not finite.
    ///
    /// # Panics
    /// If an image has no pixels.
    pub fn predict_images(&self, images: &[RgbImage]) -> Result<Vec<Prediction>, ModelError> {
        self.logits_of_images(images)?.into_iter().map(|logits| self.model.prediction(logits)).collect()
    }

    /// Computes the logits of many images in memory, before calibration, in their order.
    ///
    /// # Errors
    /// [`ModelError::NonFiniteOutput`] if an output of the network is not finite.
    ///
    /// # Panics
    /// If an image has no pixels.
    pub fn logits_of_images(&self, images: &[RgbImage]) -> Result<Vec<Logits>, ModelError> {
        let mut logits = Vec::with_capacity(images.len());
        for block in images.chunks(block_len(&self.model.network)) {
            let bytes: Vec<Vec<u8>> = block.par_iter().map(|image| self.model.recipe.input.to_bytes(image)).collect();
            logits.extend(self.logits_of_preprocessed(&bytes.iter().map(Vec::as_slice).collect::<Vec<_>>())?);
        }
        Ok(logits)
    }

    /// Predicts the classes of image files, and passes the results to `each` in the order of the paths. Stops early if
    /// `each` breaks. An unreadable file does not stop the stream: its result is an error. Nor does an error among the
    /// paths, such as [`images_in`](crate::dataset::scan::images_in) returns: it is passed on.
    ///
    /// Works block by block: while the network processes one block, the next one is decoded.
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// let model = giemsa::model::Model::embedded()?;
    /// let mut unreadable = 0;
    /// model.predictor(Default::default()).predict_files([Ok("missing.png".into())].into_iter(), |path, result| {
    ///     match result {
    ///         Ok(prediction) => println!("{}: {:?}", path.display(), prediction.class),
    ///         Err(_) => unreadable += 1,
    ///     }
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert_eq!(unreadable, 1);
    /// # Ok::<(), giemsa::model::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// [`ModelError::NonFiniteOutput`] if an output of the network is not finite; results of earlier blocks have been
    /// passed on by then.
    pub fn predict_files(
        &self,
        mut paths: impl Iterator<Item = Result<PathBuf, InputError>>,
        mut each: impl FnMut(&Path, Result<Prediction, ImageError>) -> ControlFlow<()>,
    ) -> Result<(), ModelError> {
        let decode_one = |path: Result<PathBuf, InputError>| match path {
            Ok(path) => (self.load(&path), path),
            Err(error) => {
                let path = error.path().to_owned();
                (Err(error.into()), path)
            }
        };
        let decode = |block: Vec<_>| -> Vec<DecodedFile> { block.into_par_iter().map(decode_one).collect() };
        let block = block_len(&self.model.network);
        let mut next_block = || -> Vec<_> { paths.by_ref().take(block).collect() };
        let mut decoded = decode(next_block());
        while !decoded.is_empty() {
            let coming = next_block();
            let (predictions, next) = rayon::join(|| self.predict_decoded(&decoded), || decode(coming));
            let mut predictions = predictions?.into_iter();
            for (bytes, path) in decoded {
                // There is one prediction per readable file, so the zip of both never ends early.
                let result = bytes.map(|_| predictions.next()).transpose();
                if result.is_some_and(|result| each(&path, result).is_break()) {
                    return Ok(());
                }
            }
            decoded = next;
        }
        Ok(())
    }

    /// Computes the logits of every image, before calibration, in their order.
    ///
    /// # Errors
    /// If an image cannot be read back, or an output of the network is not finite.
    pub fn logits(&self, images: &dyn Images) -> Result<Vec<Logits>, PredictError> {
        predict_logits(&self.model.network, images, self.tta)
    }

    pub(super) fn load(&self, path: &Path) -> Result<Vec<u8>, ImageError> {
        let input = &self.model.recipe.input;
        self.field_check.map_or_else(|| input.load(path), |check| input.load_cell(path, check))
    }

    /// Preprocesses a decoded image. `path` appears in errors only.
    pub(super) fn preprocess_cell(&self, pixels: &RgbImage, path: &Path) -> Result<Vec<u8>, ImageError> {
        match self.field_check.and_then(|check| check(pixels)) {
            Some(cells) => Err(ImageError::SeveralCells { path: path.to_owned(), cells }),
            None => Ok(self.model.recipe.input.to_bytes(pixels)),
        }
    }

    fn predict_decoded(&self, files: &[DecodedFile]) -> Result<Vec<Prediction>, ModelError> {
        self.predict_preprocessed(&files.iter().filter_map(|(bytes, _)| bytes.as_deref().ok()).collect::<Vec<_>>())
    }

    pub(super) fn predict_preprocessed(&self, images: &[&[u8]]) -> Result<Vec<Prediction>, ModelError> {
        self.logits_of_preprocessed(images)?.into_iter().map(|logits| self.model.prediction(logits)).collect()
    }

    fn logits_of_preprocessed(&self, images: &[&[u8]]) -> Result<Vec<Logits>, ModelError> {
        let network = &self.model.network;
        let values = network.input().len();
        let mut logits = Vec::with_capacity(images.len());
        for batch in images.chunks(batch_len(network)) {
            let mut inputs = vec![0.0; batch.len() * values];
            inputs.par_chunks_exact_mut(values).zip(batch).for_each(|(input, bytes)| to_input(bytes, input));
            for outputs in self.tta.outputs(network, &inputs).chunks_exact(network.outputs()) {
                let of_image = Logits::of(outputs);
                check_finite(of_image)?;
                logits.push(of_image);
            }
        }
        Ok(logits)
    }
}

/// A file with its preprocessed bytes, or the error of reading it.
type DecodedFile = (Result<Vec<u8>, ImageError>, PathBuf);

/// Returns the number of images per forward pass.
pub(super) fn batch_len(network: &Network) -> usize {
    (BATCH_VALUES / network.input().len()).clamp(1, BATCH)
}

/// Returns the number of images that are decoded at once.
pub(super) fn block_len(network: &Network) -> usize {
    BLOCK_BATCHES * batch_len(network)
}

fn check_finite(logits: Logits) -> Result<(), ModelError> {
    match [Some(logits.class), logits.red_cell].into_iter().flatten().find(|logit| !logit.is_finite()) {
        Some(logit) => Err(ModelError::NonFiniteOutput { logit }),
        None => Ok(()),
    }
}

/// Computes the logits of every image, in their order.
///
/// # Errors
/// If an image cannot be read back, or an output of the network is not finite.
pub fn predict_logits(network: &Network, images: &dyn Images, tta: Tta) -> Result<Vec<Logits>, PredictError> {
    let (values, batch) = (network.input().len(), batch_len(network));
    let mut logits = Vec::with_capacity(images.len());
    for first in (0..images.len()).step_by(batch) {
        let count = batch.min(images.len() - first);
        let mut inputs = vec![0.0; count * values];
        inputs.par_chunks_exact_mut(values).enumerate().try_for_each_init(
            || vec![0; values],
            |bytes, (i, input)| {
                images.read(first + i, bytes)?;
                to_input(bytes, input);
                Ok::<(), ImageError>(())
            },
        )?;
        for outputs in tta.outputs(network, &inputs).chunks_exact(network.outputs()) {
            let of_image = Logits::of(outputs);
            check_finite(of_image)?;
            logits.push(of_image);
        }
    }
    Ok(logits)
}

impl Tta {
    /// Computes the outputs of the network for the samples in `inputs`, averaged over the views. They may not be finite, see
    /// [`Network::predict`].
    ///
    /// # Shapes
    /// `inputs`: `[n, side, side, channels]`, in 0..=1; returns `[n, outputs]`.
    ///
    /// # Panics
    /// If `inputs` does not contain whole samples.
    pub fn outputs(self, network: &Network, inputs: &[f32]) -> Vec<f32> {
        let mut logits = network.predict(inputs);
        if self == Tta::Dihedral8 {
            let mut turned = inputs.to_vec();
            // Transposing and mirroring in turns generates all eight symmetries.
            for view in 1..8 {
                let transform = if view % 2 == 1 { transpose } else { mirror_horizontally };
                turned.par_chunks_exact_mut(network.input().len()).for_each(|image| transform(image, network.input()));
                logits.iter_mut().zip(network.predict(&turned)).for_each(|(sum, logit)| *sum += logit);
            }
            logits.iter_mut().for_each(|sum| *sum /= 8.0);
        }
        logits
    }
}

/// Swaps rows and columns of a square image.
fn transpose(image: &mut [f32], shape: Shape) {
    let (side, channels) = (shape.width, shape.channels);
    for (y, x) in (0..side).flat_map(|y| (0..y).map(move |x| (y, x))) {
        for c in 0..channels {
            image.swap((y * side + x) * channels + c, (x * side + y) * channels + c);
        }
    }
}

/// Swaps left and right.
fn mirror_horizontally(image: &mut [f32], shape: Shape) {
    let (side, channels) = (shape.width, shape.channels);
    for (y, x) in (0..shape.height).flat_map(|y| (0..side / 2).map(move |x| (y, x))) {
        for c in 0..channels {
            image.swap((y * side + x) * channels + c, (y * side + side - 1 - x) * channels + c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Activation, LayerSpec};

    const SHAPE: Shape = Shape { height: 3, width: 3, channels: 1 };

    #[test]
    fn transposing_and_mirroring_in_turns_generates_all_eight_views() {
        let mut image: Vec<f32> = (0..9).map(|i| i as f32).collect();
        let mut seen = vec![image.clone()];
        for view in 1..8 {
            if view % 2 == 1 {
                transpose(&mut image, SHAPE)
            } else {
                mirror_horizontally(&mut image, SHAPE)
            }
            assert!(!seen.contains(&image), "{view}");
            seen.push(image.clone());
        }
        // The centre is fixed, and each corner is mapped to each corner twice.
        assert!(seen.iter().all(|view| view[4] == 4.0));
        assert_eq!(seen.iter().filter(|view| view[0] == 8.0).count(), 2);
    }

    #[test]
    fn averages_the_logits_of_the_eight_views() {
        let layers = [LayerSpec::Flatten {}, LayerSpec::Dense { units: 1, activation: Activation::Sigmoid }];
        let mut network = Network::new(SHAPE, &layers, 0).unwrap();
        let mut weights = network.weights();
        weights[0].values = vec![1.0, 9.0, 2.0, 9.0, 5.0, 9.0, 3.0, 9.0, 4.0];
        network.set_weights(&weights).unwrap();
        let corner = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(Tta::None.outputs(&network, &corner), [1.0]);
        assert_eq!(Tta::Dihedral8.outputs(&network, &corner), [(1.0 + 2.0 + 3.0 + 4.0) / 4.0]);
    }
}
