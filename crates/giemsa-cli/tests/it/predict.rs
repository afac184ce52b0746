//! The command `giemsa predict`.

use crate::cells::{giemsa, place, save_brightness_model, save_grey, save_overflowing_model};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Creates a folder with `model.safetensors` and images of three greys. The model classifies 0 and 51 as Parasitized, and
/// 255 as Uninfected.
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
fn prints_one_row_per_image_of_a_folder_in_order() {
    let (_folder, root) = prepared();
    let output = predict(&root, &["cells", "--format", "jsonl"]).assert().success();
    let rows = rows(&output);
    assert_eq!(paths(&rows), ["cells/a.png", "cells/b.png", "cells/more/c.png"]);
    // The logits are -5, -3 and 5. The sigmoid of 5 is 0.9933071, and of 3 it is 0.9525741.
    let expected = [("Parasitized", 0.993_307_1), ("Parasitized", 0.952_574_1), ("Uninfected", 1.0 - 0.993_307_1)];
    for (row, (class, probability)) in rows.iter().zip(expected) {
        assert_eq!(row["predicted"], class);
        let of = |class: &str| row["probability"][class].as_f64().unwrap();
        assert!((of("Parasitized") - probability).abs() < 2e-6, "{row}");
        assert!((of("Parasitized") + of("Uninfected") - 1.0).abs() < 1e-9, "{row}");
    }
    output.stderr(contains("For research use only, not for diagnosis."));
}

#[test]
fn prints_rows_in_the_order_of_the_arguments() {
    let (_folder, root) = prepared();
    let output = predict(&root, &["cells/more", "cells/b.png", "cells/?.png", "--format", "jsonl"]).assert().success();
    assert_eq!(paths(&rows(&output)), ["cells/more/c.png", "cells/b.png", "cells/a.png", "cells/b.png"]);
}

#[test]
fn reads_a_list_of_paths_from_standard_input() {
    let (_folder, root) = prepared();
    let list = "cells/b.png\r\n\ncells/a.png\ncells/more/c.png";
    let output = predict(&root, &["-", "--format", "jsonl"]).write_stdin(list).assert().success();
    assert_eq!(paths(&rows(&output)), ["cells/b.png", "cells/a.png", "cells/more/c.png"]);
}

#[test]
fn keeps_the_order_over_many_blocks() {
    let (_folder, root) = prepared();
    let list: Vec<String> =
        (0..1003).map(|i| ["cells/a.png", "nothing.png", "cells/more/c.png"][i % 3].into()).collect();
    let output = predict(&root, &["-", "--format", "jsonl"]).write_stdin(list.join("\n")).assert().code(5);
    let rows = rows(&output);
    assert_eq!(paths(&rows), list);
    for (row, path) in rows.iter().zip(&list) {
        let class = ["Parasitized", "Uninfected"][usize::from(path == "cells/more/c.png")];
        assert!(if path == "nothing.png" { row["error"].is_string() } else { row["predicted"] == class }, "{row}");
    }
}

#[test]
fn prints_a_row_with_the_error_for_an_unreadable_image() {
    let (_folder, root) = prepared();
    let whole = fs::read(root.join("cells/a.png")).unwrap();
    fs::write(root.join("cells/cut.png"), &whole[..whole.len() / 2]).unwrap();
    fs::write(root.join("cells/empty.png"), "").unwrap();
    fs::write(root.join("cells/text.png"), "not an image").unwrap();
    // The content decides, not the extension.
    fs::write(root.join("cells/wrong.jpg"), &whole).unwrap();
    let output = predict(&root, &["cells", "-", "--format", "jsonl"]).write_stdin("missing.png").assert().code(5);
    let rows = rows(&output);
    assert_eq!(rows.len(), 8);
    for row in &rows {
        let path = row["path"].as_str().unwrap();
        let bad = ["cut.png", "empty.png", "text.png", "missing.png"].iter().any(|name| path.ends_with(name));
        assert_eq!(row["error"].is_string(), bad, "{row}");
        assert_eq!(row["predicted"].is_null(), bad, "{row}");
    }
}

/// A PNG of 8 x 8 pixels with a palette of four bytes: a colour, and a third of a colour.
const BROKEN_PALETTE: &[u8] = b"\x89PNG\x0d\x0a\x1a\x0a\x00\x00\x00\x0dIHDR\x00\x00\x00\x08\x00\x00\x00\x08\x08\x03\x00\x00\x00\xf3\xd1N\xb9\x00\x00\x00\x04PLTE\
    abcdxe\xbcw\x00\x00\x00\x0eIDATx\xdaca\x80\x02\x16\xca\x18\x00\x05X\x00!\xe7\xe0\xeb\x8e\x00\x00\x00\x00IEND\xaeB`\x82";

#[test]
fn an_image_on_which_a_decoder_panics_or_prints_costs_one_row() {
    let (_folder, root) = prepared();
    fs::write(root.join("palette.png"), BROKEN_PALETTE).unwrap();
    // The width is text of 1 GiB.
    let directory = b"\x01\0\0\x01\x02\0\0\0\0\x40\x08\0\0\0\0\0\0\0";
    fs::write(root.join("text.tif"), [b"II*\0\x08\0\0\0", &directory[..]].concat()).unwrap();
    let bad = ["palette.png", "text.tif"];
    let run = predict(&root, &["--quiet", "cells", "palette.png", "text.tif", "--format", "jsonl"]).assert().code(5);
    let run = run.stderr(contains("panicked").or(contains("LimitsExceeded")).not());
    let rows = rows(&run);
    assert_eq!(rows.len(), 5);
    for row in &rows {
        assert_eq!(row["error"].is_string(), bad.iter().any(|name| row["path"] == *name), "{row}");
    }
}

