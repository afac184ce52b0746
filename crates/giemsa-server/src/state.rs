//! What all requests share.

use crate::case::pictures::Decoded;
use crate::engine::Engine;
use crate::metrics::Metrics;
use crate::models::Models;
use crate::serve::{ServeError, default_data};
use crate::settings::Settings;
use crate::store::{Store, StoreError};
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
    /// The counters of `/metrics`.
    pub metrics: Metrics,
    /// The cases.
    pub store: Store,
    /// The images that were decoded last.
    pub decoded: Decoded,
    stopping: AtomicBool,
}

/// A server that all requests share.
pub type Shared = Arc<Server>;

impl Server {
    /// Loads the models, opens the data folder, and starts the threads that compute.
    ///
    /// # Errors
    /// If a model cannot be loaded, or the data folder cannot be used.
    pub fn start(settings: Settings) -> Result<Shared, ServeError> {
        let metrics = Metrics::new();
        let engine = Engine::start(&settings.limits, metrics.batch_counter());
        let models = Models::load(&settings.models)?;
        let data = settings.data.clone().or_else(default_data).ok_or(StoreError::NoFolder)?;
        let (store, decoded) = (Store::open(&data)?, Decoded::default());
        Ok(Arc::new(Server { models, engine, metrics, store, decoded, stopping: AtomicBool::new(false), settings }))
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
