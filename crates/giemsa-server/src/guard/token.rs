//! The token of the server: a bearer token for programs, a cookie for the page, and a form to get the cookie.

use crate::problem::Problem;
use crate::state::Shared;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::post;
use serde::Deserialize;
use sha2::{Digest, Sha256};

const LOGIN: &str = "/login";
/// Addresses of probes, which have no token and show nothing of the cases.
const PROBES: [&str; 2] = ["/v2/health/live", "/v2/health/ready"];
const COOKIE: &str = "giemsa";
const LOGIN_BYTES: usize = 4096;

/// Returns the route of the login. Without a token there is nothing to log in to, and it leads to the page.
pub fn routes() -> Router<Shared> {
    Router::new().route(LOGIN, post(log_in).layer(DefaultBodyLimit::max(LOGIN_BYTES)))
}

#[derive(Deserialize)]
struct Login {
    token: String,
}

async fn log_in(State(server): State<Shared>, headers: HeaderMap, Form(login): Form<Login>) -> Response {
    match &server.settings.token {
        Some(token) if !is_equal(login.token.trim().as_bytes(), token.as_bytes()) => login_page("The token is wrong."),
        Some(token) => logged_in(token, &headers),
        None => Redirect::to("/").into_response(),
    }
}

/// Checks that a request has the token. The answer to one that has none is a problem; for the page it is a form.
pub fn check(request: &Request, token: &str) -> Result<(), Box<Response>> {
    let (method, path) = (request.method(), request.uri().path());
    if PROBES.contains(&path) || (path == LOGIN && method == Method::POST) {
        return Ok(());
    }
    // The address that the program prints, and opens in a browser.
    if path == "/"
        && method == Method::GET
        && let Ok(Query(login)) = Query::<Login>::try_from_uri(request.uri())
    {
        let is_right = is_equal(login.token.as_bytes(), token.as_bytes());
        return Err(Box::new(if is_right {
            logged_in(token, request.headers())
        } else {
            login_page("The token in the address is wrong.")
        }));
    }
    if has_bearer(request.headers(), token) || has_cookie(request.headers(), token) {
        return Ok(());
    }
    Err(Box::new(if path == "/" { login_page("") } else { Problem::unauthorized().into_response() }))
}

fn has_bearer(headers: &HeaderMap, token: &str) -> bool {
    let value = headers.get(header::AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
    value.split_at_checked(7).is_some_and(|(scheme, sent)| {
        scheme.eq_ignore_ascii_case(b"bearer ") && is_equal(sent.trim_ascii(), token.as_bytes())
    })
}

fn has_cookie(headers: &HeaderMap, token: &str) -> bool {
    let expected = cookie_value(token);
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut cookies = values.flat_map(|value| value.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    cookies.any(|(name, value)| name == COOKIE && is_equal(value.as_bytes(), expected.as_bytes()))
}

/// Returns the value of the cookie: other servers of the machine receive it too, and must not learn the token.
fn cookie_value(token: &str) -> String {
    let digest = Sha256::new().chain_update("cookie of giemsa: ").chain_update(token).finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compares two secrets in a time that does not depend on how much of them is equal: digests of guesses are not predictable.
fn is_equal(a: &[u8], b: &[u8]) -> bool {
    Sha256::digest(a) == Sha256::digest(b)
}

fn logged_in(token: &str, headers: &HeaderMap) -> Response {
    // A proxy that ends TLS sets this header.
    let is_secure = headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
    let secure = if is_secure { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict{secure}", cookie_value(token));
    ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
}

fn login_page(message: &str) -> Response {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>giemsa</title>\n\
         <main>\n<h1>giemsa</h1>\n<p role=\"alert\">{message}</p>\n<form method=\"post\" action=\"{LOGIN}\">\n\
         <label>Token of the server <input type=\"password\" name=\"token\" autocomplete=\"current-password\" required autofocus></label>\n\
         <button>Log in</button>\n</form>\n<p>{}</p>\n</main>\n</html>\n",
        giemsa::RESEARCH_ONLY
    );
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], Html(page)).into_response()
}
