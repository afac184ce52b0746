//! Gives each request an id, counts it, and logs it: the one place where requests are observed.

use crate::logs;
use crate::metrics::{Answered, NO_ROUTE};
use crate::state::Shared;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The header with the id of a request: taken from the client if it is a short word, and returned with the answer.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that is taken from a client.
const LONGEST_ID: usize = 64;

/// Answers a request, and counts and logs it.
pub async fn observe(State(server): State<Shared>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let id = id_of_client(request.headers()).unwrap_or_else(new_id);
    let (method, route) = (name_of(request.method()), route_of(&request));
    let mut response = next.run(request).await;
    let answered = Answered { method, route, status: response.status(), elapsed: start.elapsed() };
    server.metrics.count(&answered);
    logs::log_request(&answered, &id);
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

fn id_of_client(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let is_word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    ((1..=LONGEST_ID).contains(&id.len()) && id.chars().all(is_word)).then(|| id.to_owned())
}

/// Returns an id that no other request has: a random number of this process, and a count.
fn new_id() -> String {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!("{:016x}-{}", *PROCESS, COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Returns the name of a method; "other" for those that clients invent.
fn name_of(method: &Method) -> &'static str {
    let known = ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS"];
    known.into_iter().find(|&name| name == method.as_str()).unwrap_or("other")
}

/// Returns the route that answers a request. The router's own names of its fallbacks contain `__private`.
fn route_of(request: &Request) -> String {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    path.filter(|path| !path.contains("__private")).unwrap_or(NO_ROUTE).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_words_are_ids() {
        let id = |text: &'static [u8]| {
            id_of_client(&HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_bytes(text).unwrap())]))
        };
        assert_eq!(id(b"Slide-7.a_b").as_deref(), Some("Slide-7.a_b"));
        for refused in [&b""[..], &[b'a'; 65], b"a b", b"a\tb", b"\xff", b"<a>"] {
            assert_eq!(id(refused), None);
        }
        assert_ne!(new_id(), new_id());
    }

    #[test]
    fn invented_methods_have_one_name() {
        assert_eq!((name_of(&Method::GET), name_of(&Method::from_bytes(b"SLIDE").unwrap())), ("GET", "other"));
    }
}
