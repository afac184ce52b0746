//! `giemsa show`.

use crate::cells::{draw_cells, giemsa};
use crate::folder::names_in;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

#[test]
fn shows_samples_of_each_class_on_one_picture_the_same_for_the_same_seed() {
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
fn classes_may_have_any_name_and_those_that_cannot_be_read_are_listed() {
    let place = tempfile::tempdir().unwrap();
    draw_cells(&place.path().join("all"), 1, 1, 2);
    std::fs::rename(place.path().join("all/Parasitized"), place.path().join("all/cats")).unwrap();
    std::fs::write(place.path().join("all/cats/broken.png"), "no image").unwrap();
    let run = giemsa().current_dir(&place).args(["show", "all"]).assert().code(5);
    run.stderr(contains("unreadable:").and(contains("broken.png")));
    assert_eq!(names_in(place.path()), ["all", "sheet.png"]);
}

#[test]
fn an_empty_folder_and_one_without_readable_images_are_the_data_at_fault() {
    let place = tempfile::tempdir().unwrap();
    giemsa().current_dir(&place).args(["show", "nowhere"]).assert().code(3).stderr(contains("nowhere"));
    std::fs::create_dir_all(place.path().join("d/Uninfected")).unwrap();
    std::fs::write(place.path().join("d/Uninfected/a.png"), "x").unwrap();
    let run = giemsa().current_dir(&place).args(["show", "d"]).assert().code(3);
    run.stderr(contains("expected images that can be read, found none"));
    assert_eq!(names_in(place.path()), ["d"]);
}

#[test]
fn a_file_that_is_no_picture_is_not_replaced_and_one_that_is_one_is() {
    let place = tempfile::tempdir().unwrap();
    draw_cells(&place.path().join("cells"), 1, 1, 2);
    let show = || giemsa().current_dir(&place).args(["show", "cells", "--quiet", "--out", "out"]).assert();
    for precious in ["my thesis, the only copy", ""] {
        std::fs::write(place.path().join("out"), precious).unwrap();
        show().code(1).stderr(contains("expected a new file or a PNG file"));
        assert_eq!(std::fs::read_to_string(place.path().join("out")).unwrap(), precious);
    }
    std::fs::remove_file(place.path().join("out")).unwrap();
    show().success().stdout("");
    show().success().stdout("");
}
