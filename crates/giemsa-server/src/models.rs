//! The models of a server, by name.

use crate::settings::ModelSource;
use giemsa::checksum::sha256_of_bytes;
use giemsa::model::{Model, ModelError};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

/// A model that answers requests.
#[derive(Debug)]
pub struct ServedModel {
    /// Its name in the API.
    pub name: String,
    /// Where it is from.
    pub source: ModelSource,
    /// The SHA-256 of its file, in hexadecimal digits.
    pub sha256: String,
    /// The model.
    pub model: Model,
}

/// The models of a server, which can be loaded again while it runs.
#[derive(Debug)]
pub struct Models {
    sources: Vec<ModelSource>,
    loaded: RwLock<Vec<Arc<ServedModel>>>,
}

impl Models {
    /// Loads models.
    ///
    /// # Errors
    /// If a file cannot be read or is no model.
    ///
    /// # Panics
    /// If there are no sources.
    pub fn load(sources: &[ModelSource]) -> Result<Models, ModelError> {
        assert!(!sources.is_empty(), "a server needs a model");
        Ok(Models { sources: sources.to_vec(), loaded: RwLock::new(load_all(sources)?) })
    }

    /// Loads all models again. If one of them cannot be used, all of them stay as they are. Requests in work keep the model
    /// that they started with.
    ///
    /// # Errors
    /// If a file cannot be read or is no model.
    pub fn reload(&self) -> Result<(), ModelError> {
        let new = load_all(&self.sources)?;
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// Returns the models, the default one first.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<ServedModel>> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the model of this name; `None` if there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<ServedModel>> {
        self.all().into_iter().find(|model| model.name == name)
    }

    /// Returns the model of the page, and of requests that name none.
    #[must_use]
    pub fn default_model(&self) -> Arc<ServedModel> {
        self.all().swap_remove(0)
    }
}

fn load_all(sources: &[ModelSource]) -> Result<Vec<Arc<ServedModel>>, ModelError> {
    sources.iter().map(|source| load_one(source).map(Arc::new)).collect()
}

fn load_one(source: &ModelSource) -> Result<ServedModel, ModelError> {
    let read = source.path.as_deref().map(Model::read_bytes).transpose()?;
    let bytes = read.as_deref().unwrap_or(Model::BUILTIN);
    let path = source.path.as_deref().unwrap_or(Path::new("the built-in model"));
    Ok(ServedModel {
        name: source.name.clone(),
        source: source.clone(),
        sha256: sha256_of_bytes(bytes),
        model: Model::from_bytes(bytes, path)?,
    })
}
