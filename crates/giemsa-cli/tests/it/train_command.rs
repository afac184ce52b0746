//! Tests of `giemsa train`.

use crate::cells::{QUICK_RECIPE, cell, draw_cells, giemsa, giemsa_on_full_disk, place};
use crate::folder::names_in;
use predicates::prelude::*;
use predicates::str::contains;
use std::fs;
use std::path::Path;

const RUN_FILES: [&str; 6] =
    ["curves.png", "history.csv", "last.safetensors", "model.safetensors", "settings.toml", "split.csv"];

fn train(folder: &Path, data: &Path, more: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = giemsa();
    command.current_dir(folder).arg("train").arg(data).args(["--recipe", "quick.toml"]).args(more).assert()
}

#[test]
fn prints_the_images_found_and_writes_all_files() {
    let (folder, _) = place();
    draw_cells(&folder.path().join("data"), 1, 10, 3);
    train(folder.path(), Path::new("data"), &[]).success().stdout(
        contains("Found 42 images belonging to 2 classes.\nTraining: 42 images of 7 patients.")
            .and(contains("Found 18 images belonging to 2 classes.\nValidation: 18 images of 3 patients."))
            .and(contains("Epoch 2/2"))
            .and(contains("val_loss"))
            .and(contains("For research use only, not for diagnosis.")),
    );
    let run = folder.path().join("runs/quick-1");
    assert_eq!(names_in(&run), RUN_FILES);
    let history = fs::read_to_string(run.join("history.csv")).unwrap();
    assert_eq!(history.lines().count(), 3, "{history}");
    let split = fs::read_to_string(run.join("split.csv")).unwrap();
    assert!(split.starts_with("path,patient,part"), "{split}");
    let parts_of = |patient: &str| -> Vec<&str> {
        let rows = split.lines().filter(|row| row.contains(&format!(",{patient},")));
        rows.map(|row| if row.contains(",validation,") { "validation" } else { "training" }).collect()
    };
    for patient in 1..=10 {
        let mut parts = parts_of(&format!("C{patient}"));
        assert_eq!(parts.len(), 6);
        parts.dedup();
        assert_eq!(parts.len(), 1, "C{patient} is in both parts");
    }
    train(folder.path(), Path::new("data"), &["--quiet"]).success().stderr("");
    assert_eq!(names_in(&folder.path().join("runs")), ["quick-1", "quick-2"]);
}

#[test]
fn the_model_does_not_depend_on_the_number_of_threads() {
    let (folder, _) = place();
    draw_cells(&folder.path().join("data"), 1, 6, 3);
    let model = |name: &str, more: &[&str]| {
        train(folder.path(), Path::new("data"), &[&["--out", name], more].concat()).success();
        fs::read(folder.path().join(name).join("model.safetensors")).unwrap()
    };
    let one = model("one", &["--threads", "1"]);
    assert!(one == model("two", &["--threads", "2"]), "threads change the model");
    assert!(one != model("other", &["--seed", "1"]), "the seed changes nothing");
}

#[test]
fn accepts_folders_of_train_and_test_in_any_case() {
    let (folder, _) = place();
    draw_cells(&folder.path().join("data/TRAIN"), 1, 4, 2);
    draw_cells(&folder.path().join("data/test"), 5, 1, 2);
    train(folder.path(), Path::new("data"), &[])
        .success()
        .stdout(contains("Found 16 images").and(contains("Found 4 images")));
}

#[test]
fn accepts_another_folder_for_validation() {
    let (folder, _) = place();
    draw_cells(&folder.path().join("a"), 1, 3, 2);
    draw_cells(&folder.path().join("b"), 4, 2, 2);
    train(folder.path(), Path::new("a"), &["--validation", "b"])
        .success()
        .stdout(contains("Found 12 images").and(contains("Found 8 images")));
}

#[test]
fn warns_of_leaking_patients_after_a_split_by_image() {
    let (folder, _) = place();
    draw_cells(&folder.path().join("data"), 1, 4, 5);
    train(folder.path(), Path::new("data"), &["--split-by", "image"])
        .success()
        .stderr(contains("warning: split by image: 4 patients have images in both sets"));
}

#[test]
fn rejects_names_without_a_patient_with_advice() {
    let (folder, _) = place();
    draw_cells(&folder.path().join("data"), 1, 4, 6);
    cell(true, 99).save(folder.path().join("data/Parasitized/nameless.png")).unwrap();
    train(folder.path(), Path::new("data"), &[]).code(3).stderr(
        contains("--split-by image")
            .and(contains("--patients"))
            .and(contains("--patient-pattern"))
            .and(contains("nameless.png")),
    );
    assert!(!folder.path().join("runs").exists());
    train(folder.path(), Path::new("data"), &["--split-by", "image"]).success();
}

