//! The model file: safetensors, with the recipe and the calibration in its metadata.
//!
//! `docs/model-file.md` specifies the format for other programs.

use super::container::{self, Metadata};
use super::{CellErrors, ModelError, Recipe};
use crate::classes::Class;
use crate::nn::{ArchitectureError, Network, Tensor, architecture};
use std::ops::RangeInclusive;
use std::path::Path;
use std::str::FromStr;

/// A trained network with its preprocessing, its calibration and its decision threshold.
#[derive(Clone)]
pub struct Model {
    /// Preprocessing (`recipe.input`), layers and training settings.
    pub recipe: Recipe,
    /// Layers and weights.
    pub network: Network,
    /// Temperature of the calibration: divides the logit before the sigmoid. 1 if the model is not calibrated.
    pub temperature: f32,
    /// Decision threshold: an image is classified as *Parasitized* if its probability of *Parasitized* is at least this.
    /// 0.5 if the model is not calibrated.
    pub threshold: f32,
    /// The aim for which the threshold was chosen, such as "specificity at least 0.975"; `None` for the default threshold.
    pub threshold_aim: Option<String>,
    /// An image is refused if its probability of a single red cell is below this. 0, which refuses nothing, if the network
    /// has no output for it; 0.05 if the model is not calibrated.
    pub red_cell_threshold: f32,
    /// The error rates of the model for single cells of patients that it was not trained on, at its threshold; `None` if they
    /// are unknown.
    pub error_rates: Option<CellErrors>,
    /// The location of the calibrated logits of *Parasitized* of healthy cells at the site of the threshold, which
    /// [`healthy_location`](crate::evaluate::healthy_cells::healthy_location) computes; `None` if it is unknown.
    pub healthy_logit: Option<f32>,
    /// The patients that the model was trained on; empty if they are unknown.
    pub training_patients: Vec<String>,
    /// The model card in Markdown, if the model has one.
    pub card: Option<String>,
}

/// The threshold of refusal of models that are not calibrated: low, because a refused cell is not counted.
const RED_CELL_THRESHOLD: f32 = 0.05;

/// The value of the metadata key `format` in every model file.
const FORMAT: &str = "giemsa-model-1";

/// The temperatures of a model file: far beyond those of calibrated networks, and near enough to 1 for the quotient of a
/// logit to remain finite.
const TEMPERATURES: RangeInclusive<f32> = 1e-3..=1e3;

/// Prefix of the optimizer's arrays in a checkpoint.
pub(crate) const OPTIMIZER_PREFIX: &str = "adam.";
/// Prefix of the averaged weights in a checkpoint.
pub(crate) const AVERAGE_PREFIX: &str = "ema.";

impl Model {
    /// The bytes of the built-in model file.
    pub const BUILTIN: &[u8] = include_bytes!("pretrained/compact.safetensors");

    /// Returns whether a file is a training checkpoint, which contains the state of the optimizer.
    ///
    /// # Errors
    /// If the file cannot be read or is not a model file.
    pub fn is_checkpoint(path: &Path) -> Result<bool, ModelError> {
        let (_, tensors) = container::read(path)?;
        Ok(tensors.iter().any(|tensor| tensor.name.starts_with(OPTIMIZER_PREFIX)))
    }

    /// Creates a model that is not calibrated.
    pub fn new(recipe: Recipe, network: Network) -> Model {
        let red_cell_threshold = if network.outputs() > 1 { RED_CELL_THRESHOLD } else { 0.0 };
        Model {
            recipe,
            network,
            temperature: 1.0,
            threshold: 0.5,
            threshold_aim: None,
            red_cell_threshold,
            error_rates: None,
            healthy_logit: None,
            training_patients: Vec::new(),
            card: None,
        }
    }

    /// Returns the built-in model: the recipe `compact`, trained on 160 patients of the NIH images and on cells of other sites.
    /// Its model card, `docs/MODEL_CARD.md`, describes its training and its performance.
    ///
    /// ```
    /// let model = giemsa::model::Model::embedded()?;
    /// assert_eq!(model.recipe.name, "compact");
    /// # Ok::<(), giemsa::model::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// If the library was built with an invalid model file.
    pub fn embedded() -> Result<Model, ModelError> {
        Model::from_bytes(Model::BUILTIN, Path::new("the built-in model"))
    }

