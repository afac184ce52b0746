//! The site that a request comes from: another site must not change anything with a browser of this server's user.

use super::host::authority_of;
use crate::problem::Problem;
use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};

/// Checks that a request that changes something comes from a page of this server. Programs other than browsers send neither
/// of the two headers.
pub fn check(request: &Request) -> Result<(), Problem> {
    if request.method().is_safe() || (is_own_site(request.headers()) && is_own_origin(request)) {
        return Ok(());
    }
    Err(Problem::forbidden("the request comes from a page of another site"))
}

fn is_own_site(headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all("sec-fetch-site").iter();
    sites.all(|site| site == "same-origin" || site == "none")
}

fn is_own_origin(request: &Request) -> bool {
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    origins.all(|origin| {
        // "null", the origin of a sandboxed page, has no scheme.
        let origin = Uri::try_from(origin.as_bytes()).ok().filter(|origin| origin.scheme().is_some());
        origin.is_some_and(|origin| is_same(&origin, authority_of(request)))
    })
}

/// Compares an origin with the host of a request. A proxy may have removed TLS, so only the host and the port count.
fn is_same(origin: &Uri, host: Option<Authority>) -> bool {
    let default_port = if origin.scheme_str() == Some("https") { 443 } else { 80 };
    let place =
        |authority: &Authority| (authority.host().to_ascii_lowercase(), authority.port_u16().unwrap_or(default_port));
    origin.authority().map(place) == host.as_ref().map(place)
}