#[test]
fn rejects_unusable_data_with_its_path() {
    let (folder, _) = place();
    let data = |name: &str| folder.path().join(name);
    draw_cells(&data("one-class"), 1, 4, 2);
    fs::remove_dir_all(data("one-class/Uninfected")).unwrap();
    fs::create_dir(data("empty")).unwrap();
    draw_cells(&data("parts/Train"), 1, 2, 2);
    draw_cells(&data("parts/Test"), 3, 2, 2);
    for file in fs::read_dir(data("parts/Test/Uninfected")).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    for name in ["one-class", "empty", "parts"] {
        train(folder.path(), Path::new(name), &[]).code(3).stderr(contains(name));
    }
    assert!(!folder.path().join("runs").exists());
}

#[test]
fn rejects_a_folder_in_use_and_leaves_it_unchanged() {
    let (folder, _) = place();
    draw_cells(&folder.path().join("data"), 1, 4, 2);
    fs::create_dir(folder.path().join("mine")).unwrap();
    fs::write(folder.path().join("mine/notes.txt"), "mine").unwrap();
    train(folder.path(), Path::new("data"), &["--out", "mine"])
        .code(1)
        .stderr(contains("mine: expected a new or empty folder"));
    assert_eq!(names_in(&folder.path().join("mine")), ["notes.txt"]);
}

#[test]
fn skips_a_few_unreadable_images_but_not_many() {
    let (folder, _) = place();
    draw_cells(&folder.path().join("data"), 1, 6, 4);
    fs::write(folder.path().join("data/Parasitized/C1P1_cell_broken.png"), "no image").unwrap();
    train(folder.path(), Path::new("data"), &["--out", "strict"])
        .code(3)
        .stderr(contains("C1P1_cell_broken.png").and(contains("--max-unreadable")));
    assert!(!folder.path().join("strict").exists());
    train(folder.path(), Path::new("data"), &["--out", "lax", "--max-unreadable", "10"])
        .code(5)
        .stderr(contains("C1P1_cell_broken.png"));
    let split = fs::read_to_string(folder.path().join("lax/split.csv")).unwrap();
    assert!(!split.contains("broken"));
    assert_eq!(names_in(&folder.path().join("lax")), RUN_FILES);
}

#[test]
fn lists_images_in_both_given_sets() {
    let (folder, _) = place();
    draw_cells(&folder.path().join("data/Train"), 1, 4, 2);
    draw_cells(&folder.path().join("data/Test"), 5, 2, 2);
    let copy = folder.path().join("data/Test/Parasitized/C6P1_copy.png");
    fs::copy(folder.path().join("data/Train/Parasitized/C2P1_cell_1.png"), copy).unwrap();
    let named = || contains("C2P1_cell_1.png").and(contains("C6P1_copy.png"));
    train(folder.path(), Path::new("data"), &[]).code(3).stderr(named().and(contains("--allow-shared")));
    train(folder.path(), Path::new("data"), &["--allow-shared"]).success().stderr(named());
}

#[test]
fn reports_the_step_of_a_non_finite_loss() {
    let (folder, _) = place();
    draw_cells(&folder.path().join("data"), 1, 6, 4);
    train(folder.path(), Path::new("data"), &["--learning-rate", "3e38", "--out", "run"])
        .code(1)
        .stderr(contains("epoch 1, step ").and(contains("the loss is not finite")));
}

