//! Cases as tables, boxes, pages and images for training.

use crate::case::{Case, PARASITIZED, UNINFECTED, is_problem, smear, smear_png};
use crate::request::{get, router, send};
use giemsa::classes::Class;
use giemsa::dataset::Cache;
use giemsa::dataset::annotations::read_annotation_file;
use giemsa::dataset::patients::PatientSource;
use giemsa::dataset::scan::{ClassFolders, scan_classes};
use giemsa::dataset::split::{SplitBy, patient_count, split};
use giemsa::image::decode_bytes;
use giemsa::model::{Model, Recipe};
use giemsa::smear::ObjectKind;
use giemsa::smear::segment::segment;
use giemsa::synthetic::DrawnObject;
use giemsa::train::{EpochRow, Observer, Settings as TrainSettings, State, StepReport, train};
use giemsa_server::Settings;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::ops::ControlFlow::{self, Continue};
use zip::ZipArchive;

/// Returns the numbers of the counted objects of a class, from 1.
async fn numbers(case: &Case, image: i64, class: &str) -> Vec<u64> {
    let objects = case.objects(image).await;
    let of_class = objects.iter().filter(|object| object["class"] == class && object["counted"] == true);
    of_class.map(|object| object["number"].as_u64().unwrap()).collect()
}

fn rows(csv: &[u8]) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_reader(csv).deserialize().collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn the_table_has_a_row_per_object_with_its_verdict() {
    let case = Case::create(&router(Settings::default()), "Slide, 1").await;
    let images = case.add(&[("a, b.png", &smear_png(0)), ("cell.png", PARASITIZED)]).await;
    let number = numbers(&case, images[0], "Parasitized").await[0];
    case.give(images[0], number, "uninfected").await;
    case.give(images[1], 1, "not_a_cell").await;
    let answer = case.get("/export/cells.csv").await;
    assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8");
    let rows = rows(&answer.body);
    let objects = case.objects(images[0]).await;
    assert_eq!(rows.len(), objects.len() + 1);
    for (row, object) in rows.iter().zip(&objects) {
        let keys = ["x", "y", "width", "height", "counted"];
        keys.iter().for_each(|key| assert_eq!(row[*key], object[*key].to_string()));
        assert_eq!((&row["slide"][..], &row["photo"][..], &row["photo_number"][..]), ("Slide, 1", "a, b.png", "1"));
        assert_eq!(row["class"], object["class"].as_str().unwrap_or_default());
    }
    let reviewed = &rows[number as usize - 1];
    assert_eq!((&reviewed["verdict"][..], &reviewed["reviewer"][..]), ("uninfected", "Ada"));
    assert_eq!((&reviewed["class"][..], &reviewed["cell_number"]), ("Uninfected", &number.to_string()));
    assert_eq!(reviewed["given_at"], case.json("/verdicts").await["verdicts"][0]["given_at"].as_str().unwrap());
    let cell = rows.last().unwrap();
    assert_eq!((&cell["photo"][..], &cell["photo_number"][..], &cell["kind"][..]), ("cell.png", "", "artefact"));
    assert_eq!(rows.iter().filter(|row| !row["verdict"].is_empty()).count(), 2);
}

#[tokio::test]
async fn the_boxes_are_read_back_by_the_library() {
    let case = Case::create(&router(Settings::default()), "Slide").await;
    let image = case.add(&[("../a.png", &smear_png(0))]).await[0];
    let number = numbers(&case, image, "Uninfected").await[0];
    case.give(image, number, "parasitized").await;
    let answer = case.get("/export/coco.json").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("boxes.json");
    std::fs::write(&path, &answer.body).unwrap();
    let photographs = read_annotation_file(&path).unwrap();
    let objects = case.objects(image).await;
    // Clusters are not read back.
    let expected = objects.iter().filter(|object| object["kind"] != "cluster").count();
    assert_eq!((photographs.len(), photographs[0].boxes.len()), (1, expected));
    let infected = photographs[0].boxes.iter().filter(|object| object.category == "infected").count();
    assert_eq!(infected, objects.iter().filter(|object| object["class"] == "Parasitized").count());
    assert_eq!(photographs[0].path, folder.path().join("a.png"));
}

