//! No command replaces an input, or a file that it did not make; reports appear whole or not at all.

use crate::cells::{QUICK_RECIPE, draw_cells, giemsa, giemsa_on_full_disk, place, save_brightness_model, save_grey};
use crate::folder::names_in;
use assert_cmd::assert::Assert;
use giemsa::model::Model;
use predicates::prelude::*;
use predicates::str::contains;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Creates a folder with `data` of 4 patients, `model.safetensors` and `quick.toml`.
fn prepared() -> (tempfile::TempDir, PathBuf) {
    let (folder, _) = place();
    let root = folder.path().to_owned();
    draw_cells(&root.join("data"), 1, 4, 2);
    save_brightness_model(&root.join("model.safetensors"));
    (folder, root)
}

fn run(root: &Path, line: &str) -> Assert {
    giemsa().current_dir(root).args(line.split(' ')).assert()
}

/// Returns all files below a folder with their content.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for name in names_in(folder) {
        let path = folder.join(name);
        if path.is_dir() {
            files.extend(snapshot(&path));
        } else {
            files.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    files
}

#[test]
fn explain_never_replaces_an_image() {
    let (_folder, root) = prepared();
    save_grey(&root.join("cell.png"), 120);
    save_grey(&root.join("other/cell.png"), 20);
    #[cfg(unix)]
    {
        fs::create_dir(root.join("linked")).unwrap();
        fs::hard_link(root.join("cell.png"), root.join("linked/cell.png")).unwrap();
    }
    let before = snapshot(&root);
    let lines = [
        "explain cell.png --out .",
        "explain data --out data/Uninfected",
        // The picture of the first image has the name of the second image.
        "explain cell.png other/cell.png --out other",
        "explain cell.png --out linked",
    ];
    for line in lines {
        for force in ["", " --force"] {
            let line = format!("{line}{force} --model model.safetensors");
            run(&root, &line).code(1).stdout("").stderr(contains("choose another name"));
            assert!(snapshot(&root) == before, "{line}");
        }
    }
}

#[test]
fn explain_replaces_earlier_pictures_but_no_other_files() {
    let (_folder, root) = prepared();
    save_grey(&root.join("cell.png"), 120);
    save_grey(&root.join("mine/cell.png"), 20);
    let explain = |out: &str| run(&root, &format!("explain cell.png --model model.safetensors --out {out}"));
    explain("evidence").success();
    let first = snapshot(&root.join("evidence"));
    explain("evidence").success();
    assert!(snapshot(&root.join("evidence")) == first);
    let before = snapshot(&root.join("mine"));
    let refused = contains("mine/cell.png: this file exists and was not made by giemsa").and(contains("--force"));
    explain("mine").code(1).stderr(refused);
    assert!(snapshot(&root.join("mine")) == before);
    explain("mine --force").success();
    assert!(snapshot(&root.join("mine")) != before);
    // A picture is an image, too.
    run(&root, "explain evidence/cell.png --model model.safetensors --out evidence").code(1);
    assert!(snapshot(&root.join("evidence")) == first);
}

#[test]
fn show_replaces_an_earlier_sheet_but_no_other_file() {
    let (_folder, root) = prepared();
    run(&root, "show data --quiet").success();
    run(&root, "show data --quiet --per-class 1").success();
    save_grey(&root.join("mine.png"), 20);
    fs::write(root.join("empty.png"), "").unwrap();
    let before = snapshot(&root);
    for name in ["mine.png", "empty.png"] {
        run(&root, &format!("show data --out {name}")).code(1).stderr(contains(name).and(contains("--force")));
    }
    for force in ["", " --force"] {
        let line = format!("show data --out data/Uninfected/C1P1_cell_0.png{force}");
        run(&root, &line).code(1).stderr(contains("is an input"));
    }
    assert!(snapshot(&root) == before);
    run(&root, "show data --force --out mine.png").success();
    assert!(image::open(root.join("mine.png")).unwrap().width() > 100);
}

#[test]
fn a_plot_of_bench_does_not_replace_another_file() {
    let (_folder, root) = prepared();
    save_grey(&root.join("mine.png"), 20);
    run(&root, "bench --growth mine.png").code(1).stderr(contains("mine.png").and(contains("--force")));
}

