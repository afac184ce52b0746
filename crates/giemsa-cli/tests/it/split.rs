//! `giemsa split`.

use crate::cells::{draw_cells, giemsa};
use crate::folder::names_in;
use predicates::prelude::*;
use predicates::str::contains;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Creates a folder with `cells/` of 10 patients with 3 images of each class.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let cells = folder.path().join("cells");
    draw_cells(&cells, 1, 10, 3);
    (folder, cells)
}

fn split(cells: &Path, out: &Path, more: &[&str]) -> assert_cmd::assert::Assert {
    giemsa().arg("split").args([cells, out]).args(["--test", "0.3"]).args(more).assert()
}

fn patients_in(part: &Path) -> BTreeSet<String> {
    let names = ["Parasitized", "Uninfected"].map(|class| names_in(&part.join(class))).concat();
    names.iter().map(|name| name.split('P').next().unwrap().to_owned()).collect()
}

/// Returns the sorted names in both parts.
fn names_in_parts(out: &Path, class: &str) -> Vec<String> {
    let mut names = ["Train", "Test"].map(|part| names_in(&out.join(part).join(class))).concat();
    names.sort();
    names
}

#[test]
fn keeps_each_patient_and_image_in_one_part() {
    let (folder, cells) = place();
    let out = folder.path().join("deep/parts");
    split(&cells, &out, &[])
        .success()
        .stdout("Train: 42 images of 7 patients\nTest: 18 images of 3 patients\n")
        .stderr("");
    let (train, test) = (patients_in(&out.join("Train")), patients_in(&out.join("Test")));
    assert_eq!((train.len(), test.len()), (7, 3));
    assert!(train.is_disjoint(&test));
    for class in ["Parasitized", "Uninfected"] {
        assert_eq!(names_in_parts(&out, class), names_in(&cells.join(class)));
    }
    assert_eq!(names_in(&out), ["Test", "Train"]);
    assert_eq!(names_in(out.parent().unwrap()), ["parts"], "no temporary folder is left");
}

#[cfg(unix)]
#[test]
fn creates_hard_links_if_the_file_system_supports_them() {
    use std::os::unix::fs::MetadataExt;
    let (folder, cells) = place();
    let out = folder.path().join("parts");
    split(&cells, &out, &[]).success();
    let inodes = |folder: &Path| -> BTreeSet<u64> {
        names_in(folder).iter().map(|name| std::fs::metadata(folder.join(name)).unwrap().ino()).collect()
    };
    let parts = ["Train", "Test"].map(|part| inodes(&out.join(part).join("Uninfected")));
    assert_eq!(&parts[0] | &parts[1], inodes(&cells.join("Uninfected")));
}

#[cfg(unix)]
#[test]
fn replaces_a_symbolic_link_by_its_target() {
    let (folder, cells) = place();
    let away = folder.path().join("away.png");
    let link = cells.join("Uninfected/C3P1_cell_0.png");
    std::fs::rename(&link, &away).unwrap();
    std::os::unix::fs::symlink("../../away.png", &link).unwrap();
    let out = folder.path().join("a/b/parts");
    split(&cells, &out, &[]).success();
    let part = if patients_in(&out.join("Test")).contains("C3") { "Test" } else { "Train" };
    let placed = out.join(part).join("Uninfected/C3P1_cell_0.png");
    assert_eq!(std::fs::read(placed).unwrap(), std::fs::read(away).unwrap());
}

#[test]
fn repeats_a_split_for_the_same_seed_only() {
    let (folder, cells) = place();
    let test_of = |name: &str, seed: &str| {
        let out = folder.path().join(name);
        split(&cells, &out, &["--seed", seed]).success();
        patients_in(&out.join("Test"))
    };
    assert_eq!(test_of("a", "4"), test_of("b", "4"));
    let others: BTreeSet<_> = (5..10).map(|seed: u32| test_of(&format!("s{seed}"), &seed.to_string())).collect();
    assert!(others.len() > 1);
}

#[test]
fn warns_of_common_patients_in_a_split_by_image() {
    let (folder, cells) = place();
    let out = folder.path().join("parts");
    split(&cells, &out, &["--split-by", "image"])
        .success()
        .stderr(contains("both parts contain cells of the same patients"));
    let (train, test) = (patients_in(&out.join("Train")), patients_in(&out.join("Test")));
    assert!(!train.is_disjoint(&test));
    split(&cells, &folder.path().join("quiet"), &["--split-by", "image", "--quiet"]).success().stderr("");
}