#[tokio::test]
async fn the_report_is_one_page_with_the_verdicts_applied() {
    let case = Case::create(&router(Settings::default()), "Slide <1>").await;
    let image = case.add(&[("field.png", &smear_png(0)), ("cell.png", PARASITIZED)]).await[0];
    let infected = numbers(&case, image, "Parasitized").await;
    case.give(image, infected[0], "uninfected").await;
    let answer = case.get("/report.html").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["content-type"]),
        (200, &"text/html; charset=utf-8".parse().unwrap())
    );
    let page = String::from_utf8(answer.body.to_vec()).unwrap();
    let count = case.json("").await["current"]["counts"].clone();
    assert_eq!(count["infected"].as_u64().unwrap(), infected.len() as u64 - 1);
    let caption = format!("{} infected of {} red cells", count["infected"], count["red_cells"]);
    for words in [&caption[..], "Slide &lt;1&gt;", "field.png", "by Ada", "For research use only", "data:image/jpeg"] {
        assert!(page.contains(words), "{words}");
    }
    // Nothing is loaded from elsewhere.
    for word in ["http-equiv=\"refresh\"", "src=\"http", "href=\"photographs", "cells.csv"] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.contains("Single cells, which are not on this page: 1 parasitized, 0 uninfected"));
    let empty = Case::create(&case.router, "Empty").await;
    assert_eq!(empty.get("/report.html").await.status, 200);
    is_problem(&send(&case.router, get("/api/cases/9/report.html")).await, 404, "there is no case 9");
}

fn files(zip: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).unwrap();
    let read = |index| {
        let mut file = archive.by_index(index).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        (file.name().to_owned(), bytes)
    };
    (0..ZipArchive::new(Cursor::new(zip)).unwrap().len()).map(read).collect()
}

#[tokio::test]
async fn the_images_for_training_are_those_of_reviewed_objects() {
    let router = router(Settings::default());
    let (case, other) = (Case::create(&router, "A_b").await, Case::create(&router, "Other").await);
    let none = send(&router, get("/api/export/training.zip")).await;
    is_problem(&none, 409, "no whole cell has a verdict");
    let images = case.add(&[("a.png", &smear_png(0)), ("cell.png", PARASITIZED), ("more.png", UNINFECTED)]).await;
    let cell = other.add(&[("cell.png", UNINFECTED)]).await[0];
    let photograph = smear(0).image;
    let segmentation = segment(&photograph, None);
    // Whole cells: far from the border.
    let is_inside = |number: &u64| {
        let object = &segmentation.objects[*number as usize - 1];
        object.x > 30 && object.y > 30 && object.x + object.width < 770 && object.y + object.height < 570
    };
    let healthy: Vec<u64> = numbers(&case, images[0], "Uninfected").await.into_iter().filter(is_inside).collect();
    let expected = [
        (healthy[0], "parasitized", "Parasitized"),
        (healthy[1], "uninfected", "Uninfected"),
        (healthy[2], "not_a_cell", "NotACell"),
    ];
    for (number, verdict, _) in expected {
        case.give(images[0], number, verdict).await;
    }
    for (number, verdict) in [(healthy[3], "unsure"), (healthy[4], "skip"), (healthy[5], "uninfected")] {
        case.give(images[0], number, verdict).await;
    }
    case.undo("Ada").await;
    case.give(images[1], 1, "parasitized").await;
    other.give(cell, 1, "uninfected").await;

    let zip = send(&router, get("/api/export/training.zip?case=1")).await;
    assert_eq!((zip.status.as_u16(), &zip.headers["content-type"]), (200, &"application/zip".parse().unwrap()));
    let found = files(&zip.body);
    let mut names: Vec<String> =
        expected.iter().map(|(number, _, folder)| format!("{folder}/case-1_{}_cell_{number}.png", images[0])).collect();
    names.push(format!("Parasitized/case-1_{}_cell_1.png", images[1]));
    names.sort();
    assert_eq!(found.keys().cloned().collect::<Vec<_>>(), names);
    for (number, _, folder) in expected {
        let pixels = decode_bytes(&found[&format!("{folder}/case-1_{}_cell_{number}.png", images[0])], "a".as_ref())
            .unwrap()
            .pixels;
        assert_eq!(pixels, segmentation.cut(&photograph, number as usize - 1, true));
    }
    assert_eq!(send(&router, get("/api/export/training.zip?case=1&case=1")).await.body, zip.body);
    let all = files(&send(&router, get("/api/export/training.zip")).await.body);
    assert_eq!(all.len(), found.len() + 1);
    assert!(all.contains_key(&format!("Uninfected/case-2_{cell}_cell_1.png")));
    is_problem(&send(&router, get("/api/export/training.zip?case=9")).await, 404, "there is no case 9");
    is_problem(&send(&router, get("/api/export/training.zip?case=x")).await, 400, "expected case=NUMBER");
}

