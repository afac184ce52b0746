//! What all requests share.

use crate::engine::Engine;
use crate::models::Models;
use crate::settings::Settings;
use giemsa::model::ModelError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// What it was started with.
    pub settings: Settings,
    /// The models.
    pub models: Models,
    /// The threads that compute.
    pub engine: Engine,
    stopping: AtomicBool,
}

/// A server that all requests share.
pub type Shared = Arc<Server>;

impl Server {
    /// Loads the models and starts the threads that compute.
    ///
    /// # Errors
    /// If a model cannot be loaded.
    pub fn start(settings: Settings) -> Result<Shared, ModelError> {
        let engine = Engine::start(&settings.limits, |_| ());
        let models = Models::load(&settings.models)?;
        Ok(Arc::new(Server { models, engine, stopping: AtomicBool::new(false), settings }))
    }

    /// Returns whether the server takes new requests. It does until [`Server::stop`].
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.stopping.load(Ordering::Relaxed)
    }

    /// Announces that the server is being stopped.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }
}
