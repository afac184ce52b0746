//! Inputs that could make the program wait for ever, use all memory, or disturb a terminal.
#![cfg(unix)]

use crate::cells::{QUICK_RECIPE, giemsa, save_brightness_model, save_grey};
use crate::folder::names_in;
use assert_cmd::assert::Assert;
use predicates::prelude::*;
use predicates::str::contains;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

/// Creates a folder with a model, a recipe, and the data folder `data` with images of several patients.
fn prepared() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    save_brightness_model(&root.join("model.safetensors"));
    fs::write(root.join("quick.toml"), QUICK_RECIPE).unwrap();
    for patient in 1..=4 {
        save_grey(&root.join(format!("data/Parasitized/C{patient}_a.png")), 10 * patient);
        save_grey(&root.join(format!("data/Uninfected/C{patient}_b.png")), 255 - 10 * patient);
    }
    folder
}

/// Runs the program in a folder, and fails if it waits for ever.
fn run(root: &Path, line: &str) -> Assert {
    run_with(root, line, "")
}

fn run_with(root: &Path, line: &str, input: impl Into<Vec<u8>>) -> Assert {
    let mut command = giemsa();
    command.current_dir(root).args(line.split(' ')).write_stdin(input).timeout(Duration::from_secs(60));
    command.assert()
}

fn make_pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn stdout(run: &Assert) -> String {
    String::from_utf8_lossy(&run.get_output().stdout).into_owned()
}

#[test]
fn no_command_waits_for_a_pipe_that_is_an_argument() {
    let folder = prepared();
    for name in ["pipe", "pipe.toml"] {
        make_pipe(&folder.path().join(name));
    }
    let cases = [
        ("predict --model model.safetensors pipe", 3),
        ("explain --model model.safetensors pipe --out out", 3),
        ("predict --model pipe data", 4),
        ("info --model pipe", 4),
        ("compare model.safetensors pipe data", 4),
        ("stats pipe", 3),
        ("show pipe", 3),
        ("evaluate --model model.safetensors pipe", 3),
        ("evaluate --model model.safetensors --patients pipe data", 3),
        ("split data out --test 0.5 --patients pipe", 3),
    ];
    for (line, code) in cases {
        let output = run(folder.path(), line).get_output().clone();
        assert_eq!(output.status.code(), Some(code), "{line}: {output:?}");
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(text.contains("pipe") && !text.contains("panicked"), "{line}: {text}");
    }
    for line in [
        "summary --recipe pipe.toml",
        "train data --recipe pipe.toml --out run",
        "pretrain data --recipe quick.toml --failures pipe",
    ] {
        run(folder.path(), line).failure().stderr(contains("a named pipe"));
    }
}

#[test]
fn a_pipe_in_a_class_folder_is_an_unreadable_image() {
    let folder = prepared();
    let root = folder.path();
    make_pipe(&root.join("data/Parasitized/C1_pipe.png"));
    let unreadable = "C1_pipe.png: expected a file, found a named pipe";
    for line in [
        "evaluate --model model.safetensors data --draws 100",
        "show data",
        "explain --model model.safetensors data --out out",
        "train data --recipe quick.toml --out run --max-unreadable 50",
    ] {
        run(root, line).code(5).stderr(contains(unreadable));
    }
    for line in ["predict --model model.safetensors data", "stats data"] {
        run(root, line).code(5).stdout(contains(unreadable));
    }
    // A split links or copies files without decoding them, and would pass the pipe on.
    run(root, "split data parts --test 0.5").code(3).stderr(contains(unreadable));
    assert!(!root.join("parts").exists());
}

#[test]
fn standard_input_is_an_argument_once() {
    let folder = prepared();
    for command in ["predict", "explain --out out"] {
        let run = run(folder.path(), &format!("{command} - -")).code(2);
        run.stdout("").stderr(contains("standard input").and(contains("once")));
    }
}

#[test]
fn a_line_without_end_on_standard_input_is_an_error() {
    let folder = prepared();
    let line = "predict --model model.safetensors -";
    let mut input = b"data/Parasitized/C1_a.png\n".to_vec();
    input.resize(1 << 20, 0);
    run_with(folder.path(), line, input).code(3).stdout(contains("C1_a.png")).stderr(contains("standard input"));
    let mut endless = std::process::Command::new(assert_cmd::cargo::cargo_bin("giemsa"));
    endless.current_dir(folder.path()).args(line.split(' ')).stdin(fs::File::open("/dev/zero").unwrap());
    let output = endless.output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}

#[test]
fn many_arguments_do_not_overflow_the_stack() {
    let folder = prepared();
    fs::write(folder.path().join("a"), "no image").unwrap();
    let mut command = giemsa();
    command.current_dir(folder.path()).args(["predict", "--format", "csv"]).args(std::iter::repeat_n("a", 150_000));
    command.assert().code(3).stderr(contains("none of the 150000 images"));
}

