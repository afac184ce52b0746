//! Formats of other tools: ONNX, Keras and PyTorch files.
//!
//! [`Model::export`] writes a model in one of the [`Format`]s, and [`import`] reads one. `docs/formats.md` describes what each
//! file contains, and how to use it in its own tool.

mod arrays;
mod assemble;
mod batch_norm;
mod error;
mod keras;
mod layout;
mod onnx;
mod pytorch;
mod source;

pub use error::FormatError;
pub use pytorch::python_module;

use super::Model;
use super::container::Metadata;
use crate::classes::Class;
use crate::input;
use crate::model::Recipe;
use crate::nn::{LayerSpec, Shape, Tensor};
use crate::output::write_atomically;
use source::Source;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// A file format of another tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// ONNX, opset 17: from the preprocessed bytes of images to P(Parasitized).
    Onnx,
    /// Keras 3, layers and weights: `.keras`.
    Keras,
    /// Keras 3, weights only: `.weights.h5`.
    KerasWeights,
    /// Keras 2 and `tf.keras`, layers and weights: `.h5`.
    LegacyH5,
    /// The state dict of a PyTorch module as safetensors, weights only.
    SafetensorsPytorch,
}

/// The largest file that is imported, in bytes: a model of the largest number of weights with the state of its optimizer.
const MAX_FILE_BYTES: u64 = 1 << 30;

impl Format {
    /// All formats.
    pub const ALL: [Format; 5] =
        [Format::Onnx, Format::Keras, Format::KerasWeights, Format::LegacyH5, Format::SafetensorsPytorch];

    /// Returns the name, such as `keras-weights`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Onnx => "onnx",
            Format::Keras => "keras",
            Format::KerasWeights => "keras-weights",
            Format::LegacyH5 => "legacy-h5",
            Format::SafetensorsPytorch => "safetensors-pytorch",
        }
    }

    /// Returns all names, separated by commas.
    fn names() -> String {
        Format::ALL.map(Format::name).join(", ")
    }

    /// Describes the input and the output of a model in this format, in two sentences.
    #[must_use]
    pub fn interface(self, model: &Model) -> String {
        let side = model.recipe.input.side_px;
        let outputs = model.network.outputs();
        match self {
            Format::Onnx => {
                let red_cell = if outputs > 1 { " and `probability_red_cell` [N]" } else { "" };
                format!(
                    "Input: `image`, uint8 [N, {side}, {side}, 3], RGB, preprocessed as the recipe in its metadata \
                     defines. Output: `probability_parasitized` [N]{red_cell}."
                )
            }
            Format::Keras | Format::KerasWeights | Format::LegacyH5 => format!(
                "Input: float [N, {side}, {side}, 3], RGB in 0..1. Output: [N, {outputs}], of which the first is \
                 P(Uninfected) before calibration."
            ),
            Format::SafetensorsPytorch => format!(
                "Input: float [N, 3, {side}, {side}], RGB in 0..1. Output: logits [N, {outputs}], of which the first is \
                 that of Uninfected."
            ),
        }
    }

    /// Detects the format of a file by its content; `None` if it is none of them.
    #[must_use]
    pub fn detect(bytes: &[u8]) -> Option<Format> {
        if keras::is_hdf5(bytes) {
            return Some(if keras::is_legacy(bytes) { Format::LegacyH5 } else { Format::KerasWeights });
        }
        if bytes.starts_with(b"PK") {
            return Some(Format::Keras);
        }
        if pytorch::is_safetensors(bytes) {
            return Some(Format::SafetensorsPytorch);
        }
        onnx::is_onnx(bytes).then_some(Format::Onnx)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Format, String> {
        let format = Format::ALL.into_iter().find(|format| format.name() == name);
        format.ok_or_else(|| format!("expected one of {}", Format::names()))
    }
}