#[test]
fn fills_an_empty_output_folder_but_no_other() {
    let (folder, cells) = place();
    let (full, empty) = (folder.path().join("full"), folder.path().join("empty"));
    for out in [&full, &empty] {
        std::fs::create_dir(out).unwrap();
    }
    std::fs::write(full.join("mine"), "text").unwrap();
    split(&cells, &full, &[])
        .code(1)
        .stdout("")
        .stderr(contains("full: the output folder is not empty; choose another one"));
    assert_eq!(names_in(&full), ["mine"]);
    split(&cells, &empty, &[]).success();
    assert_eq!(names_in(&empty), ["Test", "Train"]);
}

#[cfg(unix)]
#[test]
fn leaves_no_folder_if_an_image_cannot_be_copied() {
    let (folder, cells) = place();
    std::os::unix::fs::symlink("nowhere.png", cells.join("Uninfected/C5P1_cell_9.png")).unwrap();
    split(&cells, &folder.path().join("parts"), &[]).code(3).stdout("").stderr(contains("C5P1_cell_9.png"));
    assert_eq!(names_in(folder.path()), ["cells"]);
}

#[test]
fn exits_with_3_without_a_folder_if_the_data_cannot_be_split() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, patients, nameless: bool| {
        let cells = folder.path().join(name);
        draw_cells(&cells, 1, patients, 2);
        if nameless {
            let class = cells.join("Uninfected");
            std::fs::rename(class.join("C1P1_cell_0.png"), class.join("a.png")).unwrap();
        }
        cells
    };
    let lonely = make("half", 3, false);
    std::fs::remove_dir_all(lonely.join("Uninfected")).unwrap();
    let cases = [
        (make("lone", 1, false), "expected at least 2 patients, found 1"),
        (make("nameless", 4, true), "a.png: the patient of this image is unknown"),
        (lonely, "no class folder Uninfected, found only Parasitized"),
    ];
    let out = folder.path().join("parts");
    for (cells, expected) in cases {
        split(&cells, &out, &[]).code(3).stdout("").stderr(contains(expected));
        assert!(!out.exists());
    }
    assert!(names_in(folder.path()).iter().all(|name| !name.starts_with('.')));
}

#[test]
fn reads_patients_by_a_pattern_or_from_a_table() {
    let (folder, cells) = place();
    let by_pattern = folder.path().join("by pattern");
    // The number of the cell gives three "patients", so that each real one is in both parts.
    split(&cells, &by_pattern, &["--patient-pattern", "cell_(\\d+)"])
        .success()
        .stdout("Train: 40 images of 2 patients\nTest: 20 images of 1 patient\n");
    split(&cells, &folder.path().join("by match"), &["--patient-pattern", "cell_\\d+"])
        .success()
        .stdout("Train: 40 images of 2 patients\nTest: 20 images of 1 patient\n");
    let table = folder.path().join("table.csv");
    std::fs::write(&table, "C1P1_cell_0.png,a\nbroken line\n").unwrap();
    let table = table.to_str().unwrap();
    split(&cells, &folder.path().join("by table"), &["--patients", table])
        .code(3)
        .stderr(contains("table.csv:2").and(contains("broken line")));
}

#[test]
fn rejects_a_fraction_that_is_not_between_0_and_1() {
    for fraction in ["0", "1", "1.5", "-0.1", "half", "NaN"] {
        giemsa()
            .args(["split", "a", "b", &format!("--test={fraction}")])
            .assert()
            .code(2)
            .stderr(contains("between 0 and 1"));
    }
}

#[test]
fn accepts_class_folders_of_other_names_and_keeps_them() {
    let (folder, cells) = place();
    std::fs::rename(cells.join("Parasitized"), cells.join("infected")).unwrap();
    std::fs::rename(cells.join("Uninfected"), cells.join("healthy")).unwrap();
    let out = folder.path().join("parts");
    split(&cells, &out, &[]).code(3).stderr(contains("found healthy, infected").and(contains("hint: --positive NAME")));
    split(&cells, &out, &["--positive", "Infected", "--negative", "healthy"]).success();
    assert_eq!(names_in(&out.join("Test")), ["Infected", "healthy"]);
}

#[test]
fn keeps_a_file_that_is_not_an_image_in_the_training_set() {
    let (folder, cells) = place();
    std::fs::write(cells.join("Uninfected/bad.png"), "not an image").unwrap();
    let out = folder.path().join("parts");
    split(&cells, &out, &[]).success().stdout(contains("Train: 43 images of 7 patients"));
    assert!(out.join("Train/Uninfected/bad.png").exists());
}
