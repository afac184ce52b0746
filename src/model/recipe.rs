//! A recipe: preprocessing, layers, training settings and augmentation, read from a TOML file.

use crate::nn::LayerSpec;
use crate::preprocess::Preprocessing;
use serde::{Deserialize, Serialize};

/// Everything that says how a network is built and trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// A short name: `seed`, `compact`.
    pub name: String,
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// From an image to the input.
    pub input: Preprocessing,
    /// From the input to the logit.
    pub layers: Vec<LayerSpec>,
    /// How it is trained.
    pub training: Training,
    /// How training images are varied.
    #[serde(default)]
    pub augmentation: Augmentation,
}

/// How a network is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Passes over the training images.
    pub epochs: u64,
    /// Images a step.
    pub batch_size: usize,
    /// Adam's step size at its highest.
    pub learning_rate: f32,
    /// How the step size changes over the run.
    #[serde(default)]
    pub schedule: Schedule,
    /// AdamW's decoupled weight decay; 0 is plain Adam.
    #[serde(default)]
    pub weight_decay: f32,
    /// Targets are moved by half of this towards 0.5.
    #[serde(default)]
    pub label_smoothing: f32,
    /// Decay a step of the exponential moving average of the weights that is validated and saved; 0 is none.
    #[serde(default)]
    pub ema_decay: f32,
}

/// How the step size changes over the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// It stays.
    #[default]
    Constant,
    /// Rises linearly over the first twentieth of the steps, then falls to zero along half a cosine.
    WarmupCosine,
}

/// How training images are varied; every default is "not at all".
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augmentation {
    /// Shear angle is uniform in ± this many degrees (Keras' `shear_range`).
    pub shear_degrees: f32,
    /// Zoom of each axis, independently uniform in 1 ± this (Keras' `zoom_range`).
    pub zoom: f32,
    /// Mirror left and right, one in two.
    pub horizontal_flip: bool,
    /// Mirror top and bottom, one in two.
    pub vertical_flip: bool,
    /// Turn by a random multiple of 90 degrees.
    pub quarter_turns: bool,
    /// Rotation is uniform in ± this many degrees.
    pub rotation_degrees: f32,
    /// Shift of each axis, uniform in ± this share of the side.
    pub shift: f32,
    /// Both axes are scaled by the same factor, log-uniform in 1/(1+this)..(1+this).
    pub scale: f32,
    /// Colour channels are each multiplied by a factor uniform in 1 ± this.
    pub colour: f32,
    /// Brightness is multiplied by a factor uniform in 1 ± this.
    pub brightness: f32,
    /// Contrast about the image's mean is multiplied by a factor uniform in 1 ± this.
    pub contrast: f32,
    /// Hue is turned by up to ± this many degrees.
    pub hue_degrees: f32,
    /// Saturation is multiplied by a factor uniform in 1 ± this.
    pub saturation: f32,
    /// Gaussian blur with a standard deviation uniform in 0..this, in pixels, on one image in two.
    pub blur_px: f32,
    /// The share of images whose black mask is replaced: filled as a smear looks, or re-drawn as an ellipse.
    pub mask: f32,
}

/// A recipe that cannot be read or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// No such recipe in the program, nor a file of that name.
    #[error("no recipe `{name}`: expected one of {known}, or a .toml file")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The built-in names.
        known: String,
    },
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The text is no recipe; says line and column.
    #[error("{path}: {message}")]
    Parse {
        /// The file or built-in recipe.
        path: String,
        /// With line and column.
        message: String,
    },
    /// The layers do not fit.
    #[error("{path}: {source}")]
    Layers {
        /// The file or built-in recipe.
        path: String,
        /// Which layer, and why.
        source: crate::nn::ArchitectureError,
    },
}

#[allow(missing_docs, unused_variables)]
impl Recipe {
    /// A built-in recipe by name, or the recipe in a `.toml` file.
    pub fn load(name_or_path: &str) -> Result<Recipe, RecipeError> {
        todo!()
    }
    pub fn built_in_names() -> &'static [&'static str] {
        &["seed", "compact"]
    }
}
