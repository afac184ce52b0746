//! The settings on which the weights depend.

use crate::model::{Recipe, RecipeError};

/// The settings on which the weights depend, together with the images.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Preprocessing, layers, training settings and augmentation.
    pub recipe: Recipe,
    /// Seed of the initial weights, the order of the images, augmentation and dropout.
    pub seed: u64,
    /// Steps per epoch; `None` for one pass over the training images. As in Keras, an epoch with fewer or more steps
    /// continues through the shuffled images where the epoch before stopped. They are shuffled again after each pass.
    pub steps_per_epoch: Option<u64>,
}

impl Settings {
    /// Returns settings with one pass over the training images per epoch.
    #[must_use]
    pub fn new(recipe: Recipe, seed: u64) -> Settings {
        Settings { recipe, seed, steps_per_epoch: None }
    }

    /// Checks the recipe, because a checkpoint with an invalid recipe could not be read again.
    ///
    /// # Errors
    /// See [`Recipe::check`].
    pub fn check(&self) -> Result<(), RecipeError> {
        self.recipe.check("", &format!("recipe `{}`", self.recipe.name))
    }
}
