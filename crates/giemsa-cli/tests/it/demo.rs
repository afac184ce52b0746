//! `giemsa demo`.

use crate::cells::giemsa;
use crate::folder::names_in;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

#[test]
fn draws_trains_judges_and_writes_a_page_that_needs_nothing_else() {
    let place = tempfile::tempdir().unwrap();
    let run = giemsa().current_dir(&place).args(["demo", "out", "--images", "400", "--epochs", "2"]).assert().success();
    let stdout = String::from_utf8(run.get_output().stdout.clone()).unwrap();
    for expected in ["400 synthetic cells", "Epoch 2/2", "sensitivity", "False", "out/index.html", "drawn, not"] {
        assert!(stdout.to_lowercase().contains(&expected.to_lowercase()), "{expected} is not in:\n{stdout}");
    }
    let out = place.path().join("out");
    let files = ["cells", "curves.png", "history.csv", "index.html", "model.safetensors", "sheet.png"];
    assert_eq!(names_in(&out), files);
    let page = std::fs::read_to_string(out.join("index.html")).unwrap();
    crate::page::assert_self_contained(&page);
    for expected in
        ["drawn by the program, not photographed", "Accuracy", "Sensitivity", "Specificity", "Example prediction"]
    {
        assert!(page.contains(expected), "{expected}");
    }

    // The model is one that other commands take, and the page names an image as they do.
    let named = stdout.lines().find(|line| line.contains("drawn as")).unwrap();
    let path = named.split(": ").next().unwrap();
    let probability = named.split("Parasitized ").find_map(|part| part.split(')').next()?.parse::<f64>().ok()).unwrap();
    let predicted = giemsa()
        .current_dir(&place)
        .args(["predict", "--model", "out/model.safetensors", "--format", "jsonl", path])
        .assert()
        .success();
    let row: serde_json::Value = serde_json::from_slice(&predicted.get_output().stdout).unwrap();
    let again = row["probability"]["Parasitized"].as_f64().unwrap();
    assert!((again - probability).abs() <= 0.0005, "{again} is not {probability}");
}

#[test]
fn a_folder_with_something_in_it_is_refused_and_left_alone() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("mine.txt"), "x").unwrap();
    let run = giemsa().args(["demo", &place.path().display().to_string()]).assert().code(1);
    run.stderr(contains("expected a new or empty folder").and(contains(place.path().display().to_string())));
    assert_eq!(names_in(place.path()), ["mine.txt"]);
}
