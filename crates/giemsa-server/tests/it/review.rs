//! Verdicts, their undoing, and the order of the review.

use crate::case::{Case, PARASITIZED, UNINFECTED, is_problem, smear_png};
use crate::request::router;
use axum::http::Method;
use giemsa_server::Settings;
use serde_json::{Value, json};

fn number_of(json: &Value) -> u64 {
    json.as_u64().unwrap()
}

/// Returns the numbers of the first object of this class on a photograph, and its probability.
async fn first_of(case: &Case, image: i64, class: &str) -> Value {
    let objects = case.objects(image).await;
    objects.into_iter().find(|object| object["class"] == class && object["counted"] == true).unwrap()
}

#[tokio::test]
async fn verdicts_correct_the_count_and_are_undone_in_turn() {
    let case = Case::create(&router(Settings::default()), "Slide").await;
    let image = case.add(&[("a.png", &smear_png(0))]).await[0];
    let computed = case.json("").await["computed"].clone();
    let infected = number_of(&computed["counts"]["infected"]);
    let object = first_of(&case, image, "Parasitized").await;
    let number = number_of(&object["number"]);

    let answer = case.give(image, number, "uninfected").await;
    assert_eq!(number_of(&answer["count"]["counts"]["infected"]), infected - 1);
    assert_eq!(
        (&answer["count"]["reviewed"], &answer["count"]["parasitaemia"]["corrected"]),
        (&json!(1), &json!(false))
    );
    let answer = case.give(image, number, "parasitized").await;
    assert_eq!(answer["count"]["counts"], computed["counts"]);
    assert_eq!((&answer["count"]["reviewed"], &answer["count"]["infected_reviewed"]), (&json!(1), &json!(1)));
    let answer = case.give(image, number, "not_a_cell").await;
    assert_eq!(number_of(&answer["count"]["counts"]["red_cells"]), number_of(&computed["counts"]["red_cells"]) - 1);
    assert_eq!(number_of(&answer["count"]["counts"]["artefacts"]), number_of(&computed["counts"]["artefacts"]) + 1);
    let shown = case.objects(image).await[number as usize - 1].clone();
    assert_eq!(
        (&shown["kind"], &shown["class"], &shown["verdict"]),
        (&json!("artefact"), &Value::Null, &json!("not_a_cell"))
    );
    let json = case.json("").await;
    assert_eq!((&json["reviewed"], &json["computed"]), (&json!(1), &computed));

    is_problem(&case.undo("Bea").await, 409, "there is no verdict to undo");
    for verdict in ["not_a_cell", "parasitized", "uninfected"] {
        let undone = case.undo("Ada").await;
        assert_eq!(undone.status, 201, "{:?}", undone.body);
        let expected = json!({"image": image, "number": number, "verdict": verdict});
        assert_eq!(undone.json()["undone"], expected);
    }
    let json = case.json("").await;
    assert_eq!((&json["current"], &json["reviewed"]), (&computed, &json!(0)));
    is_problem(&case.undo("Ada").await, 409, "there is no verdict to undo");
    let log = case.json("/verdicts").await["verdicts"].as_array().unwrap().clone();
    let undoes: Vec<Value> = log.iter().map(|row| row["undoes"].clone()).collect();
    let ids: Vec<Value> = log.iter().map(|row| row["id"].clone()).collect();
    assert_eq!(undoes, [Value::Null, Value::Null, Value::Null, ids[2].clone(), ids[1].clone(), ids[0].clone()]);
}

#[tokio::test]
async fn an_undo_returns_the_object_as_it_is_then() {
    let case = Case::create(&router(Settings::default()), "Slide").await;
    let image = case.add(&[("cell.png", PARASITIZED)]).await[0];
    case.give(image, 1, "uninfected").await;
    case.give(image, 1, "unsure").await;
    let json = case.json("").await;
    assert_eq!((&json["current"]["unsure"], &json["single_cells"][0]["class"]), (&json!(1), &json!("Parasitized")));
    let undone = case.undo("Ada").await.json();
    assert_eq!(
        (&undone["object"]["verdict"], &undone["object"]["class"]),
        (&json!("uninfected"), &json!("Uninfected"))
    );
    assert_eq!(undone["count"]["cells"], json!({"parasitized": 0, "uninfected": 1, "not_a_cell": 0}));
    case.give(image, 1, "not_a_cell").await;
    assert_eq!(case.json("").await["current"]["cells"], json!({"parasitized": 0, "uninfected": 0, "not_a_cell": 1}));
}

