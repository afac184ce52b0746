//! The server of giemsa: a page on which a laboratory counts and reviews smears, and an HTTP API for cells and photographs.
//!
//! For research use only, not for diagnosis.
//!
//! [`app`] is the router, which tests call without a socket; [`serve()`] binds an address and runs until it is stopped. The
//! library `giemsa` does the computations, on threads of their own: [`engine`] is the queue to them.

pub mod api;
pub mod case;
pub mod engine;
pub mod export;
pub mod guard;
pub mod inference;
pub mod logs;
pub mod metrics;
pub mod models;
pub mod observe;
pub mod page;
pub mod problem;
pub mod reload;
pub mod serve;
pub mod settings;
pub mod state;
pub mod store;
pub mod upload;

pub use serve::{ServeError, serve};
pub use settings::{Limits, ModelSource, Settings};
pub use state::{Server, Shared};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};

/// Returns the router of all pages and of the API.
pub fn app(server: Shared) -> Router {
    let body_bytes = server.settings.limits.body_bytes;
    let routes =
        Router::new().merge(api::routes()).merge(inference::routes()).merge(metrics::routes()).merge(page::routes());
    let routes = routes.layer(DefaultBodyLimit::max(body_bytes));
    let observe = from_fn_with_state(server.clone(), observe::observe);
    // The outermost layers see the answers of all others.
    guard::protect(routes, server).layer(from_fn(inference::in_form_of_protocol)).layer(observe)
}
