//! Cases, from their creation to their deletion.

use crate::request::{delete, get, post, router, send, with_json};
use axum::Router;
use axum::http::Method;
use giemsa_server::Settings;
use serde_json::{Value, json};

/// Creates a case, and returns its address.
pub async fn create(router: &Router, name: &str) -> String {
    let answer = send(router, with_json(Method::POST, "/api/cases", &json!({"name": name}))).await;
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    answer.headers["location"].to_str().unwrap().to_owned()
}

/// Sends a request without a body, and returns the JSON of the answer.
pub async fn json_of(router: &Router, path: &str) -> Value {
    let answer = send(router, get(path)).await;
    assert_eq!(answer.status, 200, "{path}: {:?}", answer.body);
    answer.json()
}

#[tokio::test]
async fn smoke() {
    let router = router(Settings::default());
    let case = create(&router, "Slide 1").await;
    let answer = send(&router, post(&format!("{case}/example"), "text/plain", "")).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    println!("{}", answer.json());
    println!("{}", json_of(&router, &case).await);
    let review = json_of(&router, &format!("{case}/review?limit=3")).await;
    println!("{review}");
    let object = &review["objects"][0];
    let verdict =
        json!({"image": object["image"], "number": object["number"], "verdict": "parasitized", "reviewer": "A"});
    let answer = send(&router, with_json(Method::POST, &format!("{case}/verdicts"), &verdict)).await;
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    println!("{}", answer.json());
    let answer =
        send(&router, with_json(Method::POST, &format!("{case}/verdicts/undo"), &json!({"reviewer": "A"}))).await;
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    println!("{}", answer.json());
    println!("{}", json_of(&router, &format!("{case}/verdicts")).await);
    println!("{}", json_of(&router, "/api/cases").await);
    for part in ["picture", "saliency"] {
        let answer =
            send(&router, get(&format!("/api/images/{}/objects/{}/{part}", object["image"], object["number"]))).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        println!("{} {:?}", answer.body.len(), answer.headers);
    }
    assert_eq!(send(&router, delete(&case)).await.status, 204);
    assert_eq!(send(&router, get(&case)).await.status, 404);
}
