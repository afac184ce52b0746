//! Errors of the API as problem details (RFC 9457).

use crate::engine::EngineError;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// How long a client waits before it tries again, in seconds.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("1");

/// An answer that is no result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// A reference to the description of this type of problem: a place on the page of the API.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is wrong, the same for every problem of this type.
    pub title: &'static str,
    /// The HTTP status code.
    pub status: u16,
    /// What is wrong this time.
    pub detail: String,
    /// The name of the file that is wrong, as the client gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl Problem {
    fn new(status: StatusCode, name: &str, title: &'static str, detail: impl ToString) -> Problem {
        Problem { kind: format!("/api#{name}"), title, status: status.as_u16(), detail: detail.to_string(), file: None }
    }

    /// The request cannot be understood.
    pub fn bad_request(detail: impl ToString) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "bad-request", "The request cannot be understood", detail)
    }

    /// The request has no valid token.
    pub fn unauthorized() -> Problem {
        let detail = "send the token of the server: Authorization: Bearer TOKEN";
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "A token is required", detail)
    }

    /// The request comes from another site, or names another host.
    pub fn forbidden(detail: impl ToString) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "forbidden", "The request is not allowed", detail)
    }

    /// There is no such thing.
    pub fn not_found(detail: impl ToString) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// The request does not fit the state of what it is about.
    pub fn conflict(detail: impl ToString) -> Problem {
        Problem::new(StatusCode::CONFLICT, "conflict", "The request does not fit the present state", detail)
    }

    /// The body or the number of its parts is above the limit.
    pub fn too_large(detail: impl ToString) -> Problem {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The request is too large", detail)
    }

    /// The client takes too long to send the request.
    pub fn request_timeout(detail: impl ToString) -> Problem {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", "The request takes too long", detail)
    }

    /// A file cannot be used.
    pub fn unusable_file(file: impl Into<String>, detail: impl ToString) -> Problem {
        let problem =
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unusable-file", "The file cannot be used", detail);
        Problem { file: Some(file.into()), ..problem }
    }

    /// Too much is waiting, or the server is being stopped.
    pub fn unavailable(detail: impl ToString) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "The server is busy", detail)
    }

    /// The disk is full, or the database cannot be written.
    pub fn storage(detail: impl ToString) -> Problem {
        Problem::new(StatusCode::INSUFFICIENT_STORAGE, "storage", "The result cannot be stored", detail)
    }

    /// The server failed.
    pub fn internal(detail: impl ToString) -> Problem {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The server failed", detail)
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Problem {
        match error {
            EngineError::Busy => Problem::unavailable(error),
            EngineError::Model(_) | EngineError::Failed => Problem::internal(error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self)).into_response();
        // Layers that write errors in another form take it from there.
        response.extensions_mut().insert(self);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER_S);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_busy_server_says_when_to_try_again() {
        let response = Problem::from(EngineError::Busy).into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let expected = serde_json::json!({"type": "/api#busy", "title": "The server is busy", "status": 503,
            "detail": "the server is busy: too many images are waiting"});
        assert_eq!(json, expected);
    }

    #[test]
    fn names_the_file_that_is_wrong() {
        let problem = Problem::unusable_file("a.png", "the file is empty");
        assert_eq!((problem.status, problem.file.as_deref()), (422, Some("a.png")));
    }
}
