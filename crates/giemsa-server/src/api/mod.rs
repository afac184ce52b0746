//! The API: one file per thing that it is about.

mod cells;
mod model;

use crate::state::Shared;
use axum::Router;

/// Returns the routes of the API.
pub fn routes() -> Router<Shared> {
    Router::new().merge(cells::routes()).merge(model::routes())
}
