//! The exit code of every kind of failure, one row per case.

use crate::cells::{draw_cells, giemsa, giemsa_on_full_disk, place, save_brightness_model};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use std::fs;
use std::path::PathBuf;

/// A command line, its exit code, and a text in its error message.
type Case = (&'static str, i32, &'static str);

/// Creates a folder with `data` of 4 patients, `model.safetensors`, `quick.toml`, and unusable files.
fn prepared() -> (tempfile::TempDir, PathBuf) {
    let (folder, recipe) = place();
    let root = folder.path().to_owned();
    let recipe = fs::read_to_string(recipe).unwrap();
    let write = |name: &str, text: &str| fs::write(root.join(name), text).unwrap();
    draw_cells(&root.join("data"), 1, 4, 2);
    save_brightness_model(&root.join("model.safetensors"));
    fs::create_dir(root.join("empty")).unwrap();
    write("file", "a regular file");
    write("damaged.safetensors", "not a model");
    write("syntax.toml", "name = ");
    write("range.toml", &recipe.replace("epochs = 2", "epochs = 0"));
    write("layers.toml", &recipe.replace("{ kind = 'flatten' }, ", ""));
    (folder, root)
}

fn check(cases: &[Case]) {
    let (_folder, root) = prepared();
    for (line, code, expected) in cases {
        let run = giemsa().current_dir(&root).args(line.split(' ')).assert();
        let output = run.get_output();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*code), "{line}: {stderr}");
        assert!(stderr.contains(expected) && !stderr.contains(".giemsa-"), "{line}: {stderr}");
    }
}