#[test]
fn rejects_invalid_options_and_recipes() {
    let (folder, _) = place();
    draw_cells(&folder.path().join("data"), 1, 4, 2);
    let usage: [&[&str]; 14] = [
        &["--epochs", "0"],
        &["--epochs", "99999999999999999999999"],
        &["--seed", "9223372036854775808"],
        &["--steps-per-epoch", "9223372036854775808"],
        &["--batch-size", "4294967296"],
        &["--image-size", "0"],
        &["--learning-rate", "1e39"],
        &["--learning-rate", "0"],
        &["--batch-size", "0"],
        &["--learning-rate", "nan"],
        &["--validation-split", "1"],
        &["--max-unreadable", "101"],
        &["--steps-per-epoch", "0"],
        &["--split-by", "photo"],
    ];
    for options in usage {
        train(folder.path(), Path::new("data"), options).code(2).stderr(contains(options[0]));
    }
    let out_of_range = [
        (["--epochs", "2000000"], "expected `training.epochs` to be at most 1000000, found 2000000"),
        (["--batch-size", "2000000"], "expected `training.batch_size` to be at most 1048576, found 2000000"),
        (["--image-size", "2000"], "expected `input.side_px` to be at most 1024, found 2000"),
    ];
    for (options, message) in out_of_range {
        train(folder.path(), Path::new("data"), &options).code(2).stderr(contains(message));
    }
    assert!(!folder.path().join("runs").exists());
    fs::write(folder.path().join("quick.toml"), QUICK_RECIPE.replace("units = 1", "units = 0")).unwrap();
    train(folder.path(), Path::new("data"), &[]).code(2).stderr(
        contains("quick.toml, line 3, ").and(contains("layer 2 (dense): expected 1 to 16384 `units`, found 0")),
    );
    fs::write(folder.path().join("quick.toml"), QUICK_RECIPE.replace("epochs", "epoch")).unwrap();
    train(folder.path(), Path::new("data"), &[]).failure().stderr(contains("quick.toml, line 5, "));
    giemsa()
        .args(["train", "data", "--recipe", "sead"])
        .assert()
        .failure()
        .stderr(contains("expected compact, keras-tutorial, or the path of a .toml file"));
}

#[test]
fn resumes_a_run_with_its_images_only() {
    let (folder, _) = place();
    draw_cells(&folder.path().join("data"), 1, 6, 2);
    train(folder.path(), Path::new("data"), &["--out", "run"]).success();
    fs::remove_file(folder.path().join("data/Parasitized/C1P1_cell_0.png")).unwrap();
    let mut command = giemsa();
    command.current_dir(folder.path()).args(["train", "--resume", "run", "--epochs", "3"]);
    command.assert().code(3).stderr(contains("split.csv: begun with other images"));
}

#[test]
fn rejects_a_folder_that_is_not_a_run() {
    let (folder, _) = place();
    let mut command = giemsa();
    command.current_dir(folder.path()).args(["train", "--resume", "nowhere"]);
    command.assert().failure().stderr(contains("nowhere").and(contains("not the folder of a training run")));
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_no_incomplete_file() {
    let (folder, _) = place();
    draw_cells(&folder.path().join("data"), 1, 6, 10);
    // The settings fit, the list of images does not.
    let mut command = giemsa_on_full_disk(4);
    command.current_dir(folder.path()).args(["train", "data", "--recipe", "quick.toml", "--out", "run"]);
    command.assert().code(1).stderr(contains("run/split.csv: File too large"));
    assert_eq!(names_in(&folder.path().join("run")), ["settings.toml"]);
    train(folder.path(), Path::new("data"), &["--out", "run"]).success();
}

#[cfg(unix)]
#[test]
fn a_run_stopped_by_ctrl_c_resumes_to_the_same_model() {
    use std::io::{BufRead, BufReader};
    let (folder, _) = place();
    draw_cells(&folder.path().join("data"), 1, 6, 4);
    let whole = ["--epochs", "40", "--out", "whole"];
    train(folder.path(), Path::new("data"), &whole).success();
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("giemsa"))
        .current_dir(folder.path())
        .args(["train", "data", "--recipe", "quick.toml", "--epochs", "40", "--out", "stopped"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("Epoch 3/")));
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    lines.for_each(drop);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("giemsa train --resume stopped"), "{said}");
    giemsa().current_dir(folder.path()).args(["train", "--resume", "stopped"]).assert().success();
    let read = |run: &str, file: &str| fs::read(folder.path().join(run).join(file)).unwrap();
    assert!(read("whole", "model.safetensors") == read("stopped", "model.safetensors"));
    let without_times = |run: &str| -> Vec<String> {
        let text = String::from_utf8(read(run, "history.csv")).unwrap();
        text.lines().map(|row| row.rsplit_once(',').unwrap().0.to_owned()).collect()
    };
    assert_eq!(without_times("whole"), without_times("stopped"));
}

#[test]
fn advises_to_fetch_the_images_if_the_folder_does_not_exist() {
    let (folder, _) = place();
    train(folder.path(), Path::new("data/cell_images"), &[])
        .code(2)
        .stderr(contains("data/cell_images").and(contains("`giemsa fetch` downloads")));
}