#[test]
fn the_number_of_resamples_and_threads_is_limited() {
    let folder = prepared();
    let draws = "evaluate --model model.safetensors data --draws";
    for n in ["99", "100001", "4294967295"] {
        run(folder.path(), &format!("{draws} {n}")).code(2).stderr(contains("--draws"));
    }
    let predict = |options: &str| {
        run(folder.path(), &format!("predict --model model.safetensors data --format csv{options}")).success()
    };
    let many = predict(" --threads 65535").stderr(contains("threads"));
    assert_eq!(stdout(&many), stdout(&predict(" --threads 1")));
    predict(" --threads 65535 --quiet").stderr("");
}

#[test]
fn predicts_the_images_beside_a_folder_that_cannot_be_read() {
    let folder = prepared();
    let root = folder.path();
    // Permissions do not stop the superuser, but folders that are nested too deeply are not read either.
    let deep = root.join("data/Parasitized/deep").join("d/".repeat(80));
    fs::create_dir_all(&deep).unwrap();
    save_grey(&deep.join("C9_z.png"), 1);
    let run_csv = run(root, "predict --model model.safetensors data --format csv").code(5);
    let (rows, expected) = (stdout(&run_csv), "folders are nested more than 64 deep");
    let is_predicted = |row: &&str| row.contains(",Parasitized,") || row.contains(",Uninfected,");
    assert_eq!(rows.lines().filter(is_predicted).count(), 8, "rows without an error: {rows}");
    assert_eq!(rows.matches(expected).count(), 1, "{rows}");
    let explained = run(root, "explain --model model.safetensors data --out out").code(5);
    explained.stderr(contains("unreadable: data/Parasitized/deep/d/").and(contains(expected)));
    assert_eq!(names_in(&root.join("out")).len(), 8);
    // A data set must not lose images without notice.
    for line in ["stats data", "evaluate --model model.safetensors data", "split data out2 --test 0.5"] {
        run(root, line).code(3).stdout("").stderr(contains(expected));
    }
}

#[test]
fn predicts_the_images_beside_a_folder_without_permission() {
    use std::os::unix::fs::PermissionsExt;
    let folder = prepared();
    let closed = folder.path().join("data/closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(&closed).is_ok() {
        eprintln!("skipped: permissions do not stop this user");
        return;
    }
    let run = run(folder.path(), "predict --model model.safetensors data").code(5);
    run.stdout(contains("data/closed: Permission denied").and(contains("9 images:")));
}

#[test]
fn lists_each_folder_once_however_many_links_lead_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    save_brightness_model(&root.join("model.safetensors"));
    for i in 0..7 {
        save_grey(&root.join(format!("web/{i}/{i}.png")), 0);
    }
    for (i, j) in (0..7).flat_map(|i| (0..7).map(move |j| (i, j))) {
        symlink(root.join(format!("web/{j}")), root.join(format!("web/{i}/to-{j}"))).unwrap();
    }
    run(root, "predict --model model.safetensors web").success().stdout(contains("7 images:"));
}

#[test]
fn skips_files_of_other_kinds_in_folders() {
    let folder = prepared();
    let root = folder.path();
    let image = fs::read(root.join("data/Parasitized/C1_a.png")).unwrap();
    for (name, content) in [
        ("README.txt", &b"Cells of four patients"[..]),
        ("labels.csv", b"BM,1\n"),
        ("notes", b"BM is the start of a bitmap"),
        ("Thumbs.db", b"x"),
        ("empty", b""),
        ("C5_bad.PNG", b"no image"),
        ("C6_animation.gif", b"GIF89a"),
        ("C7_without-extension", &image),
    ] {
        fs::write(root.join("data/Parasitized").join(name), content).unwrap();
    }
    let predicted = run(root, "predict --model model.safetensors data").code(5);
    let text = stdout(&predicted);
    assert!(
        text.contains("C7_without-extension") && text.contains("11 images:") && text.contains("2 unreadable"),
        "{text}"
    );
    assert!(text.contains("C5_bad.PNG: expected") && text.contains("C6_animation.gif: expected"), "{text}");
    run(root, "stats data").code(5).stdout(contains("unreadable: 2"));
    // A file that is an argument is always tried.
    run(root, "predict --model model.safetensors data/Parasitized/README.txt").code(3).stdout(contains("found text"));
}

#[test]
fn explains_images_with_the_longest_names() {
    let folder = prepared();
    let root = folder.path();
    // 255 bytes is the limit of most file systems. The second name has characters of three bytes.
    let names = ["a".repeat(251) + ".png", "a".repeat(250) + "b.png", "é€".repeat(50) + "e.png", "b".repeat(255)];
    for name in &names {
        fs::create_dir_all(root.join("long")).unwrap();
        fs::copy(root.join("data/Parasitized/C1_a.png"), root.join("long").join(name)).unwrap();
    }
    run(root, "explain --model model.safetensors long --out out").success();
    assert_eq!(names_in(&root.join("out")).len(), names.len());
}

