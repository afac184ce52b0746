//! Naming the class of unseen images.

use crate::classes::Class;
use crate::dataset::DatasetError;
use crate::image::ImageError;
use crate::model::Model;
use crate::nn::{Network, Shape};
use crate::preprocess::to_input;
use rayon::prelude::*;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Labelled images, as bytes of the network's input size.
pub trait Images: Sync {
    /// How many there are.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The class of one.
    fn class(&self, index: usize) -> Class;
    /// Copies the bytes of one, RGB, row-major, into `bytes`, which has their length.
    ///
    /// # Errors
    /// When the images are kept in a file that cannot be read back.
    fn read(&self, index: usize, bytes: &mut [u8]) -> Result<(), DatasetError>;
}

/// What the network sees of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Views {
    /// The image.
    #[default]
    One,
    /// The image and its mirror image, each in four quarter turns (test-time augmentation); logits are averaged.
    Eight,
}

impl Views {
    /// The logits of the samples in `inputs`.
    ///
    /// # Shapes
    /// `inputs`: `[n][side][side][channels]`, in 0..=1; gives n logits.
    ///
    /// # Panics
    /// When `inputs` does not hold whole samples.
    pub fn logits(self, network: &Network, inputs: &[f32]) -> Vec<f32> {
        let mut logits = network.predict(inputs);
        if self == Views::Eight {
            let mut turned = inputs.to_vec();
            // Mirroring along the diagonal and along the middle by turns leads through all eight.
            for view in 1..8 {
                let mirror = if view % 2 == 1 { mirror_diagonally } else { mirror_sideways };
                turned.par_chunks_exact_mut(network.input().len()).for_each(|image| mirror(image, network.input()));
                logits.iter_mut().zip(network.predict(&turned)).for_each(|(sum, logit)| *sum += logit);
            }
            logits.iter_mut().for_each(|sum| *sum /= 8.0);
        }
        logits
    }
}

/// Rows become columns; for square images.
fn mirror_diagonally(image: &mut [f32], shape: Shape) {
    let (side, channels) = (shape.width, shape.channels);
    for (y, x) in (0..side).flat_map(|y| (0..y).map(move |x| (y, x))) {
        for c in 0..channels {
            image.swap((y * side + x) * channels + c, (x * side + y) * channels + c);
        }
    }
}

/// Left becomes right.
fn mirror_sideways(image: &mut [f32], shape: Shape) {
    let (side, channels) = (shape.width, shape.channels);
    for (y, x) in (0..shape.height).flat_map(|y| (0..side / 2).map(move |x| (y, x))) {
        for c in 0..channels {
            image.swap((y * side + x) * channels + c, (y * side + side - 1 - x) * channels + c);
        }
    }
}

/// Images that the network sees at once; the results do not depend on it.
const BATCH: usize = 100;
/// Images decoded at once, while the network sees the block before.
const BLOCK: usize = 400;

/// The logit of every image, in order.
///
/// # Errors
/// When an image cannot be read back.
pub fn logits(network: &Network, images: &dyn Images, views: Views) -> Result<Vec<f32>, DatasetError> {
    let values = network.input().len();
    let mut all = Vec::with_capacity(images.len());
    for first in (0..images.len()).step_by(BATCH) {
        let count = BATCH.min(images.len() - first);
        let mut inputs = vec![0.0; count * values];
        inputs.par_chunks_exact_mut(values).enumerate().try_for_each_init(
            || vec![0; values],
            |bytes, (i, input)| {
                images.read(first + i, bytes)?;
                to_input(bytes, input);
                Ok(())
            },
        )?;
        all.extend(views.logits(network, &inputs));
    }
    Ok(all)
}

/// What a model says of one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// The class, by the model's threshold.
    pub class: Class,
    /// In 0..=1.
    pub probability_parasitized: f32,
}

/// An image file with what the model says of it, or why it could not be read.
pub type Named = (PathBuf, Result<Prediction, ImageError>);

