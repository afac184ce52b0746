//! Arguments of commands that use a model, and loading it.

use giemsa::model::{Model, ModelError, Tta};
use std::path::{Path, PathBuf};

/// The name of the built-in model. A file of this name is `./builtin`.
pub const BUILTIN: &str = "builtin";

/// The model and its test-time augmentation.
#[derive(clap::Args)]
pub struct ModelArgs {
    /// Model file, or `builtin` for the built-in model [default: builtin]
    #[arg(long, value_name = "MODEL")]
    pub model: Option<PathBuf>,
    /// Test-time augmentation: average over the eight rotations and reflections of each image, at eight times the cost.
    #[arg(long)]
    tta: bool,
}

impl ModelArgs {
    /// Loads the model.
    pub fn load(&self) -> Result<Model, ModelError> {
        load(self.model.as_deref())
    }

    /// Returns the test-time augmentation.
    pub fn tta(&self) -> Tta {
        if self.tta { Tta::Dihedral8 } else { Tta::None }
    }

    /// Returns the name of the model for messages: the path, or "the built-in model".
    pub fn name(&self) -> String {
        name(self.model.as_deref())
    }
}

/// Loads a model file, or the built-in model.
pub fn load(model: Option<&Path>) -> Result<Model, ModelError> {
    file_of(model).map_or_else(Model::embedded, Model::load)
}

/// Returns the path of the model file, or `None` for the built-in model.
pub fn file_of(model: Option<&Path>) -> Option<&Path> {
    model.filter(|path| *path != Path::new(BUILTIN))
}

/// Returns the name of a model for messages: the path, or "the built-in model".
pub fn name(model: Option<&Path>) -> String {
    file_of(model).map_or("the built-in model".to_owned(), |path| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builtin_is_the_built_in_model_and_other_names_are_files() {
        assert_eq!(load(Some(Path::new("builtin"))).unwrap().recipe.name, "compact");
        assert_eq!(name(None), "the built-in model");
        assert_eq!(name(Some(Path::new("builtin"))), "the built-in model");
        assert_eq!(name(Some(Path::new("./builtin"))), "./builtin");
        assert!(load(Some(Path::new("./builtin"))).is_err());
    }
}
