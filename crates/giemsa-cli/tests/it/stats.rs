//! `giemsa stats`.

use crate::cells::giemsa;
use crate::folder::names_in;
use predicates::str::contains;
use serde_json::{Value, json};
use std::path::Path;

/// Writes a folder of two classes: RGB images of 10x20 (width x height) and 30x21 pixels, and a grey image of 5x4.
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
fn reports_sizes_patients_and_colour_modes_per_class_and_in_total() {
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
fn lists_unreadable_files_and_exits_with_5() {
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
        let error = unreadable["error"].as_str().unwrap();
        assert!(!error.is_empty() && !error.contains(name), "{unreadable}");
    }
    giemsa().arg("stats").arg(folder.path()).assert().code(5).stdout(contains("empty.png: the file is empty"));
}

/// A file system that only takes UTF-8, as that of macOS, cannot hold the file.
#[cfg(target_os = "linux")]
#[test]
fn keeps_the_bytes_of_a_name_that_is_not_utf_8_in_text_and_replaces_them_in_json() {
    use std::os::unix::ffi::OsStrExt;
    let folder = folder();
    let odd = folder.path().join("Uninfected").join(std::ffi::OsStr::from_bytes(b"odd\xff.png"));
    std::fs::write(odd, "not an image").unwrap();
    let found = stats(folder.path(), 5);
    assert!(found["unreadable"][0]["path"].as_str().unwrap().ends_with("odd\u{fffd}.png"), "{found}");
    let run = giemsa().arg("stats").arg(folder.path()).assert().code(5);
    let text = &run.get_output().stdout;
    assert!(text.windows(9).any(|window| window == b"odd\xff.png:"), "{text:?}");
}

#[test]
fn accepts_class_folders_of_any_names() {
    let folder = folder();
    std::fs::rename(folder.path().join("Parasitized"), folder.path().join("ring stage")).unwrap();
    let found = stats(folder.path(), 0);
    assert_eq!(found["classes"][1]["name"], "ring stage");
    assert_eq!(found["classes"][1]["images"], 2);
}

#[test]
fn exits_with_3_and_the_reason_if_the_folder_cannot_be_used() {
    let folder = folder();
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let file = folder.path().join("Parasitized/C1_a.png");
    for (path, expected) in [(&empty, "no class folders"), (&file, "expected a folder, found a file")] {
        let name = path.display().to_string();
        giemsa().arg("stats").arg(path).assert().code(3).stdout("").stderr(contains(expected)).stderr(contains(name));
    }
}

#[test]
fn reports_train_and_test_folders_per_part_and_class() {
    let (place, folder) = (tempfile::tempdir().unwrap(), folder());
    for part in ["Train", "Test"] {
        let out = place.path().join(part);
        std::fs::create_dir(&out).unwrap();
        for class in ["Parasitized", "Uninfected"] {
            std::fs::create_dir(out.join(class)).unwrap();
            for name in names_in(&folder.path().join(class)) {
                std::fs::copy(folder.path().join(class).join(&name), out.join(class).join(&name)).unwrap();
            }
        }
    }
    std::fs::remove_file(place.path().join("Test/Parasitized/C1_a.png")).unwrap();
    let found = stats(place.path(), 0);
    let rows: Vec<_> = found["classes"].as_array().unwrap().iter().collect();
    let counts = rows.iter().map(|row| json!([row["part"], row["name"], row["images"]])).collect::<Vec<_>>();
    let expected = [
        json!(["Train", "Parasitized", 2]),
        json!(["Train", "Uninfected", 1]),
        json!(["Test", "Parasitized", 1]),
        json!(["Test", "Uninfected", 1]),
    ];
    assert_eq!(counts, expected);
    giemsa().arg("stats").arg(place.path()).assert().success().stdout(contains("Train/Parasitized        2 "));
}
