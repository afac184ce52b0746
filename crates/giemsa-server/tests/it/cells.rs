//! `POST /api/cells`, `POST /api/photos` and `GET /api/model`.

use crate::request::{form, get, post, router, send};
use giemsa::image::decode_bytes;
use giemsa::model::Model;
use giemsa_server::{Limits, Settings};
use serde_json::{Value, json};

const PARASITIZED: &[u8] = include_bytes!("../../../../docs/images/cells/parasitized-1.png");

fn expected() -> f64 {
    let pixels = decode_bytes(PARASITIZED, "a.png".as_ref()).unwrap().pixels;
    Model::embedded().unwrap().predict(&pixels).unwrap().probability_parasitized.into()
}

#[tokio::test]
async fn classifies_the_parts_of_a_form_and_a_bad_part_fails_by_itself() {
    let request = form("/api/cells", &[("a.png", PARASITIZED), ("b.png", b"no image"), ("c.png", PARASITIZED)]);
    let answer = send(&router(Settings::default()), request).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let json = answer.json();
    assert_eq!((&json["model"], json["results"].as_array().unwrap().len()), (&json!("compact"), 3));
    assert_eq!(json["notice"], "For research use only, not for diagnosis.");
    for place in [0, 2] {
        let row = &json["results"][place];
        let probability = row["probability"]["Parasitized"].as_f64().unwrap();
        assert!((probability - expected()).abs() < 1e-6, "{row}");
        assert_eq!(row["class"], "Parasitized");
    }
    let row = &json["results"][1];
    let expected = json!({"path": "b.png", "error": "expected a PNG, JPEG, TIFF or BMP image, found text"});
    assert_eq!(row, &expected);
}

#[tokio::test]
async fn classifies_a_body_that_is_an_image() {
    let answer = send(&router(Settings::default()), post("/api/cells?name=x.png", "image/png", PARASITIZED)).await;
    let row = &answer.json()["results"][0];
    assert_eq!((&row["path"], &row["class"]), (&json!("x.png"), &json!("Parasitized")));
}

#[tokio::test]
async fn limits_are_problems() {
    let limits = Limits { parts: 2, body_bytes: 1000, ..Limits::default() };
    let router = router(Settings { limits, ..Settings::default() });
    let many = form("/api/cells", &[("a", b"x"), ("b", b"x"), ("c", b"x")]);
    let large = post("/api/cells", "image/png", vec![0; 1001]);
    let large_part = form("/api/cells", &[("a", &[0; 1001])]);
    let unknown = post("/api/cells?model=other", "image/png", "x");
    let empty = post("/api/cells", "multipart/form-data; boundary=b", "--b--\r\n");
    for (request, status) in [(many, 413), (large, 413), (large_part, 413), (unknown, 404), (empty, 400)] {
        let answer = send(&router, request).await;
        assert_eq!(answer.status, status, "{:?}", answer.body);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        let problem: Value = answer.json();
        assert!(problem["status"] == status && problem["detail"].is_string(), "{problem}");
    }
}

#[tokio::test]
async fn describes_the_model() {
    let answer = send(&router(Settings::default()), get("/api/model")).await;
    let json = answer.json();
    assert_eq!((&json["name"], &json["models"]), (&json!("compact"), &json!(["compact"])));
    assert!(json["card"].as_str().unwrap().starts_with('#'), "{json}");
    assert_eq!(json["sha256"].as_str().unwrap().len(), 64);
}