#[test]
fn an_unwritable_destination_is_a_failure() {
    check(&[
        ("train data --recipe quick.toml --out file/x", 1, "file/x: Not a directory"),
        ("pretrain data --recipe quick.toml --out file/x", 1, "file/x: Not a directory"),
        ("cross-validate data --recipe quick.toml --folds 2 --out file/x", 1, "file/x: Not a directory"),
        ("split data file/x --test 0.5", 1, "error: file: "),
        ("show data --out file/x.png", 1, "file/x.png: Not a directory"),
        ("show data --out none/x.png", 1, "none/x.png: No such file or directory"),
        ("explain data --model model.safetensors --out file/x", 1, "file/x\n  because: Not a directory"),
        ("evaluate data --model model.safetensors --report file/x", 1, "file/x: Not a directory"),
        ("evaluate data --model model.safetensors --report file", 1, "file: Not a directory"),
        ("calibrate data --model model.safetensors --out file/x", 1, "file/x: Not a directory"),
        ("calibrate data --model model.safetensors --out none/x", 1, "none/x: No such file or directory"),
        ("demo file/x", 1, "file/x\n  because: Not a directory"),
        ("fetch file/x", 1, "file/x: Not a directory"),
        ("man --out file/x", 1, "file/x\n  because: Not a directory"),
        // The directory of the system's processes does not accept new files, whoever asks.
        ("calibrate data --model model.safetensors --out /proc/x", 1, "/proc/x: "),
        ("show data --out /proc/x.png", 1, "/proc/x.png: "),
        ("split data /proc/x --test 0.5", 1, "/proc"),
        ("evaluate data --model model.safetensors --report /proc/x", 1, "/proc/x"),
    ]);
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_a_failure() {
    let (_folder, root) = prepared();
    let cases: [Case; 5] = [
        ("calibrate data --out new.safetensors", 1, "new.safetensors: File too large"),
        ("show data --out new.png", 1, "new.png: File too large"),
        ("explain data/Uninfected/C1P1_cell_0.png --out new", 1, "new/C1P1_cell_0.png: File too large"),
        ("evaluate data --model model.safetensors --report new", 1, "new/"),
        ("man --out new", 1, "new/giemsa"),
    ];
    for (line, code, expected) in cases {
        let run = giemsa_on_full_disk(4).current_dir(&root).args(line.split(' ')).assert();
        run.code(code).stderr(contains(expected).and(contains("File too large")).and(contains(".giemsa-").not()));
    }
}

#[test]
fn a_path_that_does_not_exist_is_a_usage_error() {
    check(&[
        ("stats missing", 2, "missing: no such folder\nhint: `giemsa fetch` downloads"),
        ("show missing", 2, "missing: no such folder"),
        ("split missing out --test 0.5", 2, "missing: no such folder"),
        ("train missing --recipe quick.toml", 2, "missing: no such folder\nhint: `giemsa fetch` downloads"),
        ("train data --recipe quick.toml --validation missing", 2, "missing: no such folder"),
        ("train --resume missing", 2, "missing: not the folder of a training run"),
        ("cross-validate missing --recipe quick.toml", 2, "missing: no such folder"),
        ("pretrain missing --recipe quick.toml", 2, "missing: no such folder"),
        ("pretrain data --recipe quick.toml --failures missing.md", 2, "missing.md: No such file"),
        ("evaluate missing", 2, "missing: no such folder"),
        ("evaluate data --model missing", 2, "missing: No such file"),
        ("evaluate data --patients missing.csv", 2, "missing.csv: No such file"),
        ("compare builtin missing data", 2, "missing: No such file"),
        ("calibrate missing --out new", 2, "missing: no such folder"),
        ("predict missing.png", 2, "missing.png: no such file"),
        ("explain missing.png --out new", 2, "missing.png: no such file"),
        ("info --model missing", 2, "missing: No such file"),
        ("summary --model missing", 2, "missing: No such file"),
        ("summary --recipe missing.toml", 2, "missing.toml: No such file"),
    ]);
}

#[test]
fn faults_of_recipes_and_arguments_are_usage_errors() {
    check(&[
        ("summary --recipe unknown", 2, "unknown recipe `unknown`"),
        ("train data --recipe unknown", 2, "unknown recipe `unknown`"),
        ("train data --recipe syntax.toml", 2, "syntax.toml, line 1"),
        ("train data --recipe range.toml", 2, "expected `training.epochs` to be at least 1"),
        ("train data --recipe layers.toml", 2, "layers.toml, line 3"),
        ("cross-validate data --recipe layers.toml", 2, "layers.toml, line 3"),
        ("pretrain data --recipe quick.toml --baseline syntax.toml", 2, "syntax.toml, line 1"),
        ("train data --recipe quick.toml --image-size 100000", 2, "input.side_px"),
        ("train data --recipe quick.toml --batch-size 4294967295", 2, "training.batch_size"),
        ("train data --recipe quick.toml --epochs 18446744073709551615", 2, "training.epochs"),
        ("train data --recipe quick.toml --epochs 18446744073709551616", 2, "--epochs"),
        ("evaluate data --patient-pattern (", 2, "invalid patient pattern `(`"),
        ("train data --recipe quick.toml --patient-pattern (", 2, "invalid patient pattern `(`"),
        ("split data new --test 0.5 --patient-pattern (", 2, "invalid patient pattern `(`"),
        ("calibrate data --model builtin --in-place", 2, "--out"),
    ]);
}

#[test]
fn unusable_data_and_models_have_codes_of_their_own() {
    check(&[
        ("stats empty", 3, "empty: "),
        ("evaluate empty", 3, "empty: "),
        ("evaluate file", 3, "file: expected a folder"),
        ("evaluate data --patients file", 3, "file:1: expected a file and its patient"),
        ("cross-validate data --recipe quick.toml --folds 65535 --out new", 3, "expected at least 65535 patients"),
        ("predict file", 3, "the image cannot be used"),
        ("predict data --model damaged.safetensors", 4, "damaged.safetensors: "),
        ("compare builtin damaged.safetensors data", 4, "damaged.safetensors: "),
        ("evaluate data --model empty", 4, "empty: expected a file, found a folder"),
        ("predict data file", 5, ""),
    ]);
}

/// A stream that is closed or full is no reason to panic, and a full standard output is a failure.
#[cfg(target_os = "linux")]
#[test]
fn closed_and_full_streams_do_not_panic() {
    let (_folder, root) = prepared();
    fs::write(root.join("data/Uninfected/C2P1_broken.png"), "no image").unwrap();
    let cases = [
        ("evaluate data --model model.safetensors --draws 100", 5),
        ("explain data --model model.safetensors --out evidence", 5),
        ("predict data --model model.safetensors --format csv", 5),
        ("show data --per-class 50", 5),
        ("stats data", 5),
        ("stats missing", 2),
        ("--help", 0),
    ];
    for (line, code) in cases {
        for (streams, may_fail) in [("2>&-", false), ("2>/dev/full", false), (">&-", false), (">/dev/full", true)] {
            let mut command = assert_cmd::Command::new("sh");
            let script = format!("exec \"$0\" {line} {streams}");
            let run = command.current_dir(&root).args(["-c", &script]).arg(giemsa().get_program()).assert();
            let output = run.get_output();
            let stderr = String::from_utf8_lossy(&output.stderr);
            let found = output.status.code();
            let named =
                || found == Some(1) && stderr.contains("error: standard output\n  because: No space left on device");
            assert!(found == Some(code) || may_fail && named(), "{line} {streams}: {found:?} {stderr}");
        }
    }
}