#[test]
fn man_replaces_earlier_pages_but_no_other_file() {
    let (_folder, root) = prepared();
    for _ in 0..2 {
        run(&root, "man --out man1").success();
    }
    let page = fs::read(root.join("man1/giemsa-fetch.1")).unwrap();
    fs::write(root.join("man1/giemsa-show.1"), "mine").unwrap();
    fs::remove_file(root.join("man1/giemsa.1")).unwrap();
    run(&root, "man --out man1").code(1).stderr(contains("man1/giemsa-show.1").and(contains("--force")));
    assert_eq!(fs::read(root.join("man1/giemsa-show.1")).unwrap(), b"mine");
    assert!(!root.join("man1/giemsa.1").exists(), "writes no page before all are checked");
    run(&root, "man --out man1 --force").success();
    assert_eq!(fs::read(root.join("man1/giemsa-fetch.1")).unwrap(), page);
}

#[test]
fn a_report_replaces_an_earlier_report_but_no_other_folder() {
    let (_folder, root) = prepared();
    let evaluate =
        |out: &str| run(&root, &format!("evaluate data --model model.safetensors --draws 100 --report {out}"));
    fs::create_dir(root.join("report")).unwrap();
    for _ in 0..2 {
        evaluate("report").success();
        assert_eq!(names_in(&root.join("report")), ["index.html", "metrics.json", "plots", "predictions.csv"]);
    }
    let before = snapshot(&root);
    for out in ["data", "."] {
        evaluate(out)
            .code(1)
            .stdout("")
            .stderr(contains("expected a new or empty folder").and(contains("for the report")));
    }
    assert!(snapshot(&root) == before);
    fs::write(root.join("report/plots/mine.svg"), "mine").unwrap();
    let before = snapshot(&root);
    evaluate("report").code(1).stderr(contains("report: expected a new or empty folder"));
    assert!(snapshot(&root) == before);
}

#[cfg(unix)]
#[test]
fn a_report_that_cannot_be_written_leaves_no_file() {
    let (_folder, root) = prepared();
    let evaluate = ["evaluate", "data", "--model", "model.safetensors", "--draws", "100", "--report", "new"];
    let full = || {
        let mut command = giemsa_on_full_disk(16);
        let run = command.current_dir(&root).args(evaluate).assert().code(1);
        run.stderr(contains("new/").and(contains("File too large")).and(contains(".giemsa-").not()));
    };
    let before = snapshot(&root);
    full();
    assert!(snapshot(&root) == before && !root.join("new").exists());
    giemsa().current_dir(&root).args(evaluate).assert().success();
    let before = snapshot(&root);
    fs::remove_file(root.join("data/Uninfected/C1P1_cell_0.png")).unwrap();
    full();
    fs::write(root.join("data/Uninfected/C1P1_cell_0.png"), &before[&root.join("data/Uninfected/C1P1_cell_0.png")])
        .unwrap();
    assert!(snapshot(&root) == before, "the earlier report has changed");
}

#[cfg(unix)]
#[test]
fn a_failed_report_of_a_cross_validation_leaves_the_earlier_one() {
    let (_folder, root) = prepared();
    let line = "cross-validate data --recipe quick.toml --folds 2 --out cv --draws";
    run(&root, &format!("{line} 100")).success();
    let before = snapshot(&root);
    let mut command = giemsa_on_full_disk(16);
    command.current_dir(&root).args(line.split(' ')).arg("200").assert().code(1).stderr(contains("cv/"));
    assert!(snapshot(&root) == before);
    run(&root, &format!("{line} 200")).success();
    let after = snapshot(&root);
    assert!(before.keys().eq(after.keys()) && before != after);
}

#[test]
fn calibrate_replaces_a_model_only_by_force_and_nothing_else() {
    let (_folder, root) = prepared();
    let calibrate = |more: &str| run(&root, &format!("calibrate data --model model.safetensors {more}"));
    save_brightness_model(&root.join("other.safetensors"));
    fs::write(root.join("notes"), "mine").unwrap();
    let before = snapshot(&root);
    calibrate("--out other.safetensors").code(1).stderr(contains("other.safetensors").and(contains("--force")));
    calibrate("--out notes --force").code(1).stderr(contains("notes"));
    calibrate("--out data/Uninfected/C1P1_cell_0.png --force").code(1);
    calibrate("--out model.safetensors --force").code(1).stderr(contains("is an input"));
    assert!(snapshot(&root) == before);
    calibrate("--out other.safetensors --force").success();
    assert_ne!(Model::load(&root.join("other.safetensors")).unwrap().temperature, 1.0);
}

