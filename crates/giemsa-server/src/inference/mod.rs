//! The Open Inference Protocol, version 2: the API of KServe and Triton, for their clients.
//!
//! A model has one input, `image`, and one output value per image. An image that cannot be classified fails by itself: its class
//! is empty, its probabilities are [`NO_VALUE`], and the output `error` has the reason.

mod binary;
mod elements;
mod error;
mod metadata;
mod request;
mod response;
mod tensors;

pub use error::InferenceError;
pub use response::NO_VALUE;

use crate::models::ServedModel;
use crate::problem::Problem;
use crate::state::Shared;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use request::read_request;
use response::write_response;
use serde::Deserialize;
use std::sync::Arc;

/// Returns the routes of the protocol.
pub fn routes() -> Router<Shared> {
    let routes = Router::new()
        .route("/", get(metadata::server))
        .route("/health/live", get(metadata::live))
        .route("/health/ready", get(metadata::ready))
        .route("/models/{model}", get(metadata::model))
        .route("/models/{model}/ready", get(metadata::model_ready))
        .route("/models/{model}/infer", post(infer))
        .route("/models/{model}/versions/{version}", get(metadata::model))
        .route("/models/{model}/versions/{version}/ready", get(metadata::model_ready))
        .route("/models/{model}/versions/{version}/infer", post(infer))
        .fallback(async || InferenceError::not_found("the protocol has no such address"))
        .method_not_allowed_fallback(async || {
            InferenceError::new(StatusCode::METHOD_NOT_ALLOWED, "this address takes another method")
        });
    Router::new().nest("/v2", routes)
}

/// Rewrites problems of other layers, such as a missing token, in the form of the protocol.
pub async fn in_form_of_protocol(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_of_protocol = path == "/v2" || path.starts_with("/v2/");
    let mut response = next.run(request).await;
    if is_of_protocol && let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let (parts, body) = InferenceError::new(response.status(), problem.detail).into_response().into_parts();
        response.headers_mut().extend(parts.headers);
        *response.body_mut() = body;
    }
    response
}

/// The model in the address of a request.
struct Requested(Arc<ServedModel>);

#[derive(Deserialize)]
struct ModelPath {
    model: String,
    version: Option<String>,
}

impl FromRequestParts<Shared> for Requested {
    type Rejection = InferenceError;

    async fn from_request_parts(parts: &mut Parts, server: &Shared) -> Result<Requested, InferenceError> {
        let path = Path::<ModelPath>::from_request_parts(parts, server).await;
        let Path(ModelPath { model: name, version }) = path.map_err(InferenceError::bad_request)?;
        let model = server.models.get(&name);
        let model = model.ok_or_else(|| InferenceError::not_found(format!("there is no model '{name}'")))?;
        match version {
            Some(version) if version != version_of(&model) => {
                let found = version_of(&model);
                let message = format!("the model '{name}' has no version '{version}'; its version is '{found}'");
                Err(InferenceError::not_found(message))
            }
            _ => Ok(Requested(model)),
        }
    }
}

/// Returns the version of a model: the first 12 hexadecimal digits of the SHA-256 of its file. So a version is the same weights
/// on every server and after every restart.
fn version_of(model: &ServedModel) -> &str {
    model.sha256.get(..12).unwrap_or(&model.sha256)
}

async fn infer(
    State(server): State<Shared>,
    Requested(model): Requested,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, InferenceError> {
    let body = body?;
    let (served, of_request) = (server.clone(), model.clone());
    let read = move || read_request(&headers, &body, &of_request, &served.settings.limits);
    let request = tokio::task::spawn_blocking(read).await.map_err(InferenceError::internal)??;
    let predictions = server.engine.predict(&model, request.images).await?;
    Ok(write_response(&model, request.id.as_deref(), &request.outputs, &predictions))
}
