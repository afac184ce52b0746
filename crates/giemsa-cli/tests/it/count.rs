//! The command `giemsa count`.

use crate::cells::giemsa;
use giemsa::dataset::annotations::{Object, read_annotations};
use giemsa::synthetic::{SmearSettings, write_smears};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::LazyLock;
use tempfile::TempDir;

/// The cells drawn on a photograph.
const RED_CELLS: usize = 24;

/// Two slides of two small photographs, drawn once for all tests, in the folder `smears`.
static SMEARS: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let settings = SmearSettings {
        width_px: 480,
        height_px: 360,
        diameter_px: 48.0,
        red_cells: RED_CELLS,
        parasitaemia: 0.2,
        white_cells: 0,
        platelets: 1,
        debris: 0,
        crowding: 0.1,
        ..SmearSettings::default()
    };
    write_smears(&folder.path().join("smears"), 7, 2, 2, &settings, &|| ControlFlow::Continue(())).unwrap();
    folder
});

fn count(root: &Path, args: &[&str]) -> assert_cmd::Command {
    let mut command = giemsa();
    command.current_dir(root).arg("count").args(args);
    command
}

/// Runs the command in the folder of the drawn smears, and returns what it prints.
#[track_caller]
fn printed(args: &[&str]) -> String {
    let output = count(SMEARS.path(), args).assert().success();
    String::from_utf8(output.get_output().stdout.clone()).unwrap()
}

#[track_caller]
fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The rows of JSON of the drawn smears.
static JSON_LINES: LazyLock<Vec<Value>> = LazyLock::new(|| json_lines(&printed(&["smears", "--format", "jsonl"])));

/// Copies the first drawn photograph to `root/slide/a.png`.
fn copy_a_photograph(root: &Path) {
    fs::create_dir(root.join("slide")).unwrap();
    fs::copy(SMEARS.path().join("smears/slide_01/photograph_01.png"), root.join("slide/a.png")).unwrap();
}

#[test]
fn rows_of_json_contain_the_cells_of_each_photograph() {
    let output = count(SMEARS.path(), &["smears", "--format", "jsonl"]).assert().success();
    let rows = json_lines(&String::from_utf8(output.get_output().stdout.clone()).unwrap());
    assert_eq!(rows.len(), 4);
    assert_eq!(
        (&rows[2]["photo"], &rows[2]["slide"]),
        (&"smears/slide_02/photograph_01.png".into(), &"slide_02".into())
    );
    for row in rows {
        let cells = row["cells"].as_array().unwrap();
        let of_kind = |kind: &str| cells.iter().filter(|cell| cell["kind"] == kind).collect::<Vec<_>>();
        let red_cells = of_kind("red_cell");
        // Cells that overlap much, or that the border cuts to a sliver, may be missed.
        assert!(red_cells.len().abs_diff(RED_CELLS) <= 3, "{} red cells", red_cells.len());
        assert!(red_cells.iter().all(|cell| cell["class"].is_string() && cell["probability_parasitized"].is_f64()));
        let counted = red_cells.iter().filter(|cell| cell["counted"] == true);
        assert_eq!(row["red_cells"], counted.clone().count());
        let infected = counted.filter(|cell| cell["class"] == "Parasitized").count();
        assert_eq!(row["infected"], infected);
        let value = infected as f64 / row["red_cells"].as_f64().unwrap();
        assert!((row["parasitaemia"]["value"].as_f64().unwrap() - value).abs() < 1e-9, "{row}");
        let diameter = row["cell_diameter_px"].as_f64().unwrap();
        assert!((38.0..58.0).contains(&diameter), "{diameter}");
        assert_eq!((&row["width"], &row["height"]), (&480.into(), &360.into()));
        assert!(row["warnings"].is_array() && row.get("error").is_none());
    }
}

#[test]
fn csv_has_a_row_per_photograph_with_the_figures_of_json() {
    let csv = printed(&["smears", "--format", "csv", "-q"]);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let header = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 4);
    for (row, json) in rows.iter().zip(&*JSON_LINES) {
        let field = |name: &str| &row[header.iter().position(|column| column == name).unwrap()];
        assert_eq!(json["photo"], field("photo"));
        for name in ["red_cells", "infected", "white_cells", "platelets", "width"] {
            assert_eq!(json[name].to_string(), field(name), "{name}");
        }
        assert_eq!(json["parasitaemia"]["high"].as_f64(), field("parasitaemia_high").parse().ok());
        assert_eq!(field("error"), "");
    }
}

