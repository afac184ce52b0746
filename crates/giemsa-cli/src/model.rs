//! What commands that use a model share: which one, and how it looks at an image.

use giemsa::model::Tta;
use giemsa::model::{Model, ModelError};
use std::path::{Path, PathBuf};

/// Which model.
#[derive(clap::Args)]
pub struct ModelArgs {
    /// The model file. [default: the model in the program]
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// Average over the image and its mirror image in four quarter turns each: eight times the work.
    #[arg(long)]
    tta: bool,
}

impl ModelArgs {
    /// Reads the file, or takes the model in the program.
    pub fn load(&self) -> Result<Model, ModelError> {
        load(self.model.as_deref())
    }

    /// How the model looks at an image.
    pub fn tta(&self) -> Tta {
        if self.tta { Tta::Dihedral8 } else { Tta::None }
    }

    /// The model, for people.
    pub fn name(&self) -> String {
        self.model.as_ref().map_or("the model in the program".to_owned(), |path| path.display().to_string())
    }
}

/// The name of the built-in model wherever a model file is expected.
pub const BUILTIN: &str = "builtin";

/// Reads a model file; without a path, or for the path `builtin`, returns the built-in model.
pub fn load(path: Option<&Path>) -> Result<Model, ModelError> {
    file_of(path).map_or_else(Model::embedded, Model::load)
}

/// Returns the path of a model file, or `None` for the built-in model.
pub fn file_of(path: Option<&Path>) -> Option<&Path> {
    path.filter(|path| *path != Path::new(BUILTIN))
}
