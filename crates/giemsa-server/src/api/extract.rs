//! What requests contain, with problems as rejections.

use crate::problem::Problem;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The numbers in a path. Anything that is no number is not found.
#[derive(Debug)]
pub struct Ids<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Ids<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Ids<T>, Problem> {
        let Path(ids) = Path::from_request_parts(parts, state).await.map_err(Problem::not_found)?;
        Ok(Ids(ids))
    }
}

/// The parameters of an address.
#[derive(Debug)]
pub struct Parameters<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Parameters<T>, Problem> {
        let Query(parameters) =
            Query::try_from_uri(&parts.uri).map_err(|error| Problem::bad_request(error.body_text()))?;
        Ok(Parameters(parameters))
    }
}

/// A body in JSON.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Body<T>, Problem> {
        let bytes = Bytes::from_request(request, state).await.map_err(|error| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large("the body is larger than the server accepts"),
            _ => Problem::bad_request(error),
        })?;
        serde_json::from_slice(&bytes)
            .map(Body)
            .map_err(|error| Problem::bad_request(format!("expected JSON: {error}")))
    }
}

/// Reads a key that is present, so that `null` differs from an absent one.
///
/// # Errors
/// If the value is of another type.
pub fn present<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

/// Returns a text without the space around it.
///
/// # Errors
/// If it is empty, longer than `longest` characters, or has control characters.
pub fn text(what: &str, text: &str, longest: usize) -> Result<String, Problem> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > longest || text.chars().any(char::is_control) {
        let expected = format!("{what}: expected 1 to {longest} characters, without control characters");
        return Err(Problem::bad_request(expected));
    }
    Ok(text.to_owned())
}

/// Returns an answer that is a file, which browsers do not keep.
pub fn file(media_type: &str, bytes: impl Into<axum::body::Body>) -> axum::response::Response {
    use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
    let headers = [(CONTENT_TYPE, media_type), (CACHE_CONTROL, "no-store"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, bytes.into()).into_response()
}