#[test]
fn a_text_file_without_a_patient_is_an_unreadable_image() {
    let (folder, _) = place();
    draw_cells(&folder.path().join("data"), 1, 6, 4);
    fs::write(folder.path().join("data/Uninfected/bad.png"), "not an image").unwrap();
    train(folder.path(), Path::new("data"), &[])
        .code(3)
        .stderr(contains("bad.png").and(contains("--max-unreadable")).and(contains("patient").not()));
    train(folder.path(), Path::new("data"), &["--max-unreadable", "3"]).code(5).stderr(contains("unreadable: "));
}

#[test]
fn accepts_class_folders_of_other_names() {
    let (folder, _) = place();
    let data = folder.path().join("data");
    draw_cells(&data, 1, 4, 2);
    fs::rename(data.join("Parasitized"), data.join("infected")).unwrap();
    fs::rename(data.join("Uninfected"), data.join("healthy")).unwrap();
    train(folder.path(), Path::new("data"), &[]).code(3);
    let names = ["--positive", "Infected", "--negative", "healthy", "--out", "run"];
    train(folder.path(), Path::new("data"), &names).success();
    let split = fs::read_to_string(folder.path().join("run/split.csv")).unwrap();
    let of_class = |class| split.lines().filter(|row| row.ends_with(class)).count();
    assert_eq!((of_class(",Parasitized"), of_class(",Uninfected")), (8, 8));
    let mut command = giemsa();
    command.current_dir(folder.path()).args(["train", "--resume", "run", "--epochs", "3"]).assert().success();
}

#[test]
fn resume_explains_how_to_continue_with_another_instruction_set() {
    use giemsa::nn::kernels::InstructionSet;
    let (folder, _) = place();
    draw_cells(&folder.path().join("data"), 1, 6, 2);
    train(folder.path(), Path::new("data"), &["--out", "run", "--instruction-set", "plain"]).success();
    let resume = |more: &[&str]| {
        let mut command = giemsa();
        command.current_dir(folder.path()).args(["train", "--resume", "run", "--epochs", "3"]).args(more).assert()
    };
    // The other sets of this machine, if it has any.
    for set in InstructionSet::ALL.into_iter().filter(|&set| set != InstructionSet::Plain && set.is_available()) {
        resume(&["--instruction-set", set.name()]).code(1).stderr(
            contains(format!("last.safetensors: begun with the instruction set plain, not {}", set.name()))
                .and(contains("hint: --instruction-set plain continues the run")),
        );
    }
    resume(&["--instruction-set", "plain"]).success().stdout(contains("Epoch 3/3"));
}

#[test]
fn resume_extends_a_run_with_a_constant_learning_rate() {
    let (folder, _) = place();
    draw_cells(&folder.path().join("data"), 1, 6, 2);
    train(folder.path(), Path::new("data"), &["--out", "whole", "--epochs", "4"]).success();
    train(folder.path(), Path::new("data"), &["--out", "extended"]).success();
    let resume = |more: &[&str]| {
        let mut command = giemsa();
        command.current_dir(folder.path()).args(["train", "--resume", "extended"]).args(more).assert()
    };
    resume(&["--epochs", "4"]).success().stdout(contains("Epoch 3/4").and(contains("Epoch 4/4")));
    let model = |run: &str| fs::read(folder.path().join(run).join("model.safetensors")).unwrap();
    assert!(model("whole") == model("extended"));
    resume(&["--epochs", "2000000"]).code(2).stderr(contains("at most 1000000, found 2000000"));
    resume(&["--epochs", "1"]).code(1).stderr(contains("the run is in epoch 4 already"));
    for option in [["--seed", "1"], ["--learning-rate", "1"], ["--split-by", "image"], ["--positive", "infected"]] {
        resume(&option).code(2).stderr(contains("cannot be used with"));
    }
}

#[test]
fn resume_explains_why_a_run_with_a_schedule_cannot_be_extended() {
    let (folder, recipe) = place();
    draw_cells(&folder.path().join("data"), 1, 6, 2);
    fs::write(recipe, QUICK_RECIPE.replace("0.001", "0.001, schedule = 'warmup_cosine'")).unwrap();
    train(folder.path(), Path::new("data"), &["--out", "run"]).success();
    let mut command = giemsa();
    command.current_dir(folder.path()).args(["train", "--resume", "run", "--epochs", "3"]);
    command.assert().code(1).stderr(
        contains("`warmup_cosine` spans all 2 epochs")
            .and(contains("hint: start a new run with --epochs 3"))
            .and(contains("--epochs 3")),
    );
}
