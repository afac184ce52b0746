//! `openapi.json` and the page made from it, compared with the router.

use crate::request::{get, router, send};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use giemsa_server::Settings;
use serde_json::Value;
use std::collections::BTreeSet;

async fn document(router: &Router) -> Value {
    send(router, get("/openapi.json")).await.json()
}

/// Returns the methods of the paths of the API. Those of the page are no part of it.
fn documented(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(|method| (path.clone(), method.to_uppercase()))
        })
        .collect()
}

/// Returns the paths that the router prints about itself.
fn paths_of(router: &Router) -> BTreeSet<String> {
    let text = format!("{router:?}");
    let quoted = text.split('"').filter(|text| text.starts_with('/') && !text.contains("__private"));
    let of_api = |path: &&str| ["/api", "/v2", "/metrics", "/openapi.json"].iter().any(|start| path.starts_with(start));
    quoted.filter(of_api).map(str::to_owned).collect()
}

/// Returns the methods of a path, which the router names if a method does not exist.
async fn methods_of(router: &Router, path: &str) -> Vec<String> {
    let address = path.replace(['{', '}'], "");
    let request = Request::builder().method("TRACE").uri(address).header("host", "localhost").body(Body::empty());
    let answer = send(router, request.unwrap()).await;
    assert_eq!(answer.status, 405, "{path}");
    let methods = answer.headers["allow"].to_str().unwrap().to_owned();
    methods.split(',').map(|method| method.trim().to_owned()).filter(|method| method != "HEAD").collect()
}

#[tokio::test]
async fn every_route_is_described_and_every_description_is_a_route() {
    let router = router(Settings::default());
    let mut routes = BTreeSet::new();
    for path in paths_of(&router) {
        routes.extend(methods_of(&router, &path).await.into_iter().map(|method| (path.clone(), method)));
    }
    assert!(routes.len() > 20, "{routes:?}");
    let documented = documented(&document(&router).await);
    let missing: Vec<_> = routes.difference(&documented).collect();
    let invented: Vec<_> = documented.difference(&routes).collect();
    assert!(missing.is_empty() && invented.is_empty(), "not described: {missing:?}; no routes: {invented:?}");
}

#[tokio::test]
async fn every_problem_is_described_on_the_page() {
    let router = router(Settings::default());
    let document = document(&router).await;
    let page = send(&router, get("/api")).await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("style-src 'self'") && !policy.contains("unsafe-inline"), "{policy}");
    let page = String::from_utf8(page.body.to_vec()).unwrap();
    let source = include_str!("../../src/problem.rs");
    let kinds = source.match_indices("Problem::new(StatusCode::").map(|(start, _)| {
        let name = source[start..].split('"').nth(1).unwrap();
        (name, source[start..].split(['(', ',']).nth(1).unwrap())
    });
    let kinds: Vec<_> = kinds.collect();
    assert!(kinds.len() >= 9, "{kinds:?}");
    for (name, status) in kinds {
        assert!(page.contains(&format!("<article id=\"{name}\">")), "{name}");
        let problems = document["x-problems"].as_array().unwrap();
        let problem = problems.iter().find(|problem| problem["name"] == name).unwrap();
        let code = problem["status"].as_u64().unwrap() as u16;
        let constant = axum::http::StatusCode::from_u16(code).unwrap().canonical_reason().unwrap();
        assert_eq!(status, format!("StatusCode::{}", constant.to_uppercase().replace(' ', "_")), "{name}");
    }
}

#[tokio::test]
async fn links_on_the_page_have_targets() {
    let router = router(Settings::default());
    let page = String::from_utf8(send(&router, get("/api")).await.body.to_vec()).unwrap();
    let targets: BTreeSet<&str> = page.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let links = page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap());
    let broken: BTreeSet<&str> = links.filter(|link| !targets.contains(link)).collect();
    assert!(broken.is_empty() && targets.len() > 50, "{broken:?}");
    assert_eq!(send(&router, get("/api/style.css")).await.headers["content-type"], "text/css; charset=utf-8");
}

#[tokio::test]
async fn the_version_is_that_of_the_server() {
    let document = document(&router(Settings::default())).await;
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
}
