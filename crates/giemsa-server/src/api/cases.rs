//! `/api/cases`: creates, lists, changes, counts and deletes cases.

use super::extract::{Body, Ids, Parameters, present, text};
use crate::case::count::{Count, CountedCase, computed, current};
use crate::case::objects::{PhotoRow, SingleCellRow, photo_rows, single_cell_rows};
use crate::case::{Case, RefusedFile};
use crate::models::ServedModel;
use crate::problem::Problem;
use crate::state::{Server, Shared};
use crate::store::{CaseChange, CaseRow};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use giemsa::RESEARCH_ONLY;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The longest name of a case, in characters.
const LONGEST_NAME: usize = 200;

/// Returns the routes of this file.
pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/api/cases", get(list).post(create))
        .route("/api/cases/{case}", get(show).patch(change).delete(delete))
        .route("/api/cases/{case}/count", get(count_at))
}

/// A case without its images.
#[derive(Debug, Serialize)]
pub struct CaseSummary {
    id: i64,
    name: String,
    created_at: String,
    images: u32,
    cells: u32,
    reviewed: u32,
    is_stale: bool,
    model: ModelName,
}

#[derive(Debug, Serialize)]
struct ModelName {
    name: String,
    sha256: String,
}

impl CaseSummary {
    fn new(row: CaseRow, model: &ServedModel) -> CaseSummary {
        CaseSummary {
            id: row.id,
            name: row.name,
            created_at: row.created_at,
            images: row.images,
            cells: row.cells,
            reviewed: row.reviewed,
            is_stale: row.images > 0 && row.model_sha256 != model.sha256,
            model: ModelName { name: row.model_name, sha256: row.model_sha256 },
        }
    }
}

/// A case with everything that the page shows, except objects on photographs.
#[derive(Debug, Serialize)]
struct CaseView {
    #[serde(flatten)]
    summary: CaseSummary,
    threshold: f32,
    model_threshold: f32,
    threshold_is_own: bool,
    red_cells_per_microlitre: f64,
    computed: Count,
    current: Count,
    photographs: Vec<PhotoRow>,
    single_cells: Vec<SingleCellRow>,
    refused: Vec<RefusedFile>,
    notice: &'static str,
}

/// Adds the notice to an answer.
#[derive(Debug, Serialize)]
pub(super) struct Noticed<T> {
    #[serde(flatten)]
    answer: T,
    notice: &'static str,
}

impl<T> Noticed<T> {
    pub(super) fn new(answer: T) -> Json<Noticed<T>> {
        Json(Noticed { answer, notice: RESEARCH_ONLY })
    }
}

#[derive(Serialize)]
struct CaseList {
    cases: Vec<CaseSummary>,
}

async fn list(State(server): State<Shared>) -> Result<Response, Problem> {
    let model = server.models.default_model();
    let cases = server.store.run(|database| database.cases()).await?;
    let cases = cases.into_iter().map(|row| CaseSummary::new(row, &model)).collect();
    Ok(Noticed::new(CaseList { cases }).into_response())
}

#[derive(Deserialize)]
struct NewCase {
    name: String,
}

async fn create(State(server): State<Shared>, Body(new): Body<NewCase>) -> Result<Response, Problem> {
    let name = text("name", &new.name, LONGEST_NAME)?;
    let model = server.models.default_model();
    let creator = model.clone();
    let row = server.store.run(move |database| database.create_case(&name, &creator)).await?;
    let location = format!("/api/cases/{}", row.id);
    let answer = Noticed::new(CaseSummary::new(row, &model));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], answer).into_response())
}

async fn show(State(server): State<Shared>, Ids(id): Ids<i64>) -> Result<Response, Problem> {
    view(&server, id).await
}

