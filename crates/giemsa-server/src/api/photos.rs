//! `POST /api/photos`: counts the cells on photographs of one slide, without storing anything.

use super::cells::find_model;
use super::extract::Parameters;
use crate::models::ServedModel;
use crate::problem::Problem;
use crate::state::Shared;
use crate::upload::{Upload, UploadedFile};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use giemsa::RESEARCH_ONLY;
use giemsa::image::decode_bytes;
use giemsa::smear::rows::{PhotographRow, SlideRow};
use giemsa::smear::{CountError, Photograph, RED_CELLS_PER_MICROLITRE, count_slide, find_cells};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Returns the routes of this file.
pub fn routes() -> Router<Shared> {
    Router::new().route("/api/photos", post(count))
}

#[derive(Deserialize)]
struct SlideQuery {
    model: Option<String>,
}

/// The answer: the slide as in `giemsa count --json`, and the rows of `giemsa count --format jsonl`.
#[derive(Serialize)]
struct Counted<'a> {
    model: &'a str,
    notice: &'static str,
    slide: SlideRow,
    photographs: Vec<PhotographRow>,
}

/// Counts the photographs one by one, so that the photographs of others get their turn between them.
async fn count(
    State(server): State<Shared>,
    Parameters(query): Parameters<SlideQuery>,
    upload: Upload,
) -> Result<Response, Problem> {
    let served = find_model(&server, query.model.as_deref())?;
    let (mut photographs, mut skipped) = (Vec::new(), Vec::new());
    for file in upload.files {
        let (model, path) = (served.clone(), PathBuf::from(&file.name));
        match server.engine.run(move || find(&model, &file)).await? {
            Ok(photograph) => photographs.push(photograph),
            Err(CountError::Model(error)) => return Err(Problem::internal(error)),
            Err(error) => skipped.push((path, error)),
        }
    }
    let model = served.clone();
    let counted = server.engine.run(move || {
        let mut slide = count_slide(&model.model, "slide", photographs, RED_CELLS_PER_MICROLITRE)?;
        slide.skipped = skipped;
        Ok::<_, giemsa::model::ModelError>(slide)
    });
    let slide = counted.await?.map_err(Problem::internal)?;
    let error_rates = served.model.error_rates;
    let row = |photograph| PhotographRow::new(photograph, &slide.name, error_rates);
    let photographs = slide.photographs.iter().map(row).collect();
    let slide = SlideRow::new(&slide, error_rates);
    Ok(Json(Counted { model: &served.name, notice: RESEARCH_ONLY, slide, photographs }).into_response())
}

fn find(model: &ServedModel, file: &UploadedFile) -> Result<Photograph, CountError> {
    let path = Path::new(&file.name);
    let pixels = decode_bytes(&file.bytes, path)?.pixels;
    find_cells(&model.model.predictor(Default::default()), path, &pixels, None)
}