/// Names the class of every image, and hands the results over in the order of the paths, block by block: while the
/// network sees one block, the next one is decoded. Ends early when `each` breaks.
pub fn predict_files(
    model: &Model,
    views: Views,
    mut paths: impl Iterator<Item = PathBuf>,
    mut each: impl FnMut(Named) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let decode = |block: Vec<PathBuf>| -> Vec<_> {
        block.into_par_iter().map(|path| (model.recipe.input.load(&path), path)).collect()
    };
    let mut next_block = || -> Vec<PathBuf> { paths.by_ref().take(BLOCK).collect() };
    let mut decoded = decode(next_block());
    while !decoded.is_empty() {
        let coming = next_block();
        let (named, next) = rayon::join(|| name_block(model, views, decoded), || decode(coming));
        named.into_iter().try_for_each(&mut each)?;
        decoded = next;
    }
    ControlFlow::Continue(())
}

fn name_block(model: &Model, views: Views, block: Vec<(Result<Vec<u8>, ImageError>, PathBuf)>) -> Vec<Named> {
    let values = model.network.input().len();
    let readable: Vec<&Vec<u8>> = block.iter().filter_map(|(bytes, _)| bytes.as_ref().ok()).collect();
    let mut probabilities = Vec::with_capacity(readable.len());
    for batch in readable.chunks(BATCH) {
        let mut inputs = vec![0.0; batch.len() * values];
        inputs.par_chunks_exact_mut(values).zip(batch).for_each(|(input, bytes)| to_input(bytes, input));
        probabilities.extend(model.probabilities_parasitized(&inputs, views));
    }
    let mut probabilities = probabilities.into_iter();
    block
        .into_iter()
        .map(|(bytes, path)| {
            let probability = bytes.map(|_| probabilities.next().unwrap_or(f32::NAN));
            let named = probability.and_then(|probability| Prediction::new(probability, model.threshold, &path));
            (path, named)
        })
        .collect()
}

impl Prediction {
    /// The class that a probability means. A network whose sums overflow says nothing, and must not be taken to say
    /// Uninfected: then the error names `path`.
    pub(crate) fn new(probability_parasitized: f32, threshold: f32, path: &Path) -> Result<Prediction, ImageError> {
        if !probability_parasitized.is_finite() {
            return Err(ImageError::Content {
                path: path.display().to_string(),
                expected: "a finite probability from the model".to_owned(),
                found: probability_parasitized.to_string(),
            });
        }
        Ok(Prediction { class: Class::decide(probability_parasitized, threshold), probability_parasitized })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Activation, LayerSpec};

    const SHAPE: Shape = Shape { height: 3, width: 3, channels: 1 };

    #[test]
    fn the_two_mirrors_by_turns_lead_through_all_eight_views() {
        let mut image: Vec<f32> = (0..9).map(|i| i as f32).collect();
        let mut seen = vec![image.clone()];
        for view in 1..8 {
            if view % 2 == 1 {
                mirror_diagonally(&mut image, SHAPE)
            } else {
                mirror_sideways(&mut image, SHAPE)
            }
            assert!(!seen.contains(&image), "{view}");
            seen.push(image.clone());
        }
        // The centre stays, and every corner comes to every corner twice.
        assert!(seen.iter().all(|view| view[4] == 4.0));
        assert_eq!(seen.iter().filter(|view| view[0] == 8.0).count(), 2);
    }

    #[test]
    fn eight_views_of_one_pixel_are_the_mean_of_where_it_comes_to_lie() {
        let layers = [LayerSpec::Flatten {}, LayerSpec::Dense { units: 1, activation: Activation::Sigmoid }];
        let mut network = Network::new(SHAPE, &layers, 0).unwrap();
        let mut weights = network.weights();
        weights[0].values = vec![1.0, 9.0, 2.0, 9.0, 5.0, 9.0, 3.0, 9.0, 4.0];
        network.set_weights(&weights).unwrap();
        let corner = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(Views::One.logits(&network, &corner), [1.0]);
        assert_eq!(Views::Eight.logits(&network, &corner), [(1.0 + 2.0 + 3.0 + 4.0) / 4.0]);
    }
}
