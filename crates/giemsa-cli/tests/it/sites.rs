//! Images of other sites: `giemsa cut`, training with them, and refused images.

use crate::cells::{draw_cells, giemsa};
use crate::folder::names_in;
use giemsa::model::Model;
use image::{Rgb, RgbImage};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// A recipe with colours normalised and an output for red cells.
const RECIPE: &str = "
name = 'sites'
layers = [
    { kind = 'conv2d', filters = 8, kernel = 3, batch_norm = true, activation = 'relu' },
    { kind = 'max_pooling2d' },
    { kind = 'conv2d', filters = 8, kernel = 3, batch_norm = true, activation = 'relu' },
    { kind = 'global_average_pooling2d' },
    { kind = 'dense', units = 2, activation = 'sigmoid' },
]
input = { side_px = 24, resize = 'fit', colour = 'median' }
training = { epochs = 3, batch_size = 8, learning_rate = 0.01 }
augmentation = { transplant = 0.5, not_a_cell = 0.3 }
";

/// Blue-grey discs of 20 pixels on a white smear, in a grid with 30 pixels between the centres.
fn photograph() -> RgbImage {
    RgbImage::from_fn(120, 90, |x, y| {
        let (dx, dy) = ((x % 30).abs_diff(15), (y % 30).abs_diff(15));
        if dx * dx + dy * dy < 100 { Rgb([96, 100 + (x % 4) as u8, 146]) } else { Rgb([228, 230, 226]) }
    })
}

/// Writes `sites/blue` with two photographs of 12 red cells, a platelet and a difficult cell.
fn site(root: &Path) {
    let folder = root.join("photographs/blue");
    fs::create_dir_all(&folder).unwrap();
    let mut annotations = Vec::new();
    for id in [1, 2] {
        photograph().save(folder.join(format!("{id}.png"))).unwrap();
        for cell in 0..12 {
            let (x, y) = (5 + cell % 4 * 30, 5 + cell / 4 * 30);
            let category = match cell {
                10 => 2,
                11 => 3,
                _ => 1,
            };
            let bbox = [x, y, 20, 20];
            annotations.push(serde_json::json!({"image_id": id, "category_id": category, "bbox": bbox}));
        }
    }
    let coco = serde_json::json!({
        "images": [{"id": 1, "file_name": "1.png"}, {"id": 2, "file_name": "2.png"}],
        "categories": [{"id": 1, "name": "red_blood_cell"}, {"id": 2, "name": "platelet"}, {"id": 3, "name": "difficult"}],
        "annotations": annotations,
    });
    fs::write(folder.join("annotations.json"), coco.to_string()).unwrap();
}

/// A folder with the cells of 6 patients in `data`, the recipe, and the site cut into `sites/blue`.
fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    draw_cells(&root.join("data"), 1, 6, 4);
    fs::write(root.join("sites.toml"), RECIPE).unwrap();
    site(root);
    giemsa()
        .current_dir(root)
        .args(["cut", "photographs/blue", "--out", "sites/blue", "--fields", "3"])
        .assert()
        .success()
        .stdout("NotACell: 10 images\nUninfected: 20 images\n");
    folder
}

