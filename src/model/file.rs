//! The model file: safetensors, with the recipe and calibration in its metadata.

use super::Recipe;
use crate::nn::Network;
use std::path::Path;

/// A trained network with what it takes to use it.
#[derive(Clone)]
pub struct Model {
    /// How it was built and trained; `recipe.input` is the preprocessing.
    pub recipe: Recipe,
    /// Architecture and weights.
    pub network: Network,
    /// Divides the logit before the sigmoid (calibration); 1 when not calibrated.
    pub temperature: f32,
    /// From this probability of Parasitized up, an image is called Parasitized; 0.5 when not calibrated.
    pub threshold: f32,
    /// What the threshold was chosen for, in words, if it was.
    pub threshold_aim: Option<String>,
}

/// A file that is no usable model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Its content is not what was expected.
    #[error("{path}: expected {expected}, found {found}")]
    Content {
        /// The file.
        path: String,
        /// What a model file has there.
        expected: String,
        /// What this one has.
        found: String,
    },
}

#[allow(missing_docs, unused_variables)]
impl Model {
    pub fn load(path: &Path) -> Result<Model, ModelError> {
        todo!()
    }
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        todo!()
    }
    /// Probabilities of Parasitized, calibrated by the temperature; `inputs` as `nn::Network::predict` takes them.
    pub fn probabilities_parasitized(&self, inputs: &[f32]) -> Vec<f32> {
        self.network
            .predict(inputs)
            .into_iter()
            .map(|z| crate::classes::Class::probability_parasitized(z / self.temperature))
            .collect()
    }
}