#[tokio::test]
async fn a_request_that_is_sent_again_adds_no_second_verdict() {
    let case = Case::create(&router(Settings::default()), "Slide").await;
    let image = case.add(&[("cell.png", PARASITIZED)]).await[0];
    let body = json!({"image": image, "number": 1, "verdict": "unsure", "reviewer": "Ada", "key": "k1"});
    let first = case.send(Method::POST, "/verdicts", &body).await;
    let again = case.send(Method::POST, "/verdicts", &body).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
    assert_eq!(first.json(), again.json());
    let mut other = body.clone();
    other["verdict"] = json!("parasitized");
    is_problem(&case.send(Method::POST, "/verdicts", &other).await, 409, "another request had this key");
    let undo = json!({"reviewer": "Ada", "key": "k2"});
    let first = case.send(Method::POST, "/verdicts/undo", &undo).await;
    let again = case.send(Method::POST, "/verdicts/undo", &undo).await;
    assert_eq!((first.status.as_u16(), first.json()), (201, again.json()));
    assert_eq!(case.json("/verdicts").await["verdicts"].as_array().unwrap().len(), 2);
    let taken = json!({"reviewer": "Ada", "key": "k1"});
    is_problem(&case.send(Method::POST, "/verdicts/undo", &taken).await, 409, "another request had this key");
}

/// Computes how doubtful an object is, from its JSON.
fn doubt(object: &Value, threshold: f64) -> f64 {
    let logit = |p: f64| (p / (1.0 - p)).ln();
    (logit(object["probability_parasitized"].as_f64().unwrap()) - logit(threshold)).abs()
}

#[tokio::test]
async fn the_most_doubtful_objects_come_first_and_skipped_ones_last() {
    let case = Case::create(&router(Settings::default()), "Slide").await;
    let images = case.add(&[("a.png", &smear_png(0)), ("b.png", PARASITIZED), ("c.png", UNINFECTED)]).await;
    let json = case.json("").await;
    let threshold = json["threshold"].as_f64().unwrap();
    let review = case.json("/review").await;
    let objects = review["objects"].as_array().unwrap().clone();
    let expected = number_of(&json["current"]["counts"]["red_cells"]) + 2;
    assert_eq!((number_of(&review["left"]), objects.len() as u64), (expected, expected));
    assert!(objects.is_sorted_by(|a, b| doubt(a, threshold) <= doubt(b, threshold) + 1e-4));
    assert!(objects.iter().all(|object| object["counted"] == true && object["verdict"].is_null()));
    assert_eq!(case.json("/review?limit=3").await["objects"].as_array().unwrap(), &objects[..3]);

    let place = |object: &Value| (object["image"].as_i64().unwrap(), number_of(&object["number"]));
    for index in [1, 0] {
        let (image, number) = place(&objects[index]);
        case.give(image, number, "skip").await;
    }
    let (image, number) = place(&objects[2]);
    case.give(image, number, "unsure").await;
    let json = case.json("/review").await;
    let now = json["objects"].as_array().unwrap();
    let places = |objects: &[Value]| objects.iter().map(place).collect::<Vec<_>>();
    assert_eq!(number_of(&json["left"]), expected - 1);
    assert_eq!(places(&now[..5]), places(&objects[3..8]));
    // Those that were skipped first come first.
    assert_eq!(places(&now[now.len() - 2..]), [place(&objects[1]), place(&objects[0])]);
    assert_eq!(case.json("").await["reviewed"], 1);
    assert!(places(&objects).contains(&(images[1], 1)));
}

#[tokio::test]
async fn wrong_verdicts_are_problems_and_leave_no_row() {
    let router = router(Settings::default());
    let (case, other) = (Case::create(&router, "Slide").await, Case::create(&router, "Other").await);
    let image = case.add(&[("cell.png", PARASITIZED), ("no.png", b"x")]).await;
    let valid = json!({"image": image[0], "number": 1, "verdict": "unsure", "reviewer": "Ada"});
    let wrong = [
        ("image", json!(99), 404),
        ("image", json!(image[1]), 404),
        ("number", json!(2), 404),
        ("number", json!(0), 404),
        ("number", json!(-1), 400),
        ("verdict", json!("infected"), 400),
        ("reviewer", json!("  "), 400),
        ("reviewer", json!("x".repeat(101)), 400),
        ("reviewer", Value::Null, 400),
        ("key", json!(""), 400),
    ];
    for (key, value, status) in wrong {
        let mut body = valid.clone();
        body[key] = value;
        is_problem(&case.send(Method::POST, "/verdicts", &body).await, status, "");
    }
    is_problem(&other.send(Method::POST, "/verdicts", &valid).await, 404, "there is no object 1");
    is_problem(&case.send(Method::POST, "/verdicts/undo", &json!({})).await, 400, "reviewer");
    assert_eq!(case.json("/verdicts").await["verdicts"], json!([]));
}
