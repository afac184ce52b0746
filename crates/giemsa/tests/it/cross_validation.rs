//! Cross-validations in folders: stopped and continued, and with each fold trained apart.

use crate::runs::{NEVER, StopAfter, another_instruction_set, draw, prepared, recipe};
use giemsa::dataset::Cache;
use giemsa::dataset::labels::LabelSettings;
use giemsa::nn::kernels::{InstructionSet, instruction_set};
use giemsa::train::cross_validation::{
    CrossValidationSettings, OutOfFold, begin_cross_validation, cross_validate, cross_validate_fold,
};
use giemsa::train::{Difference, Distillation, Ending, TrainError};
use std::path::{Path, PathBuf};

/// Returns the settings of three folds, and the images.
fn three_folds(data: &Path) -> Result<(CrossValidationSettings, Cache), TrainError> {
    let recipe = recipe();
    let samples = LabelSettings::default().scan_all(data)?.samples;
    let images = Cache::load(samples, &recipe.input, None, &|| {})?;
    let mut settings = CrossValidationSettings::new(data, recipe);
    settings.folds = 3;
    Ok((settings, images))
}

/// Cross-validates until a number of steps.
fn fold_by_fold(data: &Path, out: &Path, steps: u64) -> Result<Option<OutOfFold>, TrainError> {
    let (settings, images) = three_folds(data)?;
    cross_validate(&settings, &images, None, out, &mut StopAfter(steps))
}

#[test]
fn an_interrupted_cross_validation_continues_to_the_same_predictions() {
    let (place, data) = prepared();
    let out = |name: &str| place.path().join(name);
    let whole = fold_by_fold(&data, &out("whole"), NEVER).unwrap().unwrap();
    assert_eq!(whole.predictions.len(), 24);
    assert_eq!(fold_by_fold(&data, &out("stopped"), 15).unwrap(), None);
    assert_eq!(fold_by_fold(&data, &out("stopped"), NEVER).unwrap(), Some(whole));
}

#[test]
fn the_network_of_a_fold_learns_from_teachers_also_after_interruptions() {
    let (place, data) = prepared();
    let out = |name: &str| place.path().join(name);
    let (mut settings, images) = three_folds(&data).unwrap();
    settings.distillation = Some(Distillation { teachers: 2, epochs: 4 });
    let train =
        |name: &str, steps| cross_validate(&settings, &images, None, &out(name), &mut StopAfter(steps)).unwrap();
    let whole = train("whole", NEVER).unwrap();
    let mut calls = 1;
    let continued = loop {
        match train("stopped", 7) {
            Some(found) => break found,
            None => calls += 1,
        }
    };
    // Three folds of two teachers of 12 steps, and a network of 16: 120 steps, 7 per call.
    assert_eq!(calls, 18);
    assert_eq!(continued, whole);
    assert_eq!(files(&out("stopped")), files(&out("whole")));
    let names: Vec<PathBuf> = files(&out("whole").join("fold-1")).into_iter().map(|(path, _)| path).collect();
    assert_eq!(names, [Path::new("model.safetensors"), Path::new("predictions.csv")]);
    let of_labels = fold_by_fold(&data, &out("labels"), NEVER).unwrap().unwrap();
    assert_ne!(of_labels.predictions, whole.predictions);
    let error = fold_by_fold(&data, &out("whole"), NEVER).unwrap_err();
    let TrainError::Mismatch { difference, .. } = error else { panic!("{error}") };
    assert_eq!(difference, Difference::Distillation);
}