fn rows(output: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn cuts_marked_cells_and_fields_out_of_photographs() {
    let folder = place();
    let site = folder.path().join("sites/blue");
    assert_eq!(names_in(&site), ["NotACell", "Parasitized", "Uninfected"]);
    assert!(names_in(&site.join("Parasitized")).is_empty());
    let others = names_in(&site.join("NotACell"));
    assert!(others.contains(&"C1_platelet_10.png".to_owned()) && others.contains(&"C2_field_3.png".to_owned()));
    let cell = image::open(site.join("Uninfected/C1_red_blood_cell_5.png")).unwrap().to_rgb8();
    assert_eq!((cell.dimensions(), *cell.get_pixel(10, 10)), ((20, 20), Rgb([96, 101, 146])));

    let cut = |arguments: &[&str]| giemsa().current_dir(folder.path()).arg("cut").args(arguments).assert();
    cut(&["photographs/blue", "--out", "sites/blue"]).code(1).stderr(contains("choose another one"));
    cut(&["data", "--out", "none"]).code(2).stderr(contains("annotations.json"));
    cut(&["photographs/blue", "--out", "none", "--margins", "-1"]).code(2);
    assert!(!folder.path().join("none").exists());
}

#[test]
fn refuses_images_that_are_not_a_red_cell() {
    let folder = place();
    let run = |arguments: &[&str]| {
        let assert = giemsa().current_dir(folder.path()).args(arguments).assert().success();
        assert.get_output().stdout.clone()
    };
    let train =
        ["train", "data", "--recipe", "sites.toml", "--out", "run", "--negatives", "sites", "--not-cells", "sites"];
    let text = String::from_utf8(run(&train)).unwrap();
    for expected in ["Training: 20 healthy cells of other sites.", "Training: 10 images that are not a red cell."] {
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
    let settings = fs::read_to_string(folder.path().join("run/settings.toml")).unwrap();
    assert!(settings.contains("negatives = ") && settings.contains("not_cells = "), "{settings}");

    // A high threshold, so that some images are refused after so short a training.
    let mut strict = Model::load(&folder.path().join("run/model.safetensors")).unwrap();
    strict.red_cell_threshold = 0.5;
    strict.save(&folder.path().join("strict.safetensors")).unwrap();
    let model = "strict.safetensors";
    let predict = ["predict", "--model", model, "sites", "data", "--format", "jsonl"];
    let predicted = rows(&run(&predict));
    assert_eq!(predicted.len(), 30 + 48);
    for row in &predicted {
        let probability = row["cell"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&probability));
        assert_eq!(row["class"].is_null(), probability < 0.5, "{row}");
        assert_eq!(row["class"], row["predicted"]);
        let reason = if row["class"].is_null() { Value::from("not a red cell") } else { Value::Null };
        assert_eq!(row.get("reason").cloned().unwrap_or_default(), reason);
        assert!(row["probability"]["Parasitized"].is_f64());
    }
    let any = rows(&run(&[&predict[..], &["--any-image"]].concat()));
    assert!(any.iter().all(|row| row["class"].is_string() && row["cell"].is_f64() && row.get("reason").is_none()));

    let table: Value =
        serde_json::from_slice(&run(&["evaluate", "--model", model, "--sites", "sites", "--json"])).unwrap();
    let blue = &table["sites"][0];
    assert_eq!((&blue["site"], &blue["uninfected"], &blue["not_cells"]), (&"blue".into(), &20.into(), &10.into()));
    let refused = |folder: &str, class: &str| {
        predicted
            .iter()
            .filter(|row| row["path"].as_str().unwrap().contains(&format!("{folder}/")) && row[class].is_null())
            .count()
    };
    assert_eq!(blue["not_cells_refused"].as_f64().unwrap() * 10.0, refused("NotACell", "class") as f64);
    assert!(
        (blue["red_cells_refused"].as_f64().unwrap() * 20.0 - refused("sites/blue/Uninfected", "class") as f64).abs()
            < 1e-9
    );
    let metrics: Value = serde_json::from_slice(&run(&["evaluate", "--model", model, "data", "--json"])).unwrap();
    assert_eq!(metrics["refused"]["parasitized"], refused("data/Parasitized", "class"));
    let lines = String::from_utf8(run(&["evaluate", "--model", model, "--sites", "sites"])).unwrap();
    assert!(lines.starts_with("site") && lines.contains("\nblue") && lines.contains("research use only"), "{lines}");
}

#[test]
fn the_model_card_has_a_row_per_site() {
    let folder = place();
    let root = folder.path();
    fs::write(root.join("other.toml"), RECIPE.replace("'sites'", "'other'").replace("side_px = 24", "side_px = 12"))
        .unwrap();
    let pretrain = |more: &[&str]| {
        let mut command = giemsa();
        command.current_dir(root).args(["pretrain", "data", "--recipe", "sites.toml", "--baseline", "other.toml"]);
        command.args([
            "--folds",
            "3",
            "--draws",
            "100",
            "--out",
            "made",
            "--negatives",
            "sites",
            "--not-cells",
            "sites",
        ]);
        command.args(more).assert()
    };
    pretrain(&["--test-sites", "sites"]).success();
    let card = fs::read_to_string(root.join("made/MODEL_CARD.md")).unwrap();
    for expected in [
        "Further training images are of other sites: 20 healthy cells\n(SHA-256 `",
        "and 10 images that are not a single\nred cell (SHA-256 `",
        "| refusal | an image is refused",
        "## By site\n\nSites among the training data",
        "\n| blue | 0 / 20 | – | ",
        "Sites that are not among the training data",
        "\n\n## Known failures",
    ] {
        assert!(card.contains(expected), "{expected} is not in:\n{card}");
    }
    // A line break inside a table would end it.
    let table: Vec<&str> = card.lines().skip_while(|line| !line.starts_with("| site |")).take(3).collect();
    assert!(table.iter().all(|line| line.starts_with('|')), "{table:?}");

    // The model contains its patients, so that an evaluation on them is warned about.
    giemsa()
        .current_dir(root)
        .args(["evaluate", "--model", "made/sites.safetensors", "data", "--draws", "100"])
        .assert()
        .success()
        .stderr(contains("warning: ").and(contains("trained on 6 of these 6 patients")));
}
