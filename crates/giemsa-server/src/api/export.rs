//! Cases as files for other programs.

use super::cases::{counted, read};
use super::extract::{Ids, file};
use crate::case::Case;
use crate::export::{cells_csv, coco, report, training_zip};
use crate::problem::Problem;
use crate::state::Shared;
use axum::extract::{RawQuery, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_DISPOSITION;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};

/// Returns the routes of this file.
pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/api/cases/{case}/export/cells.csv", get(cells))
        .route("/api/cases/{case}/export/coco.json", get(boxes))
        .route("/api/cases/{case}/report.html", get(page))
        .route("/api/export/training.zip", get(training))
}

/// Names the file of an answer, which browsers then store.
fn named(mut response: Response, name: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    response
}

async fn cells(State(server): State<Shared>, Ids(id): Ids<i64>) -> Result<Response, Problem> {
    let (_, case, counted) = counted(&server, id).await?;
    let csv = cells_csv(&case, &counted).map_err(Problem::internal)?;
    Ok(named(file("text/csv; charset=utf-8", csv), &format!("case-{id}-cells.csv")))
}

async fn boxes(State(server): State<Shared>, Ids(id): Ids<i64>) -> Result<Response, Problem> {
    let (_, case, counted) = counted(&server, id).await?;
    Ok(named(Json(coco(&case, &counted)).into_response(), &format!("case-{id}-coco.json")))
}

async fn page(State(server): State<Shared>, Ids(id): Ids<i64>) -> Result<Response, Problem> {
    let (model, case, counted) = counted(&server, id).await?;
    let store = server.store.clone();
    let page = server.engine.run(move || report(&store, &case, &counted, &model)).await?;
    Ok(file("text/html; charset=utf-8", page.map_err(Problem::internal)?))
}

async fn training(State(server): State<Shared>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let mut ids = ids_in(query.as_deref().unwrap_or_default())?;
    if ids.is_empty() {
        let all = server.store.run(|database| database.cases()).await?;
        ids = all.into_iter().map(|case| case.id).collect();
    }
    ids.sort_unstable();
    ids.dedup();
    let mut cases: Vec<Case> = Vec::with_capacity(ids.len());
    for id in ids {
        cases.push(read(&server, id).await?);
    }
    let store = server.store.clone();
    let zip = server.engine.run(move || training_zip(&store, &cases)).await??;
    Ok(named(file("application/zip", zip), "training.zip"))
}

/// Returns the numbers of cases in a query, `case=1&case=2`.
fn ids_in(query: &str) -> Result<Vec<i64>, Problem> {
    let id = |part: &str| part.strip_prefix("case=").and_then(|id| id.parse().ok());
    let wrong = |part| Problem::bad_request(format!("expected case=NUMBER, found '{part}'"));
    query.split('&').filter(|part| !part.is_empty()).map(|part| id(part).ok_or_else(|| wrong(part))).collect()
}
