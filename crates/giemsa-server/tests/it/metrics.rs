//! `GET /metrics`, and the ids of requests.

use crate::request::{form, get, post, router, send};
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use giemsa_server::{Limits, Settings};

const CELL: &[u8] = include_bytes!("../../../../docs/images/cells/parasitized-1.png");

async fn metrics(router: &Router) -> Vec<String> {
    let answer = send(router, get("/metrics")).await;
    assert_eq!(answer.headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    String::from_utf8(answer.body.to_vec()).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn counts_requests_by_route_and_images_by_batch() {
    let limits = Limits { parts: 3, ..Limits::default() };
    let router = router(Settings { limits, ..Settings::default() });
    let cells = form("/api/cells", &[("a.png", CELL), ("b.png", b"text"), ("c.png", CELL)]);
    let too_many = form("/api/cells", &[("a", b"x"), ("b", b"x"), ("c", b"x"), ("d", b"x")]);
    for request in [cells, too_many, get("/api/secret-path"), get("/v2/secret"), get("/v2/models/secret")] {
        send(&router, request).await;
    }
    let invented =
        Request::builder().method("SLIDE").uri("/api/cells").header("host", "localhost").body(Body::empty()).unwrap();
    send(&router, invented).await;
    let lines = metrics(&router).await;
    for expected in [
        r#"giemsa_http_requests_total{method="POST",route="/api/cells",status="200"} 1"#,
        r#"giemsa_http_requests_total{method="POST",route="/api/cells",status="413"} 1"#,
        r#"giemsa_http_requests_total{method="GET",route="none",status="404"} 2"#,
        r#"giemsa_http_requests_total{method="GET",route="/v2/models/{model}",status="404"} 1"#,
        r#"giemsa_http_requests_total{method="other",route="/api/cells",status="405"} 1"#,
        r#"giemsa_http_request_duration_seconds_count{method="POST",route="/api/cells"} 2"#,
        r#"giemsa_http_rejections_total{reason="too_large"} 1"#,
        "giemsa_images_total 3",
        "giemsa_image_errors_total 1",
        "giemsa_batch_images_sum 3.0",
        r#"giemsa_batch_images_bucket{le="2.0"} 0"#,
        r#"giemsa_batch_images_bucket{le="4.0"} 1"#,
        "giemsa_queued_cells 0",
        "giemsa_queued_jobs 0",
        concat!("giemsa_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        "# EOF",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}\n{}", lines.join("\n"));
    }
    assert!(!lines.iter().any(|line| line.contains("secret")), "{}", lines.join("\n"));
}

#[tokio::test]
async fn a_request_has_an_id() {
    let router = router(Settings::default());
    let with_id = |id: &str| {
        Request::get("/v2/health/live")
            .header("host", "localhost")
            .header("x-request-id", id)
            .body(Body::empty())
            .unwrap()
    };
    assert_eq!(send(&router, with_id("ward-3")).await.headers["x-request-id"], "ward-3");
    let generated = send(&router, with_id("<script>")).await.headers["x-request-id"].clone();
    assert_ne!(generated, "<script>");
    let not_found = send(&router, post("/nothing", "text/plain", "")).await;
    assert_eq!(not_found.status, 404);
    assert_ne!(not_found.headers["x-request-id"], generated);
}
