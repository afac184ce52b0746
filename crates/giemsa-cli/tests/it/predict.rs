//! `giemsa predict` as a user meets it.

use crate::cells::{giemsa, place, save_brightness_model, save_grey};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder with `model.safetensors` and images of three greys: 0 and 51 are parasitized to the model, 255 is not.
fn prepared() -> (tempfile::TempDir, PathBuf) {
    let (folder, _) = place();
    let root = folder.path().to_owned();
    save_brightness_model(&root.join("model.safetensors"));
    for (name, grey) in [("cells/b.png", 51), ("cells/a.png", 0), ("cells/more/c.png", 255)] {
        save_grey(&root.join(name), grey);
    }
    (folder, root)
}

fn predict(root: &Path, more: &[&str]) -> assert_cmd::Command {
    let mut command = giemsa();
    command.current_dir(root).args(["predict", "--model", "model.safetensors"]).args(more);
    command
}

fn rows(output: &assert_cmd::assert::Assert) -> Vec<Value> {
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn paths(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["path"].as_str().unwrap()).collect()
}

#[test]
fn every_image_of_a_folder_has_a_row_in_order() {
    let (_folder, root) = prepared();
    let output = predict(&root, &["cells", "--format", "jsonl"]).assert().success();
    let rows = rows(&output);
    assert_eq!(paths(&rows), ["cells/a.png", "cells/b.png", "cells/more/c.png"]);
    // The logits are -5, -3 and 5; the logistic function of 5 is 0.9933071, of 3 it is 0.9525741.
    let expected = [("Parasitized", 0.993_307_1), ("Parasitized", 0.952_574_1), ("Uninfected", 1.0 - 0.993_307_1)];
    for (row, (class, probability)) in rows.iter().zip(expected) {
        assert_eq!(row["class"], class);
        let of = |class: &str| row["probability"][class].as_f64().unwrap();
        assert!((of("Parasitized") - probability).abs() < 2e-6, "{row}");
        assert!((of("Parasitized") + of("Uninfected") - 1.0).abs() < 1e-9, "{row}");
    }
    output.stderr(contains("For research use only, not for diagnosis."));
}

#[test]
fn rows_are_in_the_order_of_the_arguments() {
    let (_folder, root) = prepared();
    let output = predict(&root, &["cells/more", "cells/b.png", "cells/?.png", "--format", "jsonl"]).assert().success();
    assert_eq!(paths(&rows(&output)), ["cells/more/c.png", "cells/b.png", "cells/a.png", "cells/b.png"]);
}

#[test]
fn a_list_on_standard_input_is_taken() {
    let (_folder, root) = prepared();
    let list = "cells/b.png\r\n\ncells/a.png\ncells/more/c.png";
    let output = predict(&root, &["-", "--format", "jsonl"]).write_stdin(list).assert().success();
    assert_eq!(paths(&rows(&output)), ["cells/b.png", "cells/a.png", "cells/more/c.png"]);
}

#[test]
fn order_is_kept_over_many_blocks() {
    let (_folder, root) = prepared();
    let list: Vec<String> =
        (0..1003).map(|i| ["cells/a.png", "nothing.png", "cells/more/c.png"][i % 3].into()).collect();
    let output = predict(&root, &["-", "--format", "jsonl"]).write_stdin(list.join("\n")).assert().code(5);
    let rows = rows(&output);
    assert_eq!(paths(&rows), list);
    for (row, path) in rows.iter().zip(&list) {
        let class = ["Parasitized", "Uninfected"][usize::from(path == "cells/more/c.png")];
        assert!(if path == "nothing.png" { row["error"].is_string() } else { row["class"] == class }, "{row}");
    }
}

#[test]
fn what_cannot_be_read_is_a_row_with_the_reason() {
    let (_folder, root) = prepared();
    let whole = fs::read(root.join("cells/a.png")).unwrap();
    fs::write(root.join("cells/cut.png"), &whole[..whole.len() / 2]).unwrap();
    fs::write(root.join("cells/empty.png"), "").unwrap();
    fs::write(root.join("cells/text.png"), "I am no picture").unwrap();
    // A picture by content, whatever it is called.
    fs::write(root.join("cells/wrong.jpg"), &whole).unwrap();
    let output = predict(&root, &["cells", "missing.png", "--format", "jsonl"]).assert().code(5);
    let rows = rows(&output);
    assert_eq!(rows.len(), 8);
    for row in &rows {
        let path = row["path"].as_str().unwrap();
        let bad = ["cut.png", "empty.png", "text.png", "missing.png"].iter().any(|name| path.ends_with(name));
        assert_eq!(row["error"].is_string(), bad, "{row}");
        assert_eq!(row["class"].is_null(), bad, "{row}");
    }
}

#[test]
fn csv_has_a_line_of_names_and_text_is_for_people() {
    let (_folder, root) = prepared();
    let output = predict(&root, &["cells/a.png", "missing.png", "--format", "csv"]).assert().code(5);
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "path,class,probability_parasitized,probability_uninfected,error");
    assert!(lines[1].starts_with("cells/a.png,Parasitized,0.99330"), "{text}");
    assert!(lines[2].starts_with("missing.png,,,,") && lines.len() == 3, "{text}");
    predict(&root, &["cells/a.png"]).assert().success().stdout(
        contains("Parasitized   99.3 %  cells/a.png\n").and(contains("For research use only, not for diagnosis.")),
    );
}

#[test]
fn a_model_that_is_none_exits_with_4_and_is_named() {
    let (_folder, root) = prepared();
    let whole = fs::read(root.join("model.safetensors")).unwrap();
    fs::write(root.join("cut.safetensors"), &whole[..100]).unwrap();
    for name in ["cut.safetensors", "cells/a.png", "missing.safetensors", "cells"] {
        giemsa()
            .current_dir(&root)
            .args(["predict", "--model", name, "cells"])
            .assert()
            .code(4)
            .stdout("")
            .stderr(contains(name));
    }
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let (_folder, root) = prepared();
    let list = "cells/a.png\n".repeat(5000);
    fs::write(root.join("list"), list).unwrap();
    let script = "\"$0\" predict --model model.safetensors --quiet - --format jsonl < list | head -n 1";
    let mut command = assert_cmd::Command::new("bash");
    command.current_dir(&root).args(["-o", "pipefail", "-c", script]).arg(assert_cmd::cargo::cargo_bin("giemsa"));
    let output = command.assert().success().stderr("");
    assert_eq!(rows(&output).len(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_not_utf8_keep_their_row() {
    use std::os::unix::ffi::OsStrExt;
    let (_folder, root) = prepared();
    let strange = std::ffi::OsStr::from_bytes(b"cells/d\xff.png");
    fs::copy(root.join("cells/a.png"), root.join(strange)).unwrap();
    for argument in [strange, std::ffi::OsStr::new("cells")] {
        let output = predict(&root, &["--format", "jsonl"]).arg(argument).assert().success();
        let rows = rows(&output);
        let row = rows.iter().find(|row| row["path"] == "cells/d\u{fffd}.png").unwrap();
        assert_eq!(row["class"], "Parasitized");
    }
}
