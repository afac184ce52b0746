//! Headers that every answer has: what a page may load, and who may keep or embed an answer.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// The page loads its script, its style and its data from this server, and nothing from elsewhere.
const PAGE: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// A report is one file with its style and its pictures, and has no scripts.
const REPORT: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox";

/// `same-origin`, because with `no-referrer` a browser sends a form with the origin `null`.
const ALWAYS: [(HeaderName, HeaderValue); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// The headers of an address.
pub struct SecurityHeaders {
    policy: &'static str,
    is_stored: bool,
}

impl SecurityHeaders {
    /// Returns the headers of a path.
    pub fn of(path: &str) -> SecurityHeaders {
        let is_report = path.starts_with("/api/cases/") && path.ends_with("/report.html");
        let is_data = ["/api/", "/v2/", "/login"].iter().any(|prefix| path.starts_with(prefix)) || path == "/";
        SecurityHeaders { policy: if is_report { REPORT } else { PAGE }, is_stored: !is_data }
    }

    /// Adds the headers. Nothing of the API is stored by a browser or a proxy, whatever its handler states.
    pub fn add_to(&self, headers: &mut HeaderMap) {
        headers.extend(ALWAYS);
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(self.policy));
        if !self.is_stored {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }
}
