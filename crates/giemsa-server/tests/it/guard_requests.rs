//! Hosts, origins, headers and names: what a browser can be made to send.

use crate::request::{form, get, post, router, send};
use axum::body::Body;
use axum::http::{Request, header};
use giemsa_server::Settings;

#[tokio::test]
async fn only_known_hosts_are_answered() {
    let router = router(Settings { hosts: vec!["lab.example.org".to_owned()], ..Settings::default() });
    let cases = [
        ("localhost", 200),
        ("LocalHost:8417", 200),
        ("127.0.0.1:8417", 200),
        ("192.168.1.5", 200),
        ("[::1]:8417", 200),
        ("lab.example.org", 200),
        ("Lab.Example.org:443", 200),
        ("evil.example.org", 403),
        ("lab.example.org.evil.org", 403),
        ("localhost.evil.org", 403),
        ("127.0.0.1.evil.org", 403),
        ("user@localhost", 403),
        ("", 403),
    ];
    for (host, status) in cases {
        let request = Request::get("/api/model").header(header::HOST, host).body(Body::empty()).unwrap();
        assert_eq!(send(&router, request).await.status, status, "{host}");
    }
    let without = Request::get("/api/model").body(Body::empty()).unwrap();
    assert_eq!(send(&router, without).await.status, 403);
    let two = Request::get("/api/model").header(header::HOST, "localhost").header(header::HOST, "evil.example.org");
    assert_eq!(send(&router, two.body(Body::empty()).unwrap()).await.status, 403);
    let absolute = Request::get("http://evil.example.org/api/model").header(header::HOST, "localhost");
    let answer = send(&router, absolute.body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["type"]), (403, &"/api#forbidden".into()));
}

#[tokio::test]
async fn pages_of_other_sites_change_nothing() {
    let router = router(Settings { hosts: vec!["lab.example.org".to_owned()], ..Settings::default() });
    type Headers = &'static [(&'static str, &'static str)];
    let cases: [(&str, Headers, bool); 14] = [
        ("localhost:8417", &[], true),
        ("localhost:8417", &[("origin", "http://localhost:8417")], true),
        ("localhost:8417", &[("origin", "http://localhost:8417"), ("sec-fetch-site", "same-origin")], true),
        ("localhost:8417", &[("sec-fetch-site", "none")], true),
        // A proxy has removed TLS.
        ("lab.example.org", &[("origin", "https://lab.example.org")], true),
        ("lab.example.org:443", &[("origin", "https://lab.example.org")], true),
        ("localhost:8417", &[("origin", "https://evil.example.org")], false),
        ("localhost:8417", &[("origin", "http://localhost:9000")], false),
        ("localhost:8417", &[("origin", "http://127.0.0.1:8417")], false),
        ("localhost:8417", &[("origin", "null")], false),
        ("localhost:8417", &[("origin", "")], false),
        ("localhost:8417", &[("sec-fetch-site", "cross-site")], false),
        ("localhost:8417", &[("sec-fetch-site", "same-site")], false),
        ("localhost:8417", &[("origin", "http://localhost:8417"), ("sec-fetch-site", "cross-site")], false),
    ];
    for (host, headers, is_allowed) in cases {
        for method in ["POST", "PATCH", "PUT", "DELETE", "GET"] {
            let mut request = Request::builder().method(method).uri("/api/nothing").header(header::HOST, host);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let status = send(&router, request.body(Body::empty()).unwrap()).await.status;
            let expected = if is_allowed || method == "GET" { 404 } else { 403 };
            assert_eq!(status, expected, "{method} {host} {headers:?}");
        }
    }
}

const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const REPORT_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox";

#[tokio::test]
async fn every_answer_has_the_headers_also_an_error() {
    let router = router(Settings { token: Some("secret".to_owned()), ..Settings::default() });
    let with_token = |mut request: Request<Body>| {
        request.headers_mut().insert("authorization", "Bearer secret".parse().unwrap());
        request
    };
    let mut other_host = get("/api/model");
    other_host.headers_mut().insert("host", "evil.example.org".parse().unwrap());
    let requests = [
        (with_token(get("/api/model")), 200, PAGE_POLICY),
        (with_token(get("/api/nothing")), 404, PAGE_POLICY),
        (with_token(post("/api/cells?model=x", "image/png", "x")), 404, PAGE_POLICY),
        (with_token(post("/api/model", "image/png", "x")), 405, PAGE_POLICY),
        (with_token(get("/api/cases/3/report.html")), 404, REPORT_POLICY),
        (get("/api/model"), 401, PAGE_POLICY),
        (get("/"), 401, PAGE_POLICY),
        (get("/?token=secret"), 303, PAGE_POLICY),
        (other_host, 403, PAGE_POLICY),
    ];
    for (request, status, policy) in requests {
        let uri = request.uri().clone();
        let answer = send(&router, request).await;
        assert_eq!(answer.status, status, "{uri}");
        let header = |name: &str| answer.headers[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-security-policy"), policy, "{uri}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "same-origin");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin");
        assert_eq!(header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn no_path_leads_to_a_file() {
    let router = router(Settings::default());
    let paths = [
        "/page/../Cargo.toml",
        "/page/..%2fCargo.toml",
        "/page/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/page/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/page//etc/passwd",
        "/page/%2fetc%2fpasswd",
        "//etc/passwd",
        "/../../../../etc/passwd",
        "/page/..\\..\\Cargo.toml",
        "/page/%00",
        "/api/images/..%2f..%2fetc%2fpasswd/file",
        "/api/cases/../../etc/passwd",
    ];
    for path in paths {
        let Ok(request) = Request::get(path).header(header::HOST, "localhost").body(Body::empty()) else { continue };
        let answer = send(&router, request).await;
        assert!([400, 404].contains(&answer.status.as_u16()), "{path}: {}", answer.status);
        let text = String::from_utf8_lossy(&answer.body);
        assert!(!text.contains("root:") && !text.contains("[package]"), "{path}: {text}");
    }
}

#[tokio::test]
async fn html_in_a_name_stays_text_in_json() {
    let name = "<img src=x onerror=alert(1)>.png";
    let answer = send(&router(Settings::default()), form("/api/cells", &[(name, b"no image")])).await;
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert_eq!(answer.json()["results"][0]["path"], name);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_by_its_length() {
    let limits = giemsa_server::Limits { body_bytes: 1000, ..Default::default() };
    let answer =
        send(&router(Settings { limits, ..Settings::default() }), post("/api/nothing", "image/png", vec![0; 1001]))
            .await;
    // Its address does not exist, so no handler has read it.
    assert_eq!((answer.status.as_u16(), &answer.json()["type"]), (413, &"/api#too-large".into()));
}
