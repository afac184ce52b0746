//! The settings of a recipe: preprocessing, layers, training and augmentation.

use crate::nn::{LayerSpec, Shape};
use crate::preprocess::Preprocessing;
use serde::{Deserialize, Serialize};

/// A recipe: everything that defines how a network is built and trained, apart from the seed and the images.
///
/// Recipes are written in TOML; [`Recipe::load`] reads one of the built-in recipes or a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Short name, such as `compact`. Files and folders are named after it, so it is a plain file name.
    pub name: String,
    /// One sentence about the network.
    #[serde(default)]
    pub description: String,
    /// Preprocessing of an image to the input of the network.
    pub input: Preprocessing,
    /// Layers, from the input to the logit.
    pub layers: Vec<LayerSpec>,
    /// Settings of the training.
    pub training: Training,
    /// Random variation of the training images; none by default.
    #[serde(default)]
    pub augmentation: Augmentation,
}

/// Settings of the training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Passes over the training set.
    pub epochs: u64,
    /// Images per optimizer step.
    pub batch_size: usize,
    /// Learning rate of Adam; the maximum if the schedule varies it.
    pub learning_rate: f32,
    /// Learning rate schedule.
    #[serde(default)]
    pub schedule: Schedule,
    /// Decoupled weight decay of AdamW; 0 is plain Adam.
    #[serde(default)]
    pub weight_decay: f32,
    /// Label smoothing: targets are moved towards 0.5 by half of this.
    #[serde(default)]
    pub label_smoothing: f32,
    /// The target probability of Parasitized for healthy cells of other sites, before label smoothing. A target
    /// slightly above 0 weakens the association of a foreign look with healthy cells.
    #[serde(default)]
    pub negative_target: f32,
    /// Decay per step of the exponential moving average of the weights, which is validated and saved instead of the
    /// weights; 0 disables averaging.
    #[serde(default)]
    pub ema_decay: f32,
}

/// Learning rate schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Schedule {
    /// Constant learning rate.
    #[default]
    Constant,
    /// Linear warm-up over the first twentieth of the steps, then cosine decay to zero.
    WarmupCosine,
}

/// Data augmentation: random variation of the training images. By default, images are not varied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augmentation {
    /// Shear: the angle is uniform in ± this many degrees (`shear_range` of Keras).
    pub shear_degrees: f32,
    /// Zoom: the factor of each axis is independently uniform in 1 ± this (`zoom_range` of Keras).
    pub zoom: f32,
    /// Mirror left and right with probability 0.5.
    pub horizontal_flip: bool,
    /// Mirror top and bottom with probability 0.5.
    pub vertical_flip: bool,
    /// Rotate by a random multiple of 90 degrees.
    pub quarter_turns: bool,
    /// Rotation: the angle is uniform in ± this many degrees.
    pub rotation_degrees: f32,
    /// Shift of each axis, uniform in ± this fraction of the side.
    pub shift: f32,
    /// Scale: the factor of both axes is log-uniform in 1/(1 + this)..(1 + this).
    pub scale: f32,
    /// Colour: each channel is multiplied by a factor uniform in 1 ± this.
    pub colour: f32,
    /// Brightness: multiplied by a factor uniform in 1 ± this.
    pub brightness: f32,
    /// Contrast: deviations from the mean of the image are multiplied by a factor uniform in 1 ± this.
    pub contrast: f32,
    /// Hue: rotated by an angle uniform in ± this many degrees.
    pub hue_degrees: f32,
    /// Saturation: multiplied by a factor uniform in 1 ± this.
    pub saturation: f32,
    /// Stain density: optical densities, relative to the mean colour of the cell, are multiplied by a factor log-uniform in
    /// 1/(1 + this)..(1 + this), with probability 0.5.
    pub density: f32,
    /// Gaussian blur with a standard deviation uniform in 0..this, in pixels, with probability 0.5.
    pub blur_px: f32,
    /// Noise of a camera: uniform in ± this fraction of the range of values, or less, with probability 0.5.
    pub noise: f32,
    /// Fraction of the images whose black background is replaced: filled like a smear, or cut to an ellipse.
    pub mask: f32,
    /// Fraction of the replaced backgrounds that are cut to an ellipse, as by the normalisation of colours.
    pub mask_ellipse: f32,
    /// Fraction of the labelled cells whose content is transplanted onto a healthy cell of another site, and of the healthy
    /// cells of other sites that get a parasite. Without such cells, there are no transplants.
    pub transplant: f32,
    /// Fraction of the parasitized cells, transplants included, in which a late stage of a parasite is drawn.
    pub late_stage: f32,
    /// Fraction of the red cells that get spicules, as in a dried smear.
    pub crenation: f32,
    /// Fraction of the red cells that are replaced by a drawing of something else, which trains the second output.
    pub not_a_cell: f32,
}

impl Augmentation {
    /// No variation.
    pub const NONE: Augmentation = Augmentation {
        shear_degrees: 0.0,
        zoom: 0.0,
        horizontal_flip: false,
        vertical_flip: false,
        quarter_turns: false,
        rotation_degrees: 0.0,
        shift: 0.0,
        scale: 0.0,
        colour: 0.0,
        brightness: 0.0,
        contrast: 0.0,
        hue_degrees: 0.0,
        saturation: 0.0,
        density: 0.0,
        blur_px: 0.0,
        noise: 0.0,
        mask: 0.0,
        mask_ellipse: 1.0 / 3.0,
        transplant: 0.0,
        late_stage: 0.0,
        crenation: 0.0,
        not_a_cell: 0.0,
    };
}

impl Default for Augmentation {
    fn default() -> Augmentation {
        Augmentation::NONE
    }
}

impl Recipe {
    /// Returns the number of the network's outputs: 1 for the class, 2 if there is one for a red cell, too.
    #[must_use]
    pub fn outputs(&self) -> usize {
        match self.layers.last() {
            Some(LayerSpec::Dense { units, .. }) => *units,
            _ => 1,
        }
    }

    /// Returns the shape of the network's input: a square RGB image.
    #[must_use]
    pub fn input_shape(&self) -> Shape {
        Shape { height: self.input.side_px, width: self.input.side_px, channels: 3 }
    }
}