#[test]
fn text_has_a_row_per_slide_and_the_agreement_with_marked_cells() {
    let text = printed(&["smears", "--truth", "smears/annotations.json"]);
    for part in [
        "\nslide_01 ",
        "\nslide_02 ",
        "from a clean slide",
        "red cells are too few",
        "assuming 5,000,000 red cells",
        "2 slides, 4 photographs: ",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert!(text.contains("Agreement with smears/annotations.json: 4 photographs, "), "{text}");
    assert!(text.ends_with("For research use only, not for diagnosis.\n"), "{text}");
}

#[test]
fn json_contains_slides_settings_origin_and_agreement() {
    let truth = ["--truth", "smears/annotations.json"];
    let text = printed(&[&["smears", "--json", "--cell-diameter-px", "48"], &truth[..]].concat());
    let report: Value = serde_json::from_str(&text).unwrap();
    let slides = report["slides"].as_array().unwrap();
    assert_eq!(slides.len(), 2);
    for slide in slides {
        assert_eq!(slide["photographs"].as_array().unwrap().len(), 2);
        assert_eq!(slide["counts"]["red_cells"], slide["parasitaemia"]["red_cells"]);
        assert!(slide["shift_logits"].is_number() && slide["parasitaemia"]["measured"]["value"].is_number());
        assert_eq!(slide["limit_of_detection"], slide["parasitaemia"]["detection"]["limit"]["limit_of_detection"]);
    }
    assert_eq!(report["provenance"]["model"], "builtin");
    assert_eq!(report["provenance"]["model_sha256"].as_str().unwrap().len(), 64);
    assert_eq!(
        (&report["settings"]["slide_by"], &report["settings"]["cell_diameter_px"]),
        (&"folder".into(), &48.0.into())
    );
    assert_eq!(report["research_only"], "For research use only, not for diagnosis.");
    let agreement = &report["agreement"];
    assert_eq!((&agreement["photographs"], agreement["per_photograph"].as_array().unwrap().len()), (&4.into(), 4));
    for (name, least) in [("recall", 0.9), ("precision", 0.9), ("f1", 0.9)] {
        assert!(agreement[name].as_f64().unwrap() >= least, "{name}: {agreement}");
    }
    assert!(agreement["count_error"].as_f64().unwrap() < 0.1, "{agreement}");
}

#[test]
fn a_coco_data_set_is_read_back() {
    let text = printed(&["smears", "--format", "coco"]);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("annotations.json"), &text).unwrap();
    let photographs = read_annotations(folder.path()).unwrap();
    assert_eq!(photographs.len(), 4);
    for (photograph, row) in photographs.iter().zip(&*JSON_LINES) {
        assert_eq!(photograph.path, folder.path().join(row["photo"].as_str().unwrap()));
        let red = photograph.boxes.iter().filter(|object| matches!(object.object, Object::RedCell(_))).count();
        let expected = row["cells"].as_array().unwrap().iter().filter(|cell| cell["kind"] == "red_cell").count();
        assert_eq!(red, expected);
    }
    let coco: Value = serde_json::from_str(&text).unwrap();
    let annotation = &coco["annotations"][0];
    assert!(annotation["score"].is_f64() && annotation["iscrowd"] == 0 && annotation["id"] == 1, "{annotation}");
    let side = |i: usize| annotation["bbox"][i].as_u64().unwrap();
    assert_eq!(annotation["area"], side(2) * side(3));
}

