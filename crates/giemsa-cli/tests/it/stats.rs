//! `giemsa stats` as a user meets it.

use crate::cells::giemsa;
use predicates::str::contains;
use serde_json::{Value, json};
use std::path::Path;

/// Two classes: images of 10x20 (width x height), 30x21 and a broken file, and one grey image of 5x4.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for class in ["Parasitized", "Uninfected"] {
        std::fs::create_dir(folder.path().join(class)).unwrap();
    }
    let path = |name: &str| folder.path().join(name);
    image::RgbImage::new(10, 20).save(path("Parasitized/C1_a.png")).unwrap();
    image::RgbImage::new(30, 21).save(path("Parasitized/C2_b.png")).unwrap();
    image::GrayImage::new(5, 4).save(path("Uninfected/C1_c.png")).unwrap();
    std::fs::write(path("Uninfected/Thumbs.db"), "x").unwrap();
    folder
}

fn stats(folder: &Path, code: i32) -> Value {
    let run = giemsa().args(["stats", "--json"]).arg(folder).assert().code(code);
    serde_json::from_slice(&run.get_output().stdout).unwrap()
}

#[test]
fn sizes_patients_and_colour_modes_are_told_by_class_and_in_all() {
    let folder = folder();
    let expected = json!({
        "classes": [
            {
                "name": "Parasitized", "images": 2,
                "height": { "mean": 20.5, "max": 21, "min": 20 }, "width": { "mean": 20.0, "max": 30, "min": 10 },
            },
            {
                "name": "Uninfected", "images": 1,
                "height": { "mean": 4.0, "max": 4, "min": 4 }, "width": { "mean": 5.0, "max": 5, "min": 5 },
            },
        ],
        "all": {
            "name": "all", "images": 3,
            "height": { "mean": 15.0, "max": 21, "min": 4 }, "width": { "mean": 15.0, "max": 30, "min": 5 },
        },
        "patients": 2,
        "without_patient": 0,
        "colour_modes": { "rgb": 2, "grey": 1 },
        "unreadable": [],
    });
    assert_eq!(stats(folder.path(), 0), expected);
    let line = |text: &str| contains(text.to_owned());
    giemsa()
        .arg("stats")
        .arg(folder.path())
        .assert()
        .success()
        .stdout(line("Parasitized        2       20.5      21       20       20.0      30       10\n"))
        .stdout(line("all                3       15.0      21        4       15.0      30        5\n"))
        .stdout(line("patients: 2\n"));
}

#[test]
fn files_that_cannot_be_read_are_listed_and_the_exit_code_says_so() {
    let folder = folder();
    let whole = std::fs::read(folder.path().join("Parasitized/C2_b.png")).unwrap();
    std::fs::write(folder.path().join("Uninfected/cut.png"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(folder.path().join("Uninfected/empty.png"), "").unwrap();
    let found = stats(folder.path(), 5);
    assert_eq!(found["all"]["images"], 3);
    let unreadable = found["unreadable"].as_array().unwrap();
    assert_eq!(unreadable.len(), 2);
    for (unreadable, name) in unreadable.iter().zip(["cut.png", "empty.png"]) {
        assert!(unreadable["path"].as_str().unwrap().ends_with(name), "{unreadable}");
        assert!(unreadable["error"].as_str().unwrap().contains("expected"), "{unreadable}");
    }
    giemsa().arg("stats").arg(folder.path()).assert().code(5).stdout(contains("empty.png: expected"));
}

/// A file system that only takes UTF-8, as that of macOS, cannot hold the file.
#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_utf_8_does_not_spoil_the_json() {
    use std::os::unix::ffi::OsStrExt;
    let folder = folder();
    let odd = folder.path().join("Uninfected").join(std::ffi::OsStr::from_bytes(b"odd\xff.png"));
    std::fs::write(odd, "no image").unwrap();
    let found = stats(folder.path(), 5);
    assert!(found["unreadable"][0]["path"].as_str().unwrap().ends_with("odd\u{fffd}.png"), "{found}");
}

#[test]
fn classes_may_have_any_names() {
    let folder = folder();
    std::fs::rename(folder.path().join("Parasitized"), folder.path().join("ring stage")).unwrap();
    let found = stats(folder.path(), 0);
    assert_eq!(found["classes"][1]["name"], "ring stage");
    assert_eq!(found["classes"][1]["images"], 2);
}

#[test]
fn a_folder_that_cannot_be_used_exits_with_3_and_says_what_is_wrong() {
    let folder = folder();
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let file = folder.path().join("Parasitized/C1_a.png");
    let missing = folder.path().join("missing");
    for (path, expected) in [(&empty, "no folders in it"), (&file, "found a file"), (&missing, "No such file")] {
        let name = path.display().to_string();
        giemsa().arg("stats").arg(path).assert().code(3).stdout("").stderr(contains(expected)).stderr(contains(name));
    }
}
