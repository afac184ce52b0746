//! Sends requests to a router.

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::{Extension, Router};
use giemsa_server::{Server, Settings, app};
use serde_json::Value;
use std::sync::Arc;
use tower::ServiceExt;

/// An answer.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}

/// Starts a server, and returns its router. Without a data folder, it gets one that is deleted with the router.
pub fn router(settings: Settings) -> Router {
    if settings.data.is_some() {
        return app(Server::start(settings).unwrap());
    }
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { data: Some(folder.path().join("data")), ..settings };
    app(Server::start(settings).unwrap()).layer(Extension(Arc::new(folder)))
}

/// Sends a request.
pub async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}

pub fn get(path: &str) -> Request<Body> {
    Request::get(path).header(header::HOST, "localhost").body(Body::empty()).unwrap()
}

pub fn post(path: &str, content_type: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::post(path).header(header::HOST, "localhost");
    request.header(header::CONTENT_TYPE, content_type).body(body.into()).unwrap()
}

/// Returns a request with a body in JSON.
pub fn with_json(method: Method, path: &str, body: &Value) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
    request.header(header::CONTENT_TYPE, "application/json").body(body.to_string().into()).unwrap()
}

/// Returns a request without a body.
pub fn delete(path: &str) -> Request<Body> {
    Request::delete(path).header(header::HOST, "localhost").body(Body::empty()).unwrap()
}

/// Returns a form with files.
pub fn form(path: &str, files: &[(&str, &[u8])]) -> Request<Body> {
    let mut body = Vec::new();
    for (name, bytes) in files {
        body.extend_from_slice(b"--boundary\r\nContent-Disposition: form-data; name=\"file\"; filename=\"");
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(b"\"\r\n\r\n");
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--boundary--\r\n");
    post(path, "multipart/form-data; boundary=boundary", body)
}
