//! Naming the class of unseen images.

use crate::classes::Class;
use crate::dataset::DatasetError;
use crate::image::ImageError;
use crate::model::Model;
use crate::nn::Network;
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

/// Images that the network sees at once; the results do not depend on it.
const BATCH: usize = 100;
/// Images decoded at once, while the network sees the block before.
const BLOCK: usize = 400;

/// The logit of every image, in order.
///
/// # Errors
/// When an image cannot be read back.
pub fn logits(network: &Network, images: &dyn Images) -> Result<Vec<f32>, DatasetError> {
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
        all.extend(network.predict(&inputs));
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
        let (named, next) = rayon::join(|| name_block(model, decoded), || decode(coming));
        named.into_iter().try_for_each(&mut each)?;
        decoded = next;
    }
    ControlFlow::Continue(())
}

fn name_block(model: &Model, block: Vec<(Result<Vec<u8>, ImageError>, PathBuf)>) -> Vec<Named> {
    let values = model.network.input().len();
    let readable: Vec<&Vec<u8>> = block.iter().filter_map(|(bytes, _)| bytes.as_ref().ok()).collect();
    let mut probabilities = Vec::with_capacity(readable.len());
    for batch in readable.chunks(BATCH) {
        let mut inputs = vec![0.0; batch.len() * values];
        inputs.par_chunks_exact_mut(values).zip(batch).for_each(|(input, bytes)| to_input(bytes, input));
        probabilities.extend(model.probabilities_parasitized(&inputs));
    }
    let mut probabilities = probabilities.into_iter();
    block
        .into_iter()
        .map(|(bytes, path)| {
            let probability = bytes.map(|_| probabilities.next().unwrap_or(f32::NAN));
            let named = probability.and_then(|probability| prediction(probability, model.threshold, &path));
            (path, named)
        })
        .collect()
}

/// A network whose sums overflow says nothing, and must not be taken to say Uninfected.
fn prediction(probability_parasitized: f32, threshold: f32, path: &Path) -> Result<Prediction, ImageError> {
    if !probability_parasitized.is_finite() {
        return Err(ImageError::Content {
            path: path.display().to_string(),
            expected: "a finite probability from the model".to_owned(),
            found: probability_parasitized.to_string(),
        });
    }
    Ok(Prediction { class: Class::decide(probability_parasitized, threshold), probability_parasitized })
}
