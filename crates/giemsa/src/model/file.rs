//! The model file: safetensors, with the recipe and calibration in its metadata.
//!
//! `docs/model-file.md` describes the format for other programs.

use super::Recipe;
use super::container::{self, Texts, wrong};
use crate::classes::Class;
use crate::nn::{ArchitectureError, Network, Tensor, architecture};
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
    /// How it was made and how well it does, as Markdown, if somebody has written that down.
    pub card: Option<String>,
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
    /// The network's output is not finite: its weights are broken, or their sums overflow.
    #[error("the model's output is not finite ({logit}): its weights are unusable")]
    NonFiniteOutput {
        /// The output.
        logit: f32,
    },
}

/// The metadata's `format` of every model file.
const FORMAT: &str = "giemsa-model-1";

/// What the names of the optimizer's arrays in a checkpoint begin with.
pub(crate) const OPTIMIZER_PREFIX: &str = "adam.";
/// What the names of averaged weights in a checkpoint begin with.
pub(crate) const AVERAGE_PREFIX: &str = "ema.";

impl Model {
    /// The bytes of the built-in model file.
    pub const BUILTIN: &[u8] = include_bytes!("pretrained/compact.safetensors");

    /// Returns whether a file is a training checkpoint, which contains the state of the optimizer.
    ///
    /// # Errors
    /// If the file cannot be read or is not a model file.
    pub fn is_checkpoint(path: &Path) -> Result<bool, ModelError> {
        let (_, tensors) = container::parse(&container::read_bytes(path)?, path)?;
        Ok(tensors.iter().any(|tensor| tensor.name.starts_with(OPTIMIZER_PREFIX)))
    }

    /// A model that is not calibrated.
    pub fn new(recipe: Recipe, network: Network) -> Model {
        Model { recipe, network, temperature: 1.0, threshold: 0.5, threshold_aim: None, card: None }
    }

    /// The model in the program: the recipe `compact`, trained on 120 patients of the NIH images. `docs/MODEL_CARD.md` says
    /// how, and how well it does.
    ///
    /// ```
    /// let model = giemsa::model::Model::embedded()?;
    /// assert_eq!(model.recipe.name, "compact");
    /// # Ok::<(), giemsa::model::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// When the program was built with a file that is no model.
    pub fn embedded() -> Result<Model, ModelError> {
        Model::from_bytes(Model::BUILTIN, Path::new("the model in the program"))
    }

    /// Reads a model file, or the checkpoint of a training run, which is one with more in it.
    ///
    /// # Errors
    /// When the file is no model; nothing larger than the file is ever allocated.
    pub fn load(path: &Path) -> Result<Model, ModelError> {
        Model::from_bytes(&container::read_bytes(path)?, path)
    }

    /// Reads the bytes of a model file; `path` is for the error alone.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Model, ModelError> {
        let (texts, tensors) = container::parse(bytes, path)?;
        Model::from_parts(&texts, tensors, path)
    }

    /// The model in a file's texts and arrays, without those of a checkpoint.
    pub(crate) fn from_parts(texts: &Texts, tensors: Vec<Tensor>, path: &Path) -> Result<Model, ModelError> {
        let text = |name: &str| {
            texts.get(name).map(String::as_str).ok_or_else(|| wrong(path, &format!("metadata `{name}`"), "none"))
        };
        if text("format")? != FORMAT {
            return Err(wrong(path, &format!("the format `{FORMAT}`"), &format!("`{}`", text("format")?)));
        }
        if text("classes")? != class_names() {
            return Err(wrong(path, &format!("the classes {}", class_names()), text("classes")?));
        }
        let recipe = Recipe::parse(text("recipe")?, "its recipe")
            .map_err(|e| wrong(path, "a recipe in the metadata", &e.to_string()))?;
        let weights: Vec<Tensor> = tensors
            .into_iter()
            .filter(|tensor| ![OPTIMIZER_PREFIX, AVERAGE_PREFIX].iter().any(|own| tensor.name.starts_with(own)))
            .collect();
        let network = network_with(&recipe, &weights, path)?;
        let number = |name: &str| -> Result<f32, ModelError> {
            let found = text(name)?;
            found.parse().map_err(|_| wrong(path, &format!("a number as `{name}`"), &format!("`{found}`")))
        };
        let (temperature, threshold) = (number("temperature")?, number("threshold")?);
        if !(temperature.is_finite() && temperature > 0.0) {
            return Err(wrong(path, "a finite `temperature` above 0", &temperature.to_string()));
        }
        if !(0.0..=1.0).contains(&threshold) {
            return Err(wrong(path, "a `threshold` in 0..=1", &threshold.to_string()));
        }
        let [threshold_aim, card] = ["threshold_aim", "card"].map(|name| texts.get(name).cloned());
        Ok(Model { recipe, network, temperature, threshold, threshold_aim, card })
    }

    /// Writes the model so that the file appears whole or not at all.
    ///
    /// # Errors
    /// When the file cannot be written, or a weight is not finite.
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        self.save_with(path, Texts::new(), Vec::new())
    }

    /// As [`Model::save`], with more texts and arrays: a checkpoint.
    pub(crate) fn save_with(&self, path: &Path, more: Texts, extra: Vec<Tensor>) -> Result<(), ModelError> {
        let recipe = self.recipe.to_toml().map_err(|e| wrong(path, "a recipe that can be written", &e.to_string()))?;
        let mut texts = more;
        let mut put = |name: &str, text: String| texts.insert(name.to_owned(), text);
        put("format", FORMAT.to_owned());
        put("program", concat!("giemsa ", env!("CARGO_PKG_VERSION")).to_owned());
        put("classes", class_names());
        put("recipe", recipe);
        put("temperature", self.temperature.to_string());
        put("threshold", self.threshold.to_string());
        if let Some(aim) = &self.threshold_aim {
            put("threshold_aim", aim.clone());
        }
        if let Some(card) = &self.card {
            put("card", card.clone());
        }
        let mut tensors = self.network.weights();
        tensors.extend(extra);
        if let Some(tensor) = tensors.iter().find(|tensor| tensor.values.iter().any(|value| !value.is_finite())) {
            return Err(wrong(path, "finite weights to write", &format!("others in `{}`", tensor.name)));
        }
        container::write(path, texts, &tensors)
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("recipe", &self.recipe.name)
            .field("temperature", &self.temperature)
            .field("threshold", &self.threshold)
            .finish_non_exhaustive()
    }
}

/// Both class names in the order of their indices, as the metadata has them.
fn class_names() -> String {
    Class::ALL.map(Class::name).join(",")
}

/// The recipe's network with these weights; the arrays are counted before the network is built, so that a small file
/// cannot ask for a large one.
fn network_with(recipe: &Recipe, weights: &[Tensor], path: &Path) -> Result<Network, ModelError> {
    let misfit = |e: ArchitectureError| wrong(path, "weights that fit its recipe", &e.to_string());
    let summary = architecture::summary(recipe.input_shape(), &recipe.layers).map_err(misfit)?;
    let expected: usize = summary.iter().map(|row| row.trainable + row.non_trainable).sum();
    let found: usize = weights.iter().map(|tensor| tensor.values.len()).sum();
    if found != expected {
        return Err(wrong(path, &format!("{expected} weights, as its recipe has"), &found.to_string()));
    }
    Network::with_weights(recipe.input_shape(), &recipe.layers, weights).map_err(misfit)
}
