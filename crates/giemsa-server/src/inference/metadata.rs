//! What the server and its models are, and whether they answer.

use super::response::outputs_of;
use super::tensors::INPUT;
use super::{InferenceError, Requested, version_of};
use crate::state::Shared;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use giemsa::RESEARCH_ONLY;
use serde_json::{Value, json};

pub(super) async fn server() -> Json<Value> {
    let version = env!("CARGO_PKG_VERSION");
    Json(json!({"name": "giemsa", "version": version, "extensions": ["binary_tensor_data"]}))
}

pub(super) async fn live() -> Json<Value> {
    Json(json!({"live": true}))
}

/// `live` is the key of the specification; clients expect `ready`.
pub(super) async fn ready(State(server): State<Shared>) -> Response {
    let is_ready = server.is_ready();
    (status(is_ready), Json(json!({"live": true, "ready": is_ready}))).into_response()
}

pub(super) async fn model_ready(State(server): State<Shared>, Requested(model): Requested) -> Response {
    let is_ready = server.is_ready();
    (status(is_ready), Json(json!({"name": model.name, "ready": is_ready}))).into_response()
}

fn status(is_ready: bool) -> StatusCode {
    if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// The input is described as files, of any number. The protocol cannot express that it may also be pixels.
pub(super) async fn model(Requested(model): Requested) -> Result<Json<Value>, InferenceError> {
    let outputs = outputs_of(&model).map(|output| tensor(output.name(), output.datatype()));
    Ok(Json(json!({
        "name": model.name,
        "versions": [version_of(&model)],
        "platform": "giemsa",
        "inputs": [tensor(INPUT, "BYTES")],
        "outputs": outputs.collect::<Vec<_>>(),
        "parameters": {"notice": RESEARCH_ONLY},
    })))
}

fn tensor(name: &str, datatype: &str) -> Value {
    json!({"name": name, "datatype": datatype, "shape": [-1]})
}
