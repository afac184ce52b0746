//! The token.

use crate::request::{Answer, get, post, router, send};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use giemsa_server::Settings;

const TOKEN: &str = "a secret+/=%";

fn locked() -> Router {
    router(Settings { token: Some(TOKEN.to_owned()), ..Settings::default() })
}

fn with(name: header::HeaderName, value: &str, mut request: Request<Body>) -> Request<Body> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

async fn log_in(router: &Router, token: &str) -> Answer {
    let form = format!("token={token}");
    send(router, post("/login", "application/x-www-form-urlencoded", form)).await
}

/// Returns the cookie that an answer sets, as a browser sends it back.
fn cookie_of(answer: &Answer) -> String {
    let (cookie, attributes) = answer.headers["set-cookie"].to_str().unwrap().split_once(';').unwrap();
    assert_eq!(attributes, " Path=/; HttpOnly; SameSite=Strict");
    assert!(!cookie.contains("secret"), "{cookie}");
    cookie.to_owned()
}

#[tokio::test]
async fn without_the_token_nothing_but_probes_is_answered() {
    let router = locked();
    for path in
        ["/api/model", "/api/cases", "/api/nothing", "/metrics", "/v2", "/v2/health/livex", "/page/app.js", "/login"]
    {
        let answer = send(&router, get(path)).await;
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        let json = answer.json();
        let is_of_protocol = path.starts_with("/v2") && json["error"].is_string();
        assert!(is_of_protocol || json["type"] == "/api#unauthorized", "{path} {json}");
    }
    for path in ["/v2/health/live", "/v2/health/ready"] {
        assert_ne!(send(&router, get(path)).await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn a_bearer_token_is_accepted() {
    let router = locked();
    let cases = [
        (format!("Bearer {TOKEN}"), 200),
        (format!("bearer {TOKEN} "), 200),
        (format!("Bearer {TOKEN}x"), 401),
        ("Bearer a secret".to_owned(), 401),
        ("Bearer ".to_owned(), 401),
        (TOKEN.to_owned(), 401),
        (format!("Basic {TOKEN}"), 401),
        ("é".to_owned(), 401),
    ];
    for (value, status) in cases {
        let answer = send(&router, with(header::AUTHORIZATION, &value, get("/api/model"))).await;
        assert_eq!(answer.status, status, "{value}");
    }
}

#[tokio::test]
async fn the_form_sets_a_cookie() {
    let router = locked();
    let page = send(&router, get("/")).await;
    let html = String::from_utf8(page.body.to_vec()).unwrap();
    assert_eq!(page.status, 401);
    assert!(html.contains("<form method=\"post\" action=\"/login\">") && html.contains("name=\"token\""), "{html}");
    assert!(!html.contains("<script") && !html.contains("<style") && html.contains("research use only"), "{html}");

    let answer = log_in(&router, "a+secret%2B%2F%3D%25").await;
    assert_eq!((answer.status.as_u16(), &answer.headers["location"]), (303, &"/".parse().unwrap()));
    let cookie = cookie_of(&answer);
    let status = |cookie: String| {
        let router = router.clone();
        async move { send(&router, with(header::COOKIE, &cookie, get("/api/model"))).await.status.as_u16() }
    };
    assert_eq!(status(cookie.clone()).await, 200);
    assert_eq!(status(format!("other=1; {cookie}")).await, 200);
    assert_eq!(status(format!("{cookie}0")).await, 401);
    assert_eq!(status(format!("giemsa={TOKEN}")).await, 401);

    let wrong = log_in(&router, "guess").await;
    assert!(wrong.status == 401 && !wrong.headers.contains_key("set-cookie"));
    assert!(String::from_utf8_lossy(&wrong.body).contains("The token is wrong."));
    assert_eq!(log_in(&router, &"x".repeat(5000)).await.status, 413);
}

#[tokio::test]
async fn the_address_with_the_token_sets_a_cookie_and_leads_to_the_page() {
    let router = locked();
    let answer = send(&router, get("/?token=a%20secret%2B%2F%3D%25")).await;
    assert_eq!((answer.status.as_u16(), &answer.headers["location"]), (303, &"/".parse().unwrap()));
    let request = with(header::COOKIE, &cookie_of(&answer), get("/api/model"));
    assert_eq!(send(&router, request).await.status, 200);
    let wrong = send(&router, get("/?token=guess")).await;
    assert!(wrong.status == 401 && !wrong.headers.contains_key("set-cookie"));
    // Only the page takes a token from its address, where logs would show it.
    assert_eq!(send(&router, get("/api/model?token=a%20secret%2B%2F%3D%25")).await.status, 401);
}

#[tokio::test]
async fn the_cookie_is_secure_behind_tls() {
    let request = with("x-forwarded-proto".parse().unwrap(), "https", get("/?token=a%20secret%2B%2F%3D%25"));
    let answer = send(&locked(), request).await;
    assert!(answer.headers["set-cookie"].to_str().unwrap().ends_with("; SameSite=Strict; Secure"));
}

#[tokio::test]
async fn another_site_cannot_log_in() {
    let request = post("/login", "application/x-www-form-urlencoded", "token=a+secret%2B%2F%3D%25");
    let answer = send(&locked(), with(header::ORIGIN, "https://evil.example.org", request)).await;
    assert!(answer.status == 403 && !answer.headers.contains_key("set-cookie"));
}
