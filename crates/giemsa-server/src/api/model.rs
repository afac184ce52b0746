//! `GET /api/model`: the model card.

use super::cells::find_model;
use super::extract::Parameters;
use crate::problem::Problem;
use crate::state::Shared;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use giemsa::RESEARCH_ONLY;
use serde::{Deserialize, Serialize};

/// Returns the routes of this file.
pub fn routes() -> Router<Shared> {
    Router::new().route("/api/model", get(model_card))
}

#[derive(Deserialize)]
struct NameQuery {
    name: Option<String>,
}

/// A model and its card.
#[derive(Serialize)]
struct ModelRow<'a> {
    name: &'a str,
    models: Vec<String>,
    sha256: &'a str,
    recipe: &'a str,
    threshold: f32,
    notice: &'static str,
    /// In Markdown.
    card: Option<&'a str>,
}

async fn model_card(
    State(server): State<Shared>,
    Parameters(query): Parameters<NameQuery>,
) -> Result<Response, Problem> {
    let served = find_model(&server, query.name.as_deref())?;
    Ok(Json(ModelRow {
        name: &served.name,
        models: server.models.all().iter().map(|model| model.name.clone()).collect(),
        sha256: &served.sha256,
        recipe: &served.model.recipe.name,
        threshold: served.model.threshold,
        notice: RESEARCH_ONLY,
        card: served.model.card.as_deref(),
    })
    .into_response())
}