#[cfg(unix)]
#[test]
fn calibrate_never_replaces_a_checkpoint_under_any_name() {
    let (_folder, root) = prepared();
    run(&root, "train data --recipe quick.toml --out run").success();
    let checkpoint = root.join("run/last.safetensors");
    fs::hard_link(&checkpoint, root.join("hard")).unwrap();
    std::os::unix::fs::symlink("run/last.safetensors", root.join("soft")).unwrap();
    let mut damaged = fs::read(&checkpoint).unwrap();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    fs::write(root.join("damaged"), &damaged).unwrap();
    fs::write(root.join("cut"), &damaged[..last]).unwrap();
    let before = snapshot(&root);
    for name in ["run/last.safetensors", "hard", "soft", "damaged", "cut"] {
        for force in ["", " --force"] {
            let run = run(&root, &format!("calibrate data --model model.safetensors --out {name}{force}"));
            run.code(1).stderr(contains(name));
        }
    }
    for name in ["run/last.safetensors", "hard", "soft"] {
        let run = run(&root, &format!("calibrate data --model {name} --in-place"));
        run.code(1).stderr(contains("training checkpoint"));
    }
    assert!(snapshot(&root) == before && root.join("soft").is_symlink());
}

#[test]
fn pretrain_writes_only_into_a_folder_of_its_own() {
    let (_folder, root) = prepared();
    fs::write(root.join("other.toml"), QUICK_RECIPE.replace("quick", "other")).unwrap();
    fs::create_dir(root.join("docs")).unwrap();
    fs::write(root.join("docs/MODEL_CARD.md"), "mine").unwrap();
    let before = snapshot(&root);
    let line = "pretrain data --recipe quick.toml --baseline other.toml --folds 3 --draws 100";
    run(&root, &format!("{line} --out docs")).code(1).stderr(contains("docs: expected a new or empty folder"));
    assert!(snapshot(&root) == before);
    run(&root, &format!("{line} --out made")).success();
    let card = snapshot(&root.join("made"));
    run(&root, &format!("{line} --out made --failures made/MODEL_CARD.md")).code(1).stderr(contains("is an input"));
    assert!(snapshot(&root.join("made")) == card);
    fs::write(root.join("failures.md"), "Faint rings.").unwrap();
    run(&root, &format!("{line} --out made --failures failures.md")).success();
    assert!(fs::read_to_string(root.join("made/MODEL_CARD.md")).unwrap().contains("Faint rings."));
}

#[test]
fn commands_warn_of_a_model_that_was_trained_on_these_patients() {
    let (_folder, root) = prepared();
    run(&root, "train data --recipe quick.toml --out run").success();
    let split = fs::read_to_string(root.join("run/split.csv")).unwrap();
    let training: Vec<&str> = split.lines().filter(|row| row.contains(",training,")).collect();
    let count =
        ["C1", "C2", "C3", "C4"].iter().filter(|id| training.iter().any(|row| row.contains(&format!(",{id},"))));
    let warning = format!("run/model.safetensors was trained on {} of these 4 patients", count.count());
    for line in [
        "evaluate data --model run/model.safetensors --draws 100",
        "evaluate data --model run/model.safetensors --draws 100 --json",
        "compare builtin run/model.safetensors data --draws 100",
        "calibrate data --model run/model.safetensors --out new.safetensors",
    ] {
        run(&root, line).success().stderr(contains(&warning));
    }
    draw_cells(&root.join("others"), 5, 2, 2);
    run(&root, "evaluate others --model run/model.safetensors --draws 100").success().stderr("");
    run(&root, "evaluate data --model model.safetensors --draws 100").success().stderr("");
}

#[test]
fn stats_of_a_class_without_readable_images_are_zero() {
    let (_folder, root) = prepared();
    fs::create_dir(root.join("data/Blurred")).unwrap();
    fs::write(root.join("data/Blurred/a.png"), "no image").unwrap();
    for more in ["", " --json"] {
        run(&root, &format!("stats data{more}")).code(5).stdout(contains("-0").not());
    }
}
