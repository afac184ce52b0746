//! The origin of metrics: program, model and data.

use crate::checksum::{hexadecimal, sha256_of_file};
use crate::input::InputError;
use crate::model::Model;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::path::Path;

/// The program, model and data that metrics were computed with.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Provenance {
    /// The version of this library.
    pub version: &'static str,
    /// The model file, or `builtin`; `None` for a cross-validation, which has one model per fold.
    pub model: Option<String>,
    /// The SHA-256 of the model file, in hexadecimal digits.
    pub model_sha256: Option<String>,
    /// The name of the recipe.
    pub recipe: String,
    /// The temperature of the model.
    pub temperature: Option<f32>,
    /// The decision threshold.
    pub threshold: f64,
    /// The data folder.
    pub data: String,
}

impl Provenance {
    /// Describes an evaluation of a model from a file, or of the built-in model if `path` is `None`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn of_model(model: &Model, path: Option<&Path>, data: &Path) -> Result<Provenance, InputError> {
        let sha256 = match path {
            Some(path) => sha256_of_file(path)?,
            None => hexadecimal(&Sha256::digest(Model::BUILTIN)),
        };
        let name = path.map_or("builtin".to_owned(), |path| path.display().to_string());
        Ok(Provenance {
            version: env!("CARGO_PKG_VERSION"),
            model: Some(name),
            model_sha256: Some(sha256),
            recipe: model.recipe.name.clone(),
            temperature: Some(model.temperature),
            threshold: model.threshold.into(),
            data: data.display().to_string(),
        })
    }

    /// Describes a cross-validation of a recipe.
    #[must_use]
    pub fn of_cross_validation(recipe: &str, threshold: f64, data: &Path) -> Provenance {
        Provenance {
            version: env!("CARGO_PKG_VERSION"),
            model: None,
            model_sha256: None,
            recipe: recipe.to_owned(),
            temperature: None,
            threshold,
            data: data.display().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describes_the_built_in_model_and_a_model_file_alike() {
        let model = Model::embedded().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy.safetensors");
        std::fs::write(&path, Model::BUILTIN).unwrap();
        let builtin = Provenance::of_model(&model, None, Path::new("data")).unwrap();
        let file = Provenance::of_model(&model, Some(&path), Path::new("data")).unwrap();
        assert_eq!(builtin.model.as_deref(), Some("builtin"));
        assert_eq!(builtin.model_sha256, file.model_sha256);
        assert_eq!((builtin.recipe.as_str(), builtin.threshold), ("compact", f64::from(model.threshold)));
    }
}
