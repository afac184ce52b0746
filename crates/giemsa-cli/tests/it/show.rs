//! `giemsa show`.

use crate::cells::{draw_cells, giemsa};
use crate::folder::names_in;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

#[test]
fn draws_the_same_images_of_each_class_for_the_same_seed() {
    let place = tempfile::tempdir().unwrap();
    draw_cells(&place.path().join("cells"), 1, 4, 5);
    let show = |seed: &str, out: &str| {
        let arguments = ["show", "cells", "--per-class", "9", "--seed", seed, "--out", out];
        giemsa().current_dir(&place).args(arguments).assert().success().stdout(contains(format!("Wrote {out}")));
        image::open(place.path().join(out)).unwrap().to_rgb8()
    };
    let (first, again, other) = (show("1", "a.png"), show("1", "b.png"), show("2", "c.png"));
    // Two classes of two rows: 12 px of gap, and twice a title of 40 and two rows of 128 + 2 * 15 + 12.
    assert_eq!(first.dimensions(), (12 + 8 * 140, 12 + 2 * (40 + 2 * 170)));
    assert_eq!(first, again);
    assert_ne!(first, other);
}

#[test]
fn accepts_any_class_names_and_lists_unreadable_images() {
    let place = tempfile::tempdir().unwrap();
    draw_cells(&place.path().join("all"), 1, 1, 2);
    std::fs::rename(place.path().join("all/Parasitized"), place.path().join("all/cats")).unwrap();
    std::fs::write(place.path().join("all/cats/broken.png"), "not an image").unwrap();
    let run = giemsa().current_dir(&place).args(["show", "all"]).assert().code(5);
    run.stderr(contains("unreadable:").and(contains("broken.png")));
    assert_eq!(names_in(place.path()), ["all", "sheet.png"]);
}

#[test]
fn exits_with_3_if_there_are_no_readable_images() {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(place.path().join("d/Uninfected")).unwrap();
    std::fs::write(place.path().join("d/Uninfected/a.png"), "x").unwrap();
    let run = giemsa().current_dir(&place).args(["show", "d"]).assert().code(3);
    run.stderr(contains("no readable images in this folder"));
    assert_eq!(names_in(place.path()), ["d"]);
}

#[test]
fn rejects_the_extension_of_another_format() {
    let place = tempfile::tempdir().unwrap();
    draw_cells(&place.path().join("cells"), 1, 1, 2);
    let run = giemsa().current_dir(&place).args(["show", "cells", "--out", "sheet.jpg"]).assert();
    run.code(2).stderr(contains("sheet.jpg").and(contains("expected a name that ends in .png")));
    assert_eq!(names_in(place.path()), ["cells"]);
    giemsa().current_dir(&place).args(["show", "cells", "--out", "sheet.PNG"]).assert().success();
}

#[test]
fn shows_the_classes_of_each_part_separately() {
    let place = tempfile::tempdir().unwrap();
    draw_cells(&place.path().join("cells/Train"), 1, 1, 2);
    draw_cells(&place.path().join("cells/Test"), 2, 1, 2);
    giemsa().current_dir(&place).args(["show", "cells", "--out", "a.png"]).assert().success();
    let sheet = image::open(place.path().join("a.png")).unwrap();
    // Four groups of one row: 12 px of gap, and a title of 40 and a row of 128 + 2 * 15 + 12 each.
    assert_eq!(sheet.height(), 12 + 4 * (40 + 170));
}
