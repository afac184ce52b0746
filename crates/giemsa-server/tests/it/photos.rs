//! `POST /api/photos`.

use crate::case::{smear, smear_png};
use crate::request::{form, router, send};
use giemsa::model::Model;
use giemsa::smear::{RED_CELLS_PER_MICROLITRE, count_slide, find_cells};
use giemsa_server::Settings;
use serde_json::json;

#[tokio::test]
async fn counts_photographs_as_one_slide_and_skips_what_is_none() {
    let smears = [0, 1].map(|number| smear(number).image);
    let [one, two] = [0, 1].map(smear_png);
    let files: [(&str, &[u8]); 3] = [("1.png", &one), ("broken.png", b"no image"), ("2.png", &two)];
    let answer = send(&router(Settings::default()), form("/api/photos", &files)).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let json = answer.json();

    let model = Model::embedded().unwrap();
    let predictor = model.predictor(Default::default());
    let found = smears.iter().zip(["1.png", "2.png"]);
    let found = found.map(|(smear, name)| find_cells(&predictor, name.as_ref(), smear, None).unwrap()).collect();
    let slide = count_slide(&model, "slide", found, RED_CELLS_PER_MICROLITRE).unwrap();
    assert!(slide.counts.red_cells > 10, "{:?}", slide.counts);
    assert_eq!(json["slide"]["counts"], serde_json::to_value(slide.counts).unwrap());
    assert_eq!(json["slide"]["parasitaemia"]["value"], json!(slide.parasitaemia.unwrap().value));
    let skipped = json!([{"photo": "broken.png", "error": "expected a PNG, JPEG, TIFF or BMP image, found text"}]);
    assert_eq!(json["slide"]["skipped"], skipped);
    let cells = [0, 1].map(|i| json["photographs"][i]["cells"].as_array().unwrap().len());
    assert_eq!(cells, [0, 1].map(|i| slide.photographs[i].cells.len()));
    assert_eq!(json["notice"], giemsa::RESEARCH_ONLY);
}
