//! `POST /api/cells`: classifies images of cells.

use super::extract::Parameters;
use crate::engine::{CellContent, CellImage};
use crate::models::ServedModel;
use crate::problem::Problem;
use crate::state::Shared;
use crate::upload::{Upload, UploadedFile};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use giemsa::RESEARCH_ONLY;
use giemsa::model::rows::PredictionRow;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// Returns the routes of this file.
pub fn routes() -> Router<Shared> {
    Router::new().route("/api/cells", post(classify))
}

#[derive(Deserialize)]
struct ModelQuery {
    model: Option<String>,
}

/// The answer: one row per image, as `giemsa predict --format jsonl` prints them.
#[derive(Serialize)]
struct Classified<'a> {
    model: &'a str,
    notice: &'static str,
    results: Vec<PredictionRow<'a>>,
}

async fn classify(
    State(server): State<Shared>,
    Parameters(query): Parameters<ModelQuery>,
    upload: Upload,
) -> Result<Response, Problem> {
    let model = find_model(&server, query.model.as_deref())?;
    let names: Vec<String> = upload.files.iter().map(|file| file.name.clone()).collect();
    let images = upload.files.into_iter().map(cell_image).collect();
    let predictions = server.engine.predict(&model, images).await?;
    let rows = names.iter().zip(&predictions).map(|(name, result)| {
        let result = result.as_ref().map_err(|error| error.reason());
        PredictionRow::new(Path::new(name), result)
    });
    Ok(Json(Classified { model: &model.name, notice: RESEARCH_ONLY, results: rows.collect() }).into_response())
}

fn cell_image(file: UploadedFile) -> CellImage {
    CellImage { name: file.name.into(), content: CellContent::File(file.bytes) }
}

/// Returns the model of this name, or the default one.
pub fn find_model(server: &Shared, name: Option<&str>) -> Result<Arc<ServedModel>, Problem> {
    let Some(name) = name else { return Ok(server.models.default_model()) };
    server.models.get(name).ok_or_else(|| Problem::not_found(format!("there is no model '{name}'")))
}