    /// Reads a model file. A checkpoint of a training run is a model file, too.
    ///
    /// ```
    /// use giemsa::model::{Model, ModelError};
    /// use std::path::Path;
    /// let error = Model::load(Path::new("missing.safetensors")).unwrap_err();
    /// assert!(matches!(error, ModelError::Input(error) if error.path() == Path::new("missing.safetensors")));
    /// ```
    ///
    /// # Errors
    /// If the file cannot be read, or is not a valid model. Allocates at most two times the file's size and 128 MiB: the
    /// header and the recipe are limited to 4 MiB and 256 KiB, and the weights are padded with at most 64 MiB of zeros.
    pub fn load(path: &Path) -> Result<Model, ModelError> {
        let (metadata, tensors) = container::read(path)?;
        Model::from_parts(&metadata, tensors, path)
    }

    /// Reads the bytes of a model file, for [`Model::from_bytes`].
    ///
    /// # Errors
    /// If the file cannot be read or is larger than any model.
    pub fn read_bytes(path: &Path) -> Result<Vec<u8>, ModelError> {
        Ok(container::read_bytes(path)?)
    }

    /// Reads a model from the bytes of a model file. `path` appears in errors only.
    ///
    /// # Errors
    /// See [`Model::load`].
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Model, ModelError> {
        let (metadata, tensors) = container::parse(bytes, path)?;
        Model::from_parts(&metadata, tensors, path)
    }

    /// Builds the model from the metadata and the arrays of a file, and ignores the additional arrays of a checkpoint.
    pub(crate) fn from_parts(metadata: &Metadata, tensors: Vec<Tensor>, path: &Path) -> Result<Model, ModelError> {
        check_format_and_classes(metadata, path)?;
        let recipe = Recipe::parse(container::text(metadata, "recipe", path)?, "recipe in the metadata")
            .map_err(|source| ModelError::InvalidRecipe { path: path.to_owned(), source: source.into() })?;
        tensors.iter().try_for_each(|tensor| check_not_negative(tensor, path))?;
        let weights: Vec<Tensor> = tensors
            .into_iter()
            .filter(|tensor| ![OPTIMIZER_PREFIX, AVERAGE_PREFIX].iter().any(|prefix| tensor.name.starts_with(prefix)))
            .collect();
        let network = network_with(&recipe, &weights, path)?;
        let temperature =
            number(metadata, "temperature", "in 0.001..=1000", path, |value: f32| TEMPERATURES.contains(&value))?;
        let threshold = number(metadata, "threshold", "in 0..=1", path, |value: f32| (0.0..=1.0).contains(&value))?;
        let red_cell_threshold =
            optional(metadata, "red_cell_threshold", "in 0..=1", path, |value| (0.0..=1.0).contains(&value))?;
        let healthy_logit = optional(metadata, "healthy_logit", "a finite number", path, f32::is_finite)?;
        let patients = metadata.get("training_patients").map(|names| names.lines().map(str::to_owned).collect());
        let training_patients = patients.unwrap_or_default();
        let [threshold_aim, card] = ["threshold_aim", "card"].map(|key| metadata.get(key).cloned());
        Ok(Model {
            recipe,
            network,
            temperature,
            threshold,
            threshold_aim,
            red_cell_threshold: red_cell_threshold.unwrap_or(0.0),
            error_rates: CellErrors::read(metadata, path)?,
            healthy_logit,
            training_patients,
            card,
        })
    }

    /// Builds a model that is not calibrated. `path` is the file of the weights, for errors.
    #[cfg(feature = "formats")]
    pub(crate) fn from_weights(recipe: Recipe, weights: &[Tensor], path: &Path) -> Result<Model, ModelError> {
        weights.iter().try_for_each(|tensor| check_not_negative(tensor, path))?;
        let network = network_with(&recipe, weights, path)?;
        Ok(Model::new(recipe, network))
    }