/// Returns the verdict on an object by the truth of the drawing: the class of the drawn cell in whose middle its middle is.
fn true_verdict(object: &Value, drawn: &[DrawnObject]) -> Option<&'static str> {
    let centre = |from: &str, length: &str| object[from].as_f64().unwrap() + object[length].as_f64().unwrap() / 2.0;
    let (x, y) = (centre("x", "width"), centre("y", "height"));
    let is_near = |drawn: &&DrawnObject| {
        let middle =
            [f64::from(drawn.x) + f64::from(drawn.width) / 2.0, f64::from(drawn.y) + f64::from(drawn.height) / 2.0];
        drawn.kind == ObjectKind::RedCell && (middle[0] - x).hypot(middle[1] - y) < 12.0
    };
    match drawn.iter().find(is_near)?.class? {
        Class::Parasitized => Some("parasitized"),
        Class::Uninfected => Some("uninfected"),
    }
}

struct Silent;

impl Observer for Silent {
    fn step(&mut self, _: &StepReport) -> ControlFlow<()> {
        Continue(())
    }

    fn epoch(&mut self, _: &[EpochRow]) -> ControlFlow<()> {
        Continue(())
    }
}

const RECIPE: &str = "
name = 'quick'
layers = [{ kind = 'flatten' }, { kind = 'dense', units = 1, activation = 'sigmoid' }]
input = { side_px = 20, resize = 'fit' }
training = { epochs = 2, batch_size = 8, learning_rate = 0.001 }
";

/// From the first photograph to a model that is trained on the verdicts of a reviewer.
#[tokio::test]
async fn a_model_is_trained_on_reviewed_cells() {
    let router = router(Settings::default());
    let mut given = 0;
    for slide in 0..3 {
        let case = Case::create(&router, &format!("Slide {slide}")).await;
        let image = case.add(&[("field.png", &smear_png(slide))]).await[0];
        for object in case.objects(image).await.into_iter().step_by(2) {
            if let Some(verdict) = true_verdict(&object, &smear(slide).objects).filter(|_| object["counted"] == true) {
                case.give(image, object["number"].as_u64().unwrap(), verdict).await;
                given += 1;
            }
        }
    }
    assert!(given > 30, "{given}");
    let folder = tempfile::tempdir().unwrap();
    let zip = send(&router, get("/api/export/training.zip")).await;
    ZipArchive::new(Cursor::new(&zip.body)).unwrap().extract(folder.path()).unwrap();

    let patients = PatientSource::from_pattern("^([^_]+)_").unwrap();
    let samples = scan_classes(folder.path(), &ClassFolders::default(), &patients).unwrap();
    // Cells that the right and the lower border cut are counted, but are no images.
    assert!(samples.len() > given * 3 / 4 && samples.len() <= given, "{} of {given}", samples.len());
    assert_eq!(patient_count(&samples), 3);
    let (training, validation) = split(samples, 0.3, SplitBy::Patient, 0).unwrap();
    let recipe = Recipe::parse(RECIPE, "quick").unwrap();
    let training = Cache::load(training, &recipe.input, None, &|| {}).unwrap();
    let validation = Cache::load(validation, &recipe.input, None, &|| {}).unwrap();
    let settings = TrainSettings { recipe, seed: 0, steps_per_epoch: None };
    let mut state = State::new(&settings).unwrap();
    train(&mut state, &settings, &training, &validation, None, &mut Silent).unwrap();
    let path = folder.path().join("model.safetensors");
    state.best.unwrap().save(&path).unwrap();
    let model = Model::load(&path).unwrap();
    let cell = decode_bytes(PARASITIZED, "a".as_ref()).unwrap().pixels;
    assert!((0.0..=1.0).contains(&model.predict(&cell).unwrap().probability_parasitized));
}
