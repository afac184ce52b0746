//! `/api/cases`: cases, from their creation to their deletion.

use crate::case::{Case, PARASITIZED, UNINFECTED, is_problem, smear, smear_png};
use crate::request::{get, post, router, send, with_json};
use axum::http::Method;
use giemsa::model::Model;
use giemsa::smear::{Slide, count_slide, find_cells, review_slide};
use giemsa_server::Settings;
use serde::Serialize;
use serde_json::{Value, json};

/// Counts drawn photographs with the library.
fn counted(numbers: &[usize], red_cells_per_microlitre: f64) -> Slide {
    let model = Model::embedded().unwrap();
    let find = |number: &usize| {
        find_cells(&model.predictor(Default::default()), "a.png".as_ref(), &smear(*number).image, None).unwrap()
    };
    count_slide(&model, "Slide 1", numbers.iter().map(find).collect(), red_cells_per_microlitre).unwrap()
}

/// Returns a value as a client reads it, which may round the last digit of a number.
fn json_of(value: &impl Serialize) -> Value {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

#[tokio::test]
async fn a_case_is_counted_as_the_library_counts_a_slide() {
    let case = Case::create(&router(Settings::default()), "Slide 1").await;
    let (first, second) = (smear_png(0), smear_png(1));
    let images =
        case.add(&[("a.png", &first), ("no.png", b"text"), ("b.png", &second), ("cell.png", PARASITIZED)]).await;
    let expected = counted(&[0, 1], 5e6);
    assert!(expected.counts.red_cells > 40 && expected.counts.infected > 5, "{:?}", expected.counts);
    let json = case.json("").await;
    for count in [&json["computed"], &json["current"]] {
        assert_eq!(count["counts"], json_of(&expected.counts));
        let parasitaemia = json_of(&expected.parasitaemia);
        assert_eq!(count["parasitaemia"], parasitaemia);
        assert_eq!(count["cells"], json!({"parasitized": 1, "uninfected": 0, "not_a_cell": 0}));
        assert!(count["limit_of_detection"].is_f64());
    }
    assert_eq!((&json["images"], &json["cells"], &json["reviewed"]), (&json!(3), &json!(1), &json!(0)));
    assert_eq!((&json["is_stale"], &json["threshold_is_own"]), (&json!(false), &json!(false)));
    assert_eq!(json["threshold"], json["model_threshold"]);
    assert_eq!(json["notice"], "For research use only, not for diagnosis.");
    let names = |list: &Value| list.as_array().unwrap().iter().map(|row| row["name"].clone()).collect::<Vec<_>>();
    assert_eq!(
        (names(&json["photographs"]), names(&json["single_cells"])),
        (vec![json!("a.png"), json!("b.png")], vec![json!("cell.png")])
    );
    let error = "expected a PNG, JPEG, TIFF or BMP image, found text";
    assert_eq!(json["refused"], json!([{"image": images[1], "name": "no.png", "error": error}]));
    let photo = &json["photographs"][1];
    assert_eq!((&photo["width"], &photo["height"], &photo["image"]), (&json!(800), &json!(600), &json!(images[2])));
    assert_eq!(photo["counts"], json_of(&expected.photographs[1].counts()));
}

#[tokio::test]
async fn a_threshold_is_tried_without_storing_it_and_then_stored() {
    let case = Case::create(&router(Settings::default()), "Slide 1").await;
    case.add(&[("a.png", &smear_png(0)), ("cell.png", UNINFECTED)]).await;
    let model = Model::embedded().unwrap();
    let mut expected = counted(&[0], 4e6);
    let shipped = expected.counts;
    review_slide(&model, &mut expected, 0.02, |_, _| None);
    assert_ne!(expected.counts, shipped);
    let tried = case.json("/count?threshold=0.02").await;
    assert_eq!(tried["counts"], json_of(&expected.counts));
    assert_eq!(tried["parasitaemia"]["corrected"], false);
    assert_eq!(case.json("/count").await["counts"], json_of(&shipped));

    let changed =
        case.send(Method::PATCH, "", &json!({"threshold": 0.02, "red_cells_per_microlitre": 4e6, "name": "New"})).await;
    assert_eq!((changed.status.as_u16(), &changed.json()["name"]), (200, &json!("New")));
    let json = case.json("").await;
    assert_eq!((&json["threshold"], &json["threshold_is_own"]), (&json!(0.02), &json!(true)));
    assert_eq!(json["current"]["counts"], json_of(&expected.counts));
    assert_eq!(json["computed"]["counts"], json_of(&shipped));
    assert_eq!(json["current"]["parasitaemia"], json_of(&expected.parasitaemia));
    // An absent key keeps the threshold, and null removes it.
    assert_eq!(case.send(Method::PATCH, "", &json!({"name": "Newer"})).await.status, 200);
    assert_eq!(case.json("").await["threshold_is_own"], true);
    assert_eq!(case.send(Method::PATCH, "", &json!({"threshold": null})).await.status, 200);
    let json = case.json("").await;
    assert_eq!((&json["name"], &json["threshold_is_own"]), (&json!("Newer"), &json!(false)));
}

#[tokio::test]
async fn the_newest_case_is_listed_first() {
    let router = router(Settings::default());
    assert_eq!(send(&router, get("/api/cases")).await.json()["cases"], json!([]));
    for name in ["first", "second"] {
        Case::create(&router, name).await;
    }
    let json = send(&router, get("/api/cases")).await.json();
    assert_eq!((&json["cases"][0]["name"], &json["cases"][1]["name"]), (&json!("second"), &json!("first")));
    assert_eq!(json["cases"][0]["model"]["name"], "compact");
    let time = json["cases"][0]["created_at"].as_str().unwrap();
    assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
}

#[tokio::test]
async fn an_empty_case_has_no_parasitaemia() {
    let case = Case::create(&router(Settings::default()), "  Ärzte 1  ").await;
    let json = case.json("").await;
    assert_eq!((&json["name"], &json["current"]["parasitaemia"]), (&json!("Ärzte 1"), &Value::Null));
    assert_eq!(case.json("/review").await["left"], 0);
    assert_eq!(case.json("/verdicts").await["verdicts"], json!([]));
}

#[tokio::test]
async fn the_example_is_drawn() {
    let case = Case::create(&router(Settings::default()), "Example").await;
    let answer = case.post("/example").await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let json = case.json("").await;
    assert_eq!((&json["images"], json["photographs"].as_array().unwrap().len()), (&json!(2), 2));
    assert!(json["current"]["counts"]["red_cells"].as_u64().unwrap() > 150, "{json}");
}

#[tokio::test]
async fn a_deleted_case_is_gone() {
    let router = router(Settings::default());
    let case = Case::create(&router, "Slide 1").await;
    let image = case.add(&[("cell.png", PARASITIZED)]).await[0];
    case.give(image, 1, "uninfected").await;
    assert_eq!(case.delete("").await.status, 204);
    is_problem(&case.get("").await, 404, "there is no case 1");
    is_problem(&case.delete("").await, 404, "there is no case 1");
    is_problem(&send(&router, get(&format!("/api/images/{image}/file"))).await, 404, "there is no image");
    // Its number is not used again.
    assert_eq!(Case::create(&router, "Slide 2").await.path, "/api/cases/2");
}

#[tokio::test]
async fn wrong_requests_are_problems() {
    let router = router(Settings::default());
    let case = Case::create(&router, "Slide 1").await;
    let long = "x".repeat(201);
    for body in [json!({"name": ""}), json!({"name": "a\nb"}), json!({"name": long}), json!({}), json!([])] {
        let answer = send(&router, with_json(Method::POST, "/api/cases", &body)).await;
        is_problem(&answer, 400, "expected");
    }
    let changes = [
        json!({"threshold": 1.5}),
        json!({"threshold": -0.1}),
        json!({"red_cells_per_microlitre": 0}),
        json!({"name": " "}),
    ];
    for body in changes {
        is_problem(&case.send(Method::PATCH, "", &body).await, 400, "expected");
    }
    is_problem(&case.get("/count?threshold=2").await, 400, "threshold");
    is_problem(&case.get("/count?threshold=x").await, 400, "");
    is_problem(&case.get("/objects").await, 400, "image");
    is_problem(&case.get("/objects?image=7").await, 404, "has no image 7");
    for path in ["/api/cases/7", "/api/cases/x", "/api/cases/7/count", "/api/cases/7/review", "/api/cases/7/verdicts"] {
        is_problem(&send(&router, get(path)).await, 404, "");
    }
    let missing = Case { router: router.clone(), path: "/api/cases/7".to_owned() };
    is_problem(&missing.send(Method::PATCH, "", &json!({"name": "a"})).await, 404, "there is no case 7");
    is_problem(&missing.post("/example").await, 404, "there is no case 7");
    is_problem(&missing.post("/recount").await, 404, "there is no case 7");
    is_problem(&missing.undo("Ada").await, 404, "there is no case 7");
    let upload = post("/api/cases/7/images?name=a.png", "image/png", PARASITIZED);
    is_problem(&send(&router, upload).await, 404, "there is no case 7");
}