    /// Writes the model file atomically: it appears complete or not at all.
    ///
    /// # Errors
    /// If the file cannot be written, or a weight is not finite.
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        self.save_with(path, Metadata::new(), Vec::new())
    }

    /// Writes the model file with additional metadata and arrays, as a checkpoint has them.
    pub(crate) fn save_with(&self, path: &Path, more: Metadata, extra: Vec<Tensor>) -> Result<(), ModelError> {
        let mut metadata = more;
        metadata.extend(self.metadata(path)?);
        let mut tensors = self.network.weights();
        tensors.extend(extra);
        tensors.iter().try_for_each(|tensor| container::check_finite(tensor, path))?;
        container::write(path, metadata, &tensors)
    }

    /// Returns everything but the weights as the metadata of a model file. `path` appears in errors only.
    pub(crate) fn metadata(&self, path: &Path) -> Result<Metadata, ModelError> {
        let recipe = self
            .recipe
            .to_toml()
            .map_err(|source| ModelError::UnwritableRecipe { path: path.to_owned(), source: source.into() })?;
        let mut metadata = Metadata::new();
        let mut put = |key: &str, text: String| metadata.insert(key.to_owned(), text);
        put("format", FORMAT.to_owned());
        put("program", concat!("giemsa ", env!("CARGO_PKG_VERSION")).to_owned());
        put("classes", class_names());
        put("recipe", recipe);
        put("temperature", self.temperature.to_string());
        put("threshold", self.threshold.to_string());
        if self.network.outputs() > 1 {
            put("red_cell_threshold", self.red_cell_threshold.to_string());
        }
        for (key, rate) in self.error_rates.iter().flat_map(CellErrors::metadata) {
            put(key, rate.to_string());
        }
        if let Some(logit) = self.healthy_logit {
            put("healthy_logit", logit.to_string());
        }
        if let Some(aim) = &self.threshold_aim {
            put("threshold_aim", aim.clone());
        }
        if !self.training_patients.is_empty() {
            put("training_patients", self.training_patients.join("\n"));
        }
        if let Some(card) = &self.card {
            put("card", card.clone());
        }
        Ok(metadata)
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

/// Returns both class names in the order of their indices, as the metadata contains them.
fn class_names() -> String {
    Class::ALL.map(Class::name).join(",")
}

fn check_format_and_classes(metadata: &Metadata, path: &Path) -> Result<(), ModelError> {
    let path_buf = || path.to_owned();
    let found = container::text(metadata, "format", path)?;
    if found != FORMAT {
        return Err(ModelError::WrongFormat { path: path_buf(), expected: FORMAT, found: found.to_owned() });
    }
    let (expected, found) = (class_names(), container::text(metadata, "classes", path)?);
    if found != expected {
        return Err(ModelError::WrongClasses { path: path_buf(), expected, found: found.to_owned() });
    }
    Ok(())
}

/// Reads a number of the metadata, and checks its range.
pub(super) fn number<T: FromStr + Copy>(
    metadata: &Metadata,
    key: &'static str,
    expected: &'static str,
    path: &Path,
    is_valid: impl Fn(T) -> bool,
) -> Result<T, ModelError> {
    let found = container::text(metadata, key, path)?;
    let value = found.parse().ok().filter(|&value| is_valid(value));
    value.ok_or_else(|| ModelError::InvalidMetadata { path: path.to_owned(), key, expected, found: found.to_owned() })
}

/// Reads a number that the metadata need not have.
pub(super) fn optional<T: FromStr + Copy>(
    metadata: &Metadata,
    key: &'static str,
    expected: &'static str,
    path: &Path,
    is_valid: impl Fn(T) -> bool,
) -> Result<Option<T>, ModelError> {
    metadata.contains_key(key).then(|| number(metadata, key, expected, path, is_valid)).transpose()
}

/// Checks that variances of batch normalisation, and the optimizer's averages of squares, are not negative: their root
/// would be NaN.
fn check_not_negative(tensor: &Tensor, path: &Path) -> Result<(), ModelError> {
    let is_square = tensor.name.ends_with(".moving_variance") || tensor.name.starts_with("adam.v.");
    match tensor.values.iter().find(|&&value| is_square && value < 0.0) {
        Some(&value) => Err(ModelError::NegativeValue { path: path.to_owned(), tensor: tensor.name.clone(), value }),
        None => Ok(()),
    }
}

/// Builds the network of a recipe with these weights. Counts the weights before it builds the network, so that a small
/// file cannot cause a large allocation.
fn network_with(recipe: &Recipe, weights: &[Tensor], path: &Path) -> Result<Network, ModelError> {
    let invalid = |e: ArchitectureError| invalid_weights(path, e);
    let expected = architecture::needs(recipe.input_shape(), &recipe.layers).map_err(invalid)?.weights as usize;
    let found: usize = weights.iter().map(|tensor| tensor.values.len()).sum();
    if found != expected {
        return Err(ModelError::WeightCount { path: path.to_owned(), expected, found });
    }
    Network::with_weights(recipe.input_shape(), &recipe.layers, weights).map_err(invalid)
}

/// Adds the path of the model file to an error of its network.
pub(crate) fn invalid_weights(path: &Path, source: ArchitectureError) -> ModelError {
    match source {
        ArchitectureError::OutOfMemory { bytes } => ModelError::OutOfMemory { path: path.to_owned(), bytes },
        source => ModelError::InvalidWeights { path: path.to_owned(), source: source.into() },
    }
}