#[test]
fn csv_has_a_header_and_names_the_predicted_class() {
    let (_folder, root) = prepared();
    let output = predict(&root, &["cells/a.png", "-", "--format", "csv"]).write_stdin("missing.png").assert().code(5);
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "path,predicted,probability_parasitized,probability_uninfected,error,cell,class,reason");
    assert!(lines[1].starts_with("cells/a.png,Parasitized,0.99330"), "{text}");
    assert!(lines[2].starts_with("missing.png,,,,") && lines.len() == 3, "{text}");
}

#[test]
fn text_shows_the_probability_of_parasitized_then_totals_and_threshold() {
    let (_folder, root) = prepared();
    let output = predict(&root, &["cells"]).assert().success();
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    let expected = "\
Parasitized  P(Parasitized) = 0.993  cells/a.png
Parasitized  P(Parasitized) = 0.953  cells/b.png
Uninfected   P(Parasitized) = 0.007  cells/more/c.png
3 images: 2 Parasitized, 1 Uninfected. Decision threshold: P(Parasitized) >= 0.500.
For research use only, not for diagnosis.
";
    assert_eq!(text, expected);
}

#[test]
fn exits_with_3_if_there_are_no_images() {
    let (_folder, root) = prepared();
    fs::create_dir(root.join("empty")).unwrap();
    for format in ["text", "csv", "jsonl"] {
        let empty = ["empty", "--format", format];
        predict(&root, &empty).assert().code(3).stdout("").stderr(contains("no images found in empty"));
        let list = ["-", "--format", format];
        predict(&root, &list).write_stdin("\n").assert().code(3).stdout("").stderr(contains("standard input"));
    }
}

#[test]
fn exits_with_2_if_an_argument_does_not_exist() {
    let (_folder, root) = prepared();
    let cases = [("cells/typo.png", "no such file or folder"), ("cells/*.jpg", "no file matches the pattern")];
    for (path, message) in cases {
        let output = predict(&root, &["cells", path]).assert().code(2).stdout("");
        output.stderr(contains(path).and(contains(message)));
    }
}

#[test]
fn exits_with_3_if_no_image_can_be_read() {
    let (_folder, root) = prepared();
    fs::write(root.join("text.png"), "not an image").unwrap();
    let run = predict(&root, &["text.png"]).assert().code(3);
    run.stdout(contains("unreadable")).stderr(contains("the image cannot be used"));
    let run = predict(&root, &["-", "--format", "jsonl"]).write_stdin("text.png\nmissing.png").assert().code(3);
    assert_eq!(paths(&rows(&run)), ["text.png", "missing.png"]);
    run.stderr(contains("none of the 2 images can be used"));
}

#[test]
fn exits_with_4_and_the_path_if_the_model_is_invalid() {
    let (_folder, root) = prepared();
    let whole = fs::read(root.join("model.safetensors")).unwrap();
    fs::write(root.join("cut.safetensors"), &whole[..100]).unwrap();
    for name in ["cut.safetensors", "cells/a.png", "cells"] {
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
fn exits_with_4_if_the_output_of_the_model_is_not_finite() {
    let (_folder, root) = prepared();
    save_overflowing_model(&root.join("model.safetensors"));
    let run = predict(&root, &["cells"]).assert().code(4);
    run.stderr(contains("model.safetensors").and(contains("the output of the model is not finite (inf)")));
}

#[test]
fn a_closed_pipe_is_not_an_error() {
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
fn paths_that_are_not_utf8_are_unchanged_in_text_and_csv_and_lossy_in_json() {
    use std::os::unix::ffi::OsStrExt;
    let (_folder, root) = prepared();
    let name = b"cells/d\xff.png";
    let strange = std::ffi::OsStr::from_bytes(name);
    fs::copy(root.join("cells/a.png"), root.join(strange)).unwrap();
    for argument in [strange, std::ffi::OsStr::new("cells")] {
        let output = predict(&root, &["--format", "jsonl"]).arg(argument).assert().success();
        let rows = rows(&output);
        let row = rows.iter().find(|row| row["path"] == "cells/d\u{fffd}.png").unwrap();
        assert_eq!(row["predicted"], "Parasitized");
        for format in ["text", "csv"] {
            let output = predict(&root, &["--format", format]).arg(argument).assert().success();
            let stdout = &output.get_output().stdout;
            assert!(stdout.windows(name.len()).any(|bytes| bytes == name), "{}", String::from_utf8_lossy(stdout));
        }
    }
}

#[test]
fn builtin_names_the_built_in_model() {
    let (_folder, root) = prepared();
    let csv = |model: &[&str]| {
        let mut command = giemsa();
        command.current_dir(&root).args(["predict", "cells", "--format", "csv"]).args(model);
        command.assert().success().get_output().stdout.clone()
    };
    assert_eq!(csv(&["--model", "builtin"]), csv(&[]));
    assert_ne!(csv(&["--model", "builtin"]), csv(&["--model", "model.safetensors"]));
}