/// A name that moves the cursor, sets the title of the window, begins a new row, and changes the direction of the text.
const NASTY: &str = "C1_\x1b[2J\x1b]0;t\x07\n\u{9b}\u{202e}.png";
const ESCAPED: &str = "C1_\\x1b[2J\\x1b]0;t\\x07\\n\\u{9b}\\u{202e}.png";

#[test]
fn escapes_control_characters_in_text_for_people() {
    let folder = prepared();
    let root = folder.path();
    let class = root.join("data/Uninfected");
    fs::copy(root.join("data/Parasitized/C1_a.png"), class.join(NASTY)).unwrap();
    fs::write(class.join(format!("bad-{NASTY}")), "no image").unwrap();
    let model = root.join("model.safetensors");
    fs::copy(&model, root.join("\x1b[1mother")).unwrap();
    let clean = |run: &Assert| {
        let output = run.get_output();
        for text in [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()) {
            let odd = text.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
            assert_eq!(odd, None, "{text:?}");
        }
    };
    for line in [
        "predict --model model.safetensors data",
        "explain --model model.safetensors data --out out",
        "show data",
        "stats data",
        "evaluate --model model.safetensors data --draws 100",
        "compare model.safetensors builtin data --draws 100",
    ] {
        let run = run(root, line).code(5);
        clean(&run);
        let output = run.get_output();
        let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
        assert!(text.contains(&format!("bad-{ESCAPED}")), "{line}: {text}");
    }
    clean(&run(root, "predict \x1b[31mtypo.png").code(2).stderr(contains("\\x1b[31mtypo.png: no such")));
    // CSV is for other programs.
    let csv = run(root, "predict --model model.safetensors data --format csv").code(5);
    assert!(stdout(&csv).contains(&format!("\"data/Uninfected/{NASTY}\",")), "{}", stdout(&csv));
}

#[test]
fn escapes_control_characters_of_a_model_card() {
    let folder = prepared();
    let path = folder.path().join("model.safetensors");
    let mut model = giemsa::model::Model::load(&path).unwrap();
    model.card = Some("# Card\n\n\x1b]0;title\x07\u{202e}text\n".to_owned());
    model.save(&path).unwrap();
    let expected = "# Card\n\n\\x1b]0;title\\x07\\u{202e}text\n";
    run(folder.path(), "info --model model.safetensors").success().stdout(expected);
}

#[cfg(target_os = "linux")]
#[test]
fn keeps_names_that_are_not_utf_8_distinct() {
    let folder = prepared();
    let root = folder.path();
    for name in [&b"C1_\xfe.png"[..], b"C1_\xff.png"] {
        fs::copy(root.join("data/Uninfected/C1_b.png"), root.join("data/Parasitized").join(OsStr::from_bytes(name)))
            .unwrap();
    }
    let contains_both = |bytes: &[u8]| {
        [b"C1_\xfe.png", b"C1_\xff.png"].iter().all(|name| bytes.windows(name.len()).any(|part| part == *name))
    };
    for line in [
        "explain --model model.safetensors data --out out",
        "compare model.safetensors other.safetensors data --draws 100",
    ] {
        let mut model = giemsa::model::Model::load(&root.join("model.safetensors")).unwrap();
        model.threshold = 0.001;
        model.save(&root.join("other.safetensors")).unwrap();
        let run = run(root, line).success();
        assert!(contains_both(&run.get_output().stdout), "{line}: {}", stdout(&run));
    }
    // The pictures keep the bytes of the names, too.
    assert!(root.join("out").join(OsStr::from_bytes(b"C1_\xfe.png")).exists());
    // The Base64 of "data/Parasitized/C1_\xfe.png" and of "…\xff.png", from Python's base64.b64encode.
    let encoded = ["ZGF0YS9QYXJhc2l0aXplZC9DMV/+LnBuZw==", "ZGF0YS9QYXJhc2l0aXplZC9DMV//LnBuZw=="];
    for line in [
        "predict --model model.safetensors data --format jsonl",
        "compare model.safetensors other.safetensors data --draws 100 --json",
    ] {
        let text = stdout(&run(root, line).success());
        assert!(encoded.iter().all(|bytes| text.matches(bytes).count() == 1), "{line}: {text}");
        assert_eq!(text.matches("path_bytes").count(), 2, "only names that are not UTF-8 need their bytes: {text}");
    }
    let named_odd = root.join("data/Parasitized").join(OsStr::from_bytes(b"C1_bad\xfe.png"));
    fs::write(named_odd, "no image").unwrap();
    run(root, "stats data --json")
        .code(5)
        .stdout(contains("\"path_bytes\": \"ZGF0YS9QYXJhc2l0aXplZC9DMV9iYWT+LnBuZw==\""));
}