/// Returns the files of a folder and its folders, with their contents.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inside) = folders.pop() {
        for entry in std::fs::read_dir(inside).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((path.strip_prefix(folder).unwrap().to_owned(), std::fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn folds_that_are_trained_apart_are_those_of_the_whole() {
    let (place, data) = prepared();
    let out = |name: &str| place.path().join(name);
    let whole = fold_by_fold(&data, &out("whole"), NEVER).unwrap();
    let (mut settings, images) = three_folds(&data).unwrap();
    begin_cross_validation(&settings, &images, None, &out("joined")).unwrap();
    for fold in [3, 1, 2] {
        let apart = out(&format!("apart-{fold}"));
        let train = |steps| cross_validate_fold(&settings, &images, None, fold, &apart, &mut StopAfter(steps)).unwrap();
        assert_eq!(train(2), Ending::Interrupted);
        assert_eq!(train(NEVER), Ending::Completed);
        let name = format!("fold-{fold}");
        std::fs::rename(apart.join(&name), out("joined").join(&name)).unwrap();
        let settings = |folder: &Path| std::fs::read(folder.join("settings.toml")).unwrap();
        assert_eq!(settings(&apart), settings(&out("joined")));
    }
    assert_eq!(files(&out("joined")), files(&out("whole")));
    // All folds are finished, so no step is made.
    assert_eq!(fold_by_fold(&data, &out("joined"), 1).unwrap(), whole);
    settings.folds = 2;
    let error = begin_cross_validation(&settings, &images, None, &out("joined")).unwrap_err();
    let TrainError::Mismatch { difference, .. } = error else { panic!("{error}") };
    assert_eq!(difference, Difference::Folds { began: 3, now: 2 });
}

#[test]
fn a_cross_validation_of_other_images_is_not_continued() {
    let (place, data) = prepared();
    let out = place.path().join("out");
    assert_eq!(fold_by_fold(&data, &out, 2).unwrap(), None);
    draw(&data, 7..8);
    let error = fold_by_fold(&data, &out, NEVER).unwrap_err();
    let TrainError::Mismatch { path: Some(path), difference: Difference::Images } = error else { panic!("{error}") };
    assert_eq!(path, out.join("settings.toml"));
}

#[test]
fn a_cross_validation_of_another_instruction_set_is_not_continued() {
    let (place, data) = prepared();
    let out = place.path().join("out");
    // The first fold is finished, so its network cannot be trained again.
    assert_eq!(fold_by_fold(&data, &out, 20).unwrap(), None);
    let path = out.join("settings.toml");
    let mine = std::fs::read_to_string(&path).unwrap();
    let line = |set: InstructionSet| format!("instruction_set = \"{}\"\n", set.name());
    let now = instruction_set();
    for (text, began) in [(line(another_instruction_set()), Some(another_instruction_set())), (String::new(), None)] {
        std::fs::write(&path, mine.replace(&line(now), &text)).unwrap();
        let error = fold_by_fold(&data, &out, NEVER).unwrap_err();
        let TrainError::Mismatch { path: Some(at), difference } = error else { panic!("{error}") };
        assert_eq!((&at, difference), (&path, Difference::InstructionSet { began, now }));
    }
    std::fs::write(&path, mine).unwrap();
    assert!(fold_by_fold(&data, &out, NEVER).unwrap().is_some());
}

#[test]
fn a_cross_validation_killed_while_it_writes_its_settings_starts_again() {
    let (place, data) = prepared();
    let out = place.path().join("out");
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join(".giemsa-a1B2c3"), "half").unwrap();
    assert!(fold_by_fold(&data, &out, NEVER).unwrap().is_some());
    assert!(!out.join(".giemsa-a1B2c3").exists());
}

#[test]
fn a_fold_is_not_continued_from_a_checkpoint_of_other_images() {
    let (place, data) = prepared();
    let more = place.path().join("more");
    draw(&more, 1..9);
    let out = |name: &str| place.path().join(name);
    let checkpoint = |name: &str| out(name).join("fold-1/last.safetensors");
    assert_eq!(fold_by_fold(&data, &out("a"), 2).unwrap(), None);
    assert_eq!(fold_by_fold(&more, &out("b"), 2).unwrap(), None);
    std::fs::copy(checkpoint("a"), checkpoint("b")).unwrap();
    let error = fold_by_fold(&more, &out("b"), NEVER).unwrap_err();
    let TrainError::Mismatch { path, difference: Difference::TrainingImages } = error else { panic!("{error}") };
    assert_eq!(path, Some(checkpoint("b")));
}