#[test]
fn groups_photographs_by_folder_patient_or_not_at_all() {
    let root = tempfile::tempdir().unwrap();
    copy_a_photograph(root.path());
    for name in ["P1_b.png", "P2_c.png"] {
        fs::copy(root.path().join("slide/a.png"), root.path().join("slide").join(name)).unwrap();
    }
    fs::rename(root.path().join("slide/a.png"), root.path().join("slide/P1_a.png")).unwrap();
    let slides = |args: &[&str]| {
        let output = count(root.path(), &[&["slide", "--json"], args].concat()).assert().success();
        let report: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
        let slides = report["slides"].as_array().unwrap().iter();
        slides.map(|slide| slide["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(slides(&[]), ["slide"]);
    assert_eq!(slides(&["--slide-by", "patient", "--patient-pattern", "^P[0-9]"]), ["P1", "P2"]);
    assert_eq!(slides(&["--slide-by", "none"]), ["P1_a", "P1_b", "P2_c"]);
}

#[test]
fn reads_paths_from_standard_input() {
    let list = "smears/slide_01/photograph_02.png\nsmears/slide_02/photograph_01.png\n";
    let output = count(SMEARS.path(), &["-", "--format", "jsonl"]).write_stdin(list).assert().success();
    let rows = json_lines(&String::from_utf8(output.get_output().stdout.clone()).unwrap());
    let photos: Vec<&str> = rows.iter().map(|row| row["photo"].as_str().unwrap()).collect();
    assert_eq!(photos, list.lines().collect::<Vec<_>>());
    output.stderr("For research use only, not for diagnosis.\n");
}

#[test]
fn an_unreadable_photograph_is_a_row_and_the_exit_code_5() {
    let root = tempfile::tempdir().unwrap();
    copy_a_photograph(root.path());
    fs::write(root.path().join("slide/broken.png"), b"\x89PNG\r\n\x1a\nnothing").unwrap();
    let output = count(root.path(), &["slide", "--format", "jsonl"]).assert().code(5);
    let rows = json_lines(&String::from_utf8(output.get_output().stdout.clone()).unwrap());
    let [photograph, broken] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(photograph["photo"], "slide/a.png");
    assert_eq!((&broken["photo"], broken.as_object().unwrap().len()), (&"slide/broken.png".into(), 2));
    assert!(!broken["error"].as_str().unwrap().contains("broken.png"), "{broken}");
    count(root.path(), &["slide"]).assert().code(5).stdout(contains("  not counted: slide/broken.png: "));
    count(root.path(), &["slide", "--format", "csv"]).assert().code(5).stdout(contains("slide/broken.png,slide,,,"));
    count(root.path(), &["slide", "--format", "coco"]).assert().code(5).stderr(contains("slide/broken.png"));
}

#[test]
fn a_text_file_alone_is_the_exit_code_3() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("notes.txt"), "these are notes").unwrap();
    let output = count(root.path(), &["notes.txt", "--format", "jsonl"]).assert().code(3);
    output.stdout(contains("\"error\"")).stderr(contains("the image cannot be used"));
}

#[test]
fn an_empty_photograph_has_no_parasitaemia() {
    let root = tempfile::tempdir().unwrap();
    let empty = image::RgbImage::from_pixel(320, 240, image::Rgb([230, 225, 220]));
    empty.save(root.path().join("empty.png")).unwrap();
    let output = count(root.path(), &["empty.png", "--format", "jsonl"]).assert().success();
    let rows = json_lines(&String::from_utf8(output.get_output().stdout.clone()).unwrap());
    assert!(rows[0]["parasitaemia"].is_null() && rows[0]["cell_diameter_px"].is_null(), "{}", rows[0]);
    assert_eq!((&rows[0]["red_cells"], &rows[0]["cells"]), (&0.into(), &Value::Array(Vec::new())));
    let output = count(root.path(), &["empty.png", "--json"]).assert().success();
    let report: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    assert!(report["slides"][0]["parasitaemia"].is_null(), "{report}");
    count(root.path(), &["empty.png"]).assert().success().stdout(contains("no red cells were found"));
}

#[test]
fn rejects_arguments_that_make_no_sense() {
    let photograph = "smears/slide_01/photograph_01.png";
    for args in [
        &["--cell-diameter-px", "0"][..],
        &["--cell-diameter-px", "-3"],
        &["--cell-diameter-px", "nan"],
        &["--red-cells-per-microlitre", "0"],
        &["--red-cells-per-microlitre", "inf"],
        &["--patient-pattern", "^P"],
        &["--slide-by", "patient", "--patient-pattern", "("],
        &["--json", "--format", "csv"],
        &["--truth", "missing.json"],
    ] {
        count(SMEARS.path(), &[&[photograph], args].concat()).assert().code(2).stdout("");
    }
    count(SMEARS.path(), &["missing.png"]).assert().code(2);
}

#[test]
fn boxes_of_other_photographs_are_an_error_before_the_count() {
    let root = tempfile::tempdir().unwrap();
    copy_a_photograph(root.path());
    let truth = SMEARS.path().join("smears/annotations.json");
    let output = count(root.path(), &["slide", "--truth", truth.to_str().unwrap()]).assert().code(3).stdout("");
    output.stderr(contains("has no boxes of any of the photographs").and(contains("warning").not()));
}