/// Returns a case with its counts.
pub(super) async fn view(server: &Server, id: i64) -> Result<Response, Problem> {
    let model = server.models.default_model();
    let case = read(server, id).await?;
    let view = compute(move || {
        let (threshold, model_threshold) = (case.row.threshold, model.model.threshold);
        let computed = computed(&case, &model.model)?;
        let current = current(&case, &model.model, None)?;
        Ok(CaseView {
            threshold: threshold.unwrap_or(model_threshold),
            model_threshold,
            threshold_is_own: threshold.is_some(),
            red_cells_per_microlitre: case.row.red_cells_per_microlitre,
            computed: computed.count(),
            current: current.count(),
            photographs: photo_rows(&case, &current),
            single_cells: single_cell_rows(&case, &current),
            refused: case.images.refused.clone(),
            summary: CaseSummary::new(case.row, &model),
            notice: RESEARCH_ONLY,
        })
    });
    Ok(Json(view.await?).into_response())
}

#[derive(Deserialize)]
struct Change {
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    threshold: Option<Option<f32>>,
    red_cells_per_microlitre: Option<f64>,
}

async fn change(State(server): State<Shared>, Ids(id): Ids<i64>, Body(new): Body<Change>) -> Result<Response, Problem> {
    let name = new.name.map(|name| text("name", &name, LONGEST_NAME)).transpose()?;
    new.threshold.flatten().map_or(Ok(()), check_threshold)?;
    let red_cells_per_microlitre = new.red_cells_per_microlitre;
    if red_cells_per_microlitre.is_some_and(|number| !(number > 0.0 && number <= MOST_RED_CELLS_PER_MICROLITRE)) {
        return Err(Problem::bad_request("red_cells_per_microlitre: expected a positive number, at most 1e9"));
    }
    let change = CaseChange { name, threshold: new.threshold, red_cells_per_microlitre };
    let row = server.store.run(move |database| database.change_case(id, &change)).await?;
    Ok(Noticed::new(CaseSummary::new(row, &server.models.default_model())).into_response())
}

/// Far more than blood can have, but no number with which a product is infinite.
const MOST_RED_CELLS_PER_MICROLITRE: f64 = 1e9;

fn check_threshold(threshold: f32) -> Result<(), Problem> {
    if (0.0..=1.0).contains(&threshold) {
        return Ok(());
    }
    Err(Problem::bad_request("threshold: expected a probability, from 0 to 1"))
}

async fn delete(State(server): State<Shared>, Ids(id): Ids<i64>) -> Result<StatusCode, Problem> {
    server.store.run(move |database| database.delete_case(id)).await?;
    server.decoded.clear();
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Threshold {
    threshold: Option<f32>,
}

async fn count_at(
    State(server): State<Shared>,
    Ids(id): Ids<i64>,
    Parameters(query): Parameters<Threshold>,
) -> Result<Response, Problem> {
    query.threshold.map_or(Ok(()), check_threshold)?;
    let counted = current_count(&server, read(&server, id).await?, query.threshold).await?;
    Ok(Noticed::new(counted).into_response())
}

/// Reads a case.
pub(super) async fn read(server: &Server, id: i64) -> Result<Case, Problem> {
    Ok(server.store.run(move |database| Case::read(database, id)).await?)
}

/// Counts a case with its verdicts. `threshold` is `None` for the one that is stored.
pub(super) async fn current_count(server: &Server, case: Case, threshold: Option<f32>) -> Result<Count, Problem> {
    let model = server.models.default_model();
    compute(move || Ok(current(&case, &model.model, threshold)?.count())).await
}

/// Counts a case with its verdicts, and returns both.
pub(super) async fn counted(server: &Server, id: i64) -> Result<(Arc<ServedModel>, Case, CountedCase), Problem> {
    let model = server.models.default_model();
    let case = read(server, id).await?;
    compute(move || {
        let counted = current(&case, &model.model, None)?;
        Ok((model, case, counted))
    })
    .await
}

/// Computes something that takes milliseconds.
pub(super) async fn compute<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, giemsa::model::ModelError> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(Problem::internal)?.map_err(Problem::internal)
}
