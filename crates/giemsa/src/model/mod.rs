//! Recipes (architecture and training settings, as data), the model file, the embedded weights.

pub(crate) mod container;
pub mod file;
pub mod predictor;
mod ranges;
pub mod recipe;

pub use file::{Model, ModelError};
pub use predictor::{Prediction, Predictor, Tta, predict_logits};
pub use recipe::{Recipe, RecipeError};
