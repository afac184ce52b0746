//! The API: one file per thing that it is about.

mod cases;
mod cells;
mod export;
mod extract;
mod images;
mod model;
mod objects;
mod openapi;
mod photos;
mod verdicts;

use crate::state::Shared;
use axum::Router;

/// Returns the routes of the API.
pub fn routes() -> Router<Shared> {
    Router::new()
        .merge(cells::routes())
        .merge(photos::routes())
        .merge(model::routes())
        .merge(cases::routes())
        .merge(export::routes())
        .merge(images::routes())
        .merge(objects::routes())
        .merge(verdicts::routes())
        .merge(openapi::routes())
}
