//! The command `giemsa cells`, and photographs of whole fields in the place of images of cells.

use crate::cells::{draw_cells, giemsa, save_brightness_model};
use crate::folder::names_in;
use giemsa::synthetic::{SmearSettings, write_smears};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use std::fs;
use std::ops::ControlFlow::Continue;
use std::path::{Path, PathBuf};

/// Creates a folder with `smears` of two slides, and `model.safetensors`.
fn prepared() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    let settings = SmearSettings {
        width_px: 480,
        height_px: 360,
        red_cells: 16,
        parasitaemia: 0.5,
        crowding: 0.0,
        ..SmearSettings::default()
    };
    write_smears(&root.join("smears"), 1, 2, 1, &settings, &|| Continue(())).unwrap();
    save_brightness_model(&root.join("model.safetensors"));
    (folder, root)
}

const FIELD: &str = "smears/slide_01/photograph_01.png";

fn run(root: &Path, line: &str) -> assert_cmd::assert::Assert {
    giemsa().current_dir(root).args(line.split(' ')).assert()
}

#[test]
fn cuts_cells_out_of_folders_globs_and_lists() {
    let (_folder, root) = prepared();
    let of_folder =
        run(&root, "cells smears --out a").success().stdout(contains("of cells on 2 photographs of 2 slides"));
    of_folder.stdout(contains("that a border cuts"));
    run(&root, "cells smears/*/*.png --out b --no-mask --cell-diameter-px 72").success();
    let mut list = giemsa();
    list.current_dir(&root).args(["cells", "-", "--out", "c", "--slide-by", "none"]).write_stdin(FIELD);
    list.assert().success();
    let names = names_in(&root.join("a"));
    assert!(names.len() >= 8 && names.iter().all(|name| name.contains("_photograph-01_cell_")), "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("slide-02_")), "{names:?}");
    assert!(names_in(&root.join("b")).len() >= 8);
    assert!(names_in(&root.join("c")).iter().all(|name| name.starts_with("photograph-01_photograph-01_cell_")));
}

#[test]
fn boxes_sort_cells_into_folders_that_train() {
    let (_folder, root) = prepared();
    let run_cells = run(&root, "cells smears --out cells --truth smears/annotations.json").success();
    run_cells.stdout(contains("Parasitized: ").and(contains("Uninfected: ")).and(contains("Boxes without an image")));
    run(&root, "split cells parts --test 0.5 --patient-pattern ^([^_]+)_")
        .success()
        .stdout(contains("of 1 patient").count(2));
}

#[test]
fn lists_photographs_that_cannot_be_used() {
    let (_folder, root) = prepared();
    fs::write(root.join("text.png"), "not an image").unwrap();
    run(&root, "cells smears text.png --out cells").code(5).stderr(contains("unreadable: text.png: "));
    let nothing = run(&root, "cells text.png --out none").code(3);
    nothing.stderr(contains("text.png: ").and(contains("no photograph can be read")));
    assert!(!root.join("none").exists());
    run(&root, "cells missing.png --out none").code(2).stderr(contains("no such file or folder"));
    run(&root, "cells smears --out none --truth missing.json").code(2).stderr(contains("missing.json"));
    run(&root, "cells smears --out cells").code(1).stderr(contains("not empty; choose another one"));
    fs::create_dir(root.join("empty")).unwrap();
    run(&root, "cells empty --out none").code(3).stderr(contains("no images found in empty"));
}

#[test]
fn predict_does_not_classify_a_whole_field() {
    let (_folder, root) = prepared();
    draw_cells(&root.join("cells"), 1, 1, 1);
    let predict = |more: &str| run(&root, format!("predict --model model.safetensors {FIELD} {more}").trim());
    let rows = predict("cells --format jsonl").code(5);
    let text = String::from_utf8(rows.get_output().stdout.clone()).unwrap();
    let rows: Vec<Value> = text.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
    let error = rows[0]["error"].as_str().unwrap();
    assert!(error.starts_with("a smear photograph with about 1"), "{error}");
    assert!(error.ends_with(" cells, not one cell: use giemsa count"), "{error}");
    assert!(rows.len() == 3 && rows[1]["predicted"].is_string() && rows[2]["predicted"].is_string(), "{text}");

    let only = predict("").code(3);
    only.stdout(contains("1 of a whole field")).stderr(contains("no image shows a single cell"));
    predict("--any-image").success().stdout(contains("not one cell").not());
}

#[test]
fn evaluate_leaves_whole_fields_out() {
    let (_folder, root) = prepared();
    draw_cells(&root.join("data"), 1, 3, 4);
    fs::copy(root.join(FIELD), root.join("data/Uninfected/C1_field.png")).unwrap();
    let evaluate = |more: &str| run(&root, &format!("evaluate data --model model.safetensors --json{more}"));
    let images = |run: &assert_cmd::assert::Assert| {
        let metrics: Value = serde_json::from_slice(&run.get_output().stdout).unwrap();
        (metrics["images"].as_u64().unwrap(), metrics["unreadable"].as_u64().unwrap())
    };
    let without =
        evaluate("").code(5).stderr(contains("C1_field.png: a smear photograph").and(contains("giemsa count")));
    assert_eq!(images(&without), (24, 1));
    assert_eq!(images(&evaluate(" --any-image").success()), (25, 0));
}