/// Settings of [`import`] for what the file does not contain.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ImportSettings {
    /// The recipe, whose layers must be those of the file. `None` takes the recipe that the file contains if this program
    /// exported it, or else one with the layers in the file.
    pub recipe: Option<Recipe>,
    /// The class whose probability the output is, if another program wrote the file. In Keras, it is the second in the
    /// alphabet: Uninfected.
    pub probability_of: Class,
}

impl Default for ImportSettings {
    fn default() -> ImportSettings {
        ImportSettings { recipe: None, probability_of: Class::Uninfected }
    }
}

/// What a file contains, converted to the layout of a model file.
#[derive(Debug)]
struct Contents {
    /// The layers with the shape of their input; `None` if the format contains weights only.
    layers: Option<(Shape, Vec<LayerSpec>)>,
    /// The arrays of [`weight_arrays`](arrays::weight_arrays), with its names and shapes.
    weights: Vec<Tensor>,
    /// The metadata of the model file, if this program exported it.
    metadata: Option<Metadata>,
    /// The factor of the logit before the sigmoid: negative if the output is the probability of the class with index 0, and
    /// the inverse of the temperature of a calibrated model.
    logit_scale: f32,
}

impl Model {
    /// Writes the model in the format of another tool, atomically.
    ///
    /// ```
    /// use giemsa::model::{Model, format::Format};
    /// let folder = tempfile::tempdir()?;
    /// Model::embedded()?.export(Format::Onnx, &folder.path().join("compact.onnx"))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn export(&self, format: Format, path: &Path) -> Result<(), FormatError> {
        let metadata = self.metadata(path)?;
        let bytes = match format {
            Format::Onnx => onnx::write(self, &metadata),
            Format::Keras => keras::write_archive(self, &metadata),
            Format::KerasWeights => keras::write_weights(self, &metadata),
            Format::LegacyH5 => keras::write_legacy(self, &metadata),
            Format::SafetensorsPytorch => pytorch::write(self, &metadata),
        };
        bytes
            .and_then(|bytes| write_atomically(path, |file| file.write_all(&bytes)))
            .map_err(|source| FormatError::Write { path: path.to_owned(), source })
    }
}

/// Imports a model from a file of another tool. `format` is detected by the content if it is `None`.
///
/// ```
/// use giemsa::model::{Model, format};
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("compact.onnx");
/// let model = Model::embedded()?;
/// model.export(format::Format::Onnx, &path)?;
/// let imported = format::import(&path, None, &format::ImportSettings::default())?;
/// assert_eq!(imported.network.weights(), model.network.weights());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the file cannot be read or is invalid, contains a layer that does not exist here, or does not fit the recipe; or if it
/// contains weights only, and there is no recipe. Allocates at most a small multiple of the file's size.
pub fn import(path: &Path, format: Option<Format>, settings: &ImportSettings) -> Result<Model, FormatError> {
    import_bytes(&input::read(path, MAX_FILE_BYTES)?, path, format, settings)
}

/// Imports a model from the bytes of a file, as [`import`]. `path` appears in errors only.
///
/// # Errors
/// See [`import`].
pub fn import_bytes(
    bytes: &[u8],
    path: &Path,
    format: Option<Format>,
    settings: &ImportSettings,
) -> Result<Model, FormatError> {
    let Some(format) = format.or_else(|| Format::detect(bytes)) else {
        return Err(FormatError::UnknownFormat { path: path.to_owned(), found: assemble::describe(bytes) });
    };
    let source = Source { path, format };
    let recipe = settings.recipe.as_ref();
    let contents = match format {
        Format::Onnx => onnx::read(bytes, source),
        Format::Keras => keras::read_archive(bytes, source),
        Format::KerasWeights => keras::read_weights(bytes, source, recipe),
        Format::LegacyH5 => keras::read_legacy(bytes, source),
        Format::SafetensorsPytorch => pytorch::read(bytes, source, recipe),
    }?;
    assemble::model(contents, source, settings)
}
