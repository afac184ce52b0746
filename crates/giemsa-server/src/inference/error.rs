//! Errors in the form of the protocol.

use crate::engine::EngineError;
use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A request that has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InferenceError {
    /// The status code.
    pub status: StatusCode,
    /// What is wrong.
    pub message: String,
}

impl InferenceError {
    /// Returns an error.
    pub fn new(status: StatusCode, message: impl ToString) -> InferenceError {
        InferenceError { status, message: message.to_string() }
    }

    /// The request cannot be understood, or is above a limit.
    pub fn bad_request(message: impl ToString) -> InferenceError {
        InferenceError::new(StatusCode::BAD_REQUEST, message)
    }

    /// There is no such model or address.
    pub fn not_found(message: impl ToString) -> InferenceError {
        InferenceError::new(StatusCode::NOT_FOUND, message)
    }

    /// The server failed.
    pub fn internal(message: impl ToString) -> InferenceError {
        InferenceError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

impl From<EngineError> for InferenceError {
    fn from(error: EngineError) -> InferenceError {
        match error {
            EngineError::Busy => InferenceError::new(StatusCode::SERVICE_UNAVAILABLE, error),
            EngineError::Model(_) | EngineError::Failed => InferenceError::internal(error),
        }
    }
}

impl From<BytesRejection> for InferenceError {
    fn from(rejection: BytesRejection) -> InferenceError {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                InferenceError::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than the server accepts")
            }
            _ => InferenceError::bad_request(rejection),
        }
    }
}

impl IntoResponse for InferenceError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({"error": self.message}))).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
