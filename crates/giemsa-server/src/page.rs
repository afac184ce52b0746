//! The page: its files are part of the program, and are answered without a file system.

use crate::problem::Problem;
use crate::state::Shared;
use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use giemsa::checksum::sha256_of_bytes;
use std::collections::HashMap;
use std::sync::LazyLock;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// The name of the file that `/` returns.
const INDEX: &str = "index.html";

macro_rules! page_files {
    ($($media_type:ident $name:literal),+ $(,)?) => {
        [$(($name, $media_type, include_str!(concat!("../page/", $name)))),+]
    };
}

/// The name, the media type and the content of each file in the folder `page`.
const FILES: [(&str, &str, &str); 26] = page_files![
    HTML "index.html",
    CSS "page.css",
    SVG "icon.svg",
    SCRIPT "api.js",
    SCRIPT "boxes.js",
    SCRIPT "case.js",
    SCRIPT "cells.js",
    SCRIPT "count.js",
    SCRIPT "dialogs.js",
    SCRIPT "drop.js",
    SCRIPT "elements.js",
    SCRIPT "format.js",
    SCRIPT "gestures.js",
    SCRIPT "main.js",
    SCRIPT "photograph.js",
    SCRIPT "photographs.js",
    SCRIPT "pictures.js",
    SCRIPT "queue.js",
    SCRIPT "review.js",
    SCRIPT "selection.js",
    SCRIPT "sheet.js",
    SCRIPT "start.js",
    SCRIPT "texts.js",
    SCRIPT "uploads.js",
    SCRIPT "verdicts.js",
    SCRIPT "viewer.js",
];

/// A file as it is answered.
struct PageFile {
    media_type: &'static str,
    content: &'static str,
    /// The hash of the content, in quotation marks.
    etag: String,
}

/// The files by name.
static BY_NAME: LazyLock<HashMap<&'static str, PageFile>> = LazyLock::new(|| {
    let report = [("report.css", CSS, giemsa::report::STYLE)];
    let files = FILES.into_iter().chain(report).map(|(name, media_type, content)| {
        let etag = format!("\"{}\"", &sha256_of_bytes(content.as_bytes())[..16]);
        (name, PageFile { media_type, content, etag })
    });
    files.collect()
});

/// Returns the routes of this file.
pub fn routes() -> Router<Shared> {
    Router::new().route("/", get(index)).route("/page/{name}", get(file))
}

async fn index(headers: HeaderMap) -> Response {
    answer(INDEX, &headers)
}

async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    answer(&name, &headers)
}

/// Answers with a file, or with 304 if the client has it. Clients ask each time, so that a new version of the program is
/// seen at once.
fn answer(name: &str, headers: &HeaderMap) -> Response {
    let Some(file) = BY_NAME.get(name) else {
        return Problem::not_found(format!("the page has no file '{name}'")).into_response();
    };
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known =
        known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == file.etag));
    let (status, body) = if is_known { (StatusCode::NOT_MODIFIED, "") } else { (StatusCode::OK, file.content) };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::from_str(&file.etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_file_of_the_folder_is_in_the_table() {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/page")).unwrap();
        let there: BTreeSet<String> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let table: BTreeSet<String> = FILES.iter().map(|file| file.0.to_owned()).collect();
        assert_eq!(table, there);
    }

    #[test]
    fn every_module_that_a_module_imports_is_in_the_table() {
        let imports = FILES.iter().flat_map(|(_, _, content)| content.split(" from \"./").skip(1));
        let names: BTreeSet<&str> = imports.filter_map(|rest| rest.split('"').next()).collect();
        assert!(names.len() > 10 && names.iter().all(|name| BY_NAME.contains_key(name)), "{names:?}");
    }

    #[test]
    fn the_page_has_no_inline_script_or_style() {
        let (_, _, index) = FILES[0];
        let is_handler =
            |rest: &str| rest.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_lowercase()));
        assert!(!index.contains("<style") && !index.contains("style=") && !index.split(" on").skip(1).any(is_handler));
        assert_eq!(index.matches("<script").count(), 1);
        assert!(index.contains(r#"<script type="module" src="/page/main.js"></script>"#));
        let unsafe_sinks = ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("];
        assert!(FILES.iter().all(|file| unsafe_sinks.iter().all(|sink| !file.2.contains(sink))));
    }

    #[test]
    fn a_file_that_the_client_has_is_not_sent_again() {
        let first = answer("main.js", &HeaderMap::new());
        assert_eq!(
            (first.status(), &first.headers()[header::CONTENT_TYPE]),
            (StatusCode::OK, &SCRIPT.parse().unwrap())
        );
        assert_eq!(first.headers()[header::CACHE_CONTROL], "no-cache");
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        assert_eq!(answer("main.js", &headers).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(answer("page.css", &headers).status(), StatusCode::OK);
        assert_eq!(answer("../Cargo.toml", &headers).status(), StatusCode::NOT_FOUND);
    }
}
