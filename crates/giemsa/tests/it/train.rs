//! Training: the weights do not depend on threads or interruptions, and errors keep the files of a run.

use giemsa::classes::Class;
use giemsa::dataset::LabelledImages;
use giemsa::image::ImageError;
use giemsa::model::{Model, Recipe};
use giemsa::preprocess::Images;
use giemsa::train::{
    Difference, Ending, EpochRow, Observer, RunFolder, Settings, State, StepReport, TrainError, train,
};
use std::ops::ControlFlow;

const SIDE_PX: usize = 8;

/// Returns pseudo-random noise in 0..100 (the finalizer of SplitMix64).
fn noise(index: usize, i: usize) -> u8 {
    let mut z = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(i as u64 + 1);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) % 100) as u8
}

/// Synthetic noisy images: the left half is bright if parasitized, the right half if not.
struct Drawn(usize);

impl Images for Drawn {
    fn len(&self) -> usize {
        self.0
    }
    fn read(&self, index: usize, bytes: &mut [u8]) -> Result<(), ImageError> {
        for (i, byte) in bytes.iter_mut().enumerate() {
            let left = (i / 3) % SIDE_PX < SIDE_PX / 2;
            let bright = left == self.class(index).is_positive();
            *byte = noise(index, i) + if bright { 100 } else { 0 };
        }
        Ok(())
    }
}

impl LabelledImages for Drawn {
    fn class(&self, index: usize) -> Class {
        Class::ALL[index % 2]
    }
}

/// Stops after a number of steps, and records the reports.
struct Watch {
    steps_left: u64,
    reports: Vec<StepReport>,
    epochs: usize,
}

impl Watch {
    fn stopping_after(steps_left: u64) -> Watch {
        Watch { steps_left, reports: Vec::new(), epochs: 0 }
    }
}

impl Observer for Watch {
    fn step(&mut self, report: &StepReport) -> ControlFlow<()> {
        self.reports.push(*report);
        self.steps_left -= 1;
        if self.steps_left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
    fn epoch(&mut self, history: &[EpochRow]) -> ControlFlow<()> {
        self.epochs = history.len();
        ControlFlow::Continue(())
    }
}

fn settings(recipe: &str) -> Settings {
    Settings { recipe: Recipe::parse(recipe, "test").unwrap(), seed: 3, steps_per_epoch: None }
}

const PLAIN: &str = "
    name = 'small'
    layers = [{ kind = 'flatten' }, { kind = 'dropout', rate = 0.2 }, { kind = 'dense', units = 1, activation = 'sigmoid' }]
    input = { side_px = 8, resize = 'stretch_nearest' }
    training = { epochs = 3, batch_size = 10, learning_rate = 0.01 }
    augmentation = { horizontal_flip = false, zoom = 0.1, shear_degrees = 2.0 }
";

const AVERAGED: &str = "
    name = 'averaged'
    layers = [{ kind = 'flatten' }, { kind = 'dense', units = 1, activation = 'sigmoid' }]
    input = { side_px = 8, resize = 'stretch_nearest' }
    training = { epochs = 3, batch_size = 10, learning_rate = 0.01, schedule = 'warmup_cosine', weight_decay = 0.01, label_smoothing = 0.1, ema_decay = 0.9 }
";

const DEEP: &str = "
    name = 'deep'
    layers = [
        { kind = 'conv2d', filters = 5, kernel = 2, activation = 'relu' },
        { kind = 'max_pooling2d' },
        { kind = 'conv2d', filters = 7, kernel = 3, batch_norm = true, activation = 'relu' },
        { kind = 'global_average_pooling2d' },
        { kind = 'dropout', rate = 0.3 },
        { kind = 'dense', units = 6, activation = 'relu' },
        { kind = 'dense', units = 1, activation = 'sigmoid' },
    ]
    input = { side_px = 8, resize = 'stretch_nearest' }
    training = { epochs = 3, batch_size = 10, learning_rate = 0.01, ema_decay = 0.5 }
    augmentation = { horizontal_flip = true, quarter_turns = true }
";

/// 5 steps per epoch, the last one with 5 images.
const IMAGES: Drawn = Drawn(45);
const VALIDATION: Drawn = Drawn(30);
const STEPS: u64 = 15;

fn whole_run(settings: &Settings) -> State {
    let mut state = State::new(settings).unwrap();
    let ending = train(&mut state, settings, &IMAGES, &VALIDATION, None, &mut Watch::stopping_after(u64::MAX)).unwrap();
    assert_eq!(ending, Ending::Completed);
    state
}

fn assert_same(a: &State, b: &State, what: &str) {
    assert_eq!(a.network.weights(), b.network.weights(), "{what}");
    assert_eq!(a.network.optimizer_state(), b.network.optimizer_state(), "{what}");
    assert_eq!(a.average, b.average, "{what}");
    assert_eq!(a.progress, b.progress, "{what}");
}

#[test]
fn a_resumed_run_ends_with_the_same_weights_wherever_it_was_stopped() {
    for (name, recipe) in [("plain", PLAIN), ("averaged", AVERAGED), ("deep", DEEP)] {
        let mut settings = settings(recipe);
        for steps_per_epoch in [None, Some(3), Some(7)] {
            settings.steps_per_epoch = steps_per_epoch;
            let whole = whole_run(&settings);
            for stop in [1, 3, 4, 5, 8] {
                let place = tempfile::tempdir().unwrap();
                let folder = RunFolder::create(&place.path().join("run")).unwrap();
                let mut state = State::new(&settings).unwrap();
                let mut watch = Watch::stopping_after(stop);
                let ending = train(&mut state, &settings, &IMAGES, &VALIDATION, Some(&folder), &mut watch).unwrap();
                assert_eq!((ending, watch.reports.len() as u64), (Ending::Interrupted, stop));
                let mut resumed = State::load(&folder.last()).unwrap();
                assert_eq!(resumed.settings, settings);
                let mut watch = Watch::stopping_after(u64::MAX);
                train(&mut resumed, &settings, &IMAGES, &VALIDATION, Some(&folder), &mut watch).unwrap();
                assert_same(
                    &whole,
                    &resumed,
                    &format!("{name}, {steps_per_epoch:?} steps per epoch, stopped at {stop}"),
                );
            }
        }
    }
}

#[test]
fn a_resumed_run_writes_the_same_files_as_an_uninterrupted_one() {
    let settings = settings(PLAIN);
    let place = tempfile::tempdir().unwrap();
    let files_after = |name: &str, stop: u64| {
        let folder = RunFolder::create(&place.path().join(name)).unwrap();
        let mut state = State::new(&settings).unwrap();
        train(&mut state, &settings, &IMAGES, &VALIDATION, Some(&folder), &mut Watch::stopping_after(stop)).unwrap();
        let mut state = State::load(&folder.last()).unwrap();
        train(&mut state, &settings, &IMAGES, &VALIDATION, Some(&folder), &mut Watch::stopping_after(u64::MAX))
            .unwrap();
        [folder.model(), folder.last(), folder.history()].map(|path| std::fs::read(path).unwrap())
    };
    let (whole, stopped) = (files_after("whole", STEPS), files_after("stopped", 7));
    assert!(whole == stopped, "model, checkpoint or history differ");
}

#[test]
fn the_number_of_threads_does_not_change_the_weights() {
    for recipe in [PLAIN, DEEP] {
        let settings = settings(recipe);
        let with_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| whole_run(&settings))
        };
        let one = with_threads(1);
        for threads in [2, 3, 5] {
            assert_same(&one, &with_threads(threads), &format!("{}, {threads} threads", settings.recipe.name));
        }
    }
}

#[test]
fn different_seeds_give_different_weights() {
    let (first, mut other) = (settings(PLAIN), settings(PLAIN));
    other.seed = 4;
    assert_ne!(whole_run(&first).network.weights(), whole_run(&other).network.weights());
}

#[test]
fn learns_an_easy_task_and_reports_every_step() {
    let settings = settings(PLAIN);
    let mut state = State::new(&settings).unwrap();
    let mut watch = Watch::stopping_after(u64::MAX);
    train(&mut state, &settings, &IMAGES, &VALIDATION, None, &mut watch).unwrap();
    let places: Vec<_> = watch.reports.iter().map(|r| (r.epoch, r.step, r.steps, r.epochs)).collect();
    let expected: Vec<_> = (1..=3).flat_map(|epoch| (1..=5).map(move |step| (epoch, step, 5, 3))).collect();
    assert_eq!(places, expected);
    let history = &state.progress.history;
    assert_eq!((history.len(), watch.epochs), (3, 3));
    assert!(history[2].val_acc > 0.95 && history[2].val_loss < history[0].val_loss, "{history:?}");
    assert_eq!(history[2].loss, watch.reports[14].loss);
}

#[test]
fn keeps_the_best_model_by_validation_loss() {
    let mut settings = settings(PLAIN);
    // The learning rate is so large that the loss rises and falls.
    settings.recipe.training.learning_rate = 0.5;
    settings.recipe.training.epochs = 8;
    let place = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(&place.path().join("run")).unwrap();
    let mut state = State::new(&settings).unwrap();
    train(&mut state, &settings, &IMAGES, &Drawn(31), Some(&folder), &mut Watch::stopping_after(u64::MAX)).unwrap();
    let model = Model::load(&folder.model()).unwrap();
    let logits = giemsa::model::predict_logits(&model.network, &Drawn(31), giemsa::model::Tta::None).unwrap();
    let kept = giemsa::evaluate::loss::loss_and_accuracy(&logits, &Drawn(31)).loss;
    let best = state.progress.history.iter().map(|row| row.val_loss).fold(f64::INFINITY, f64::min);
    assert_eq!(kept, best);
    assert_eq!(giemsa::train::history::read(&folder.history()).unwrap(), state.progress.history);
}

#[test]
fn keeps_the_averaged_weights() {
    let settings = settings(AVERAGED);
    let place = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(&place.path().join("run")).unwrap();
    let mut state = State::new(&settings).unwrap();
    train(&mut state, &settings, &IMAGES, &VALIDATION, Some(&folder), &mut Watch::stopping_after(u64::MAX)).unwrap();
    assert_ne!(state.average, Some(state.network.weights()));
    assert_eq!(Model::load(&folder.model()).unwrap().network.weights(), state.average.unwrap());
    assert_eq!(Model::load(&folder.last()).unwrap().network.weights(), state.network.weights());
}

#[test]
fn a_non_finite_loss_stops_the_run_and_keeps_its_files() {
    let settings = settings(PLAIN);
    let place = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(&place.path().join("run")).unwrap();
    let mut state = State::new(&settings).unwrap();
    train(&mut state, &settings, &IMAGES, &VALIDATION, Some(&folder), &mut Watch::stopping_after(7)).unwrap();
    let before = [folder.model(), folder.last()].map(|path| std::fs::read(path).unwrap());
    let mut weights = state.network.weights();
    weights.iter_mut().for_each(|tensor| tensor.values.fill(f32::MAX));
    state.network.set_weights(&weights).unwrap();
    let error = train(&mut state, &settings, &IMAGES, &VALIDATION, Some(&folder), &mut Watch::stopping_after(u64::MAX))
        .unwrap_err();
    assert!(matches!(&error, TrainError::NotFinite { epoch: 2, .. }), "{error}");
    assert!(error.to_string().starts_with("epoch 2, step "), "{error}");
    assert!(before == [folder.model(), folder.last()].map(|path| std::fs::read(path).unwrap()));
}

#[test]
fn rejects_empty_sets() {
    let settings = settings(PLAIN);
    let mut watch = Watch::stopping_after(1);
    for (training, validation, text) in [(0, 1, "train on"), (1, 0, "validate on")] {
        let mut state = State::new(&settings).unwrap();
        let error = train(&mut state, &settings, &Drawn(training), &Drawn(validation), None, &mut watch).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[test]
fn rejects_a_folder_with_files() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("notes.txt"), "mine").unwrap();
    let error = RunFolder::create(place.path()).unwrap_err().to_string();
    assert!(error.contains(&place.path().display().to_string()) && error.contains("empty folder"), "{error}");
}

#[test]
fn rejects_a_model_as_a_checkpoint() {
    let settings = settings(PLAIN);
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model.safetensors");
    Model::new(settings.recipe.clone(), State::new(&settings).unwrap().network).save(&path).unwrap();
    let error = State::load(&path).err().unwrap().to_string();
    assert!(error.contains("not the checkpoint of a training run"), "{error}");
}

#[test]
fn rejects_a_checkpoint_of_other_settings_or_images() {
    let began = settings(PLAIN);
    let place = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(&place.path().join("run")).unwrap();
    let mut state = State::new(&began).unwrap();
    train(&mut state, &began, &IMAGES, &VALIDATION, Some(&folder), &mut Watch::stopping_after(2)).unwrap();
    let difference = |settings: &Settings, training: Drawn, validation: Drawn| {
        let mut state = State::load(&folder.last()).unwrap();
        match train(&mut state, settings, &training, &validation, None, &mut Watch::stopping_after(1)) {
            Err(TrainError::Mismatch { path, difference }) => {
                assert_eq!(path, Some(folder.last()));
                difference
            }
            other => panic!("{other:?}"),
        }
    };
    let with = |change: fn(&mut Settings)| {
        let mut changed = began.clone();
        change(&mut changed);
        difference(&changed, IMAGES, VALIDATION)
    };
    assert_eq!(with(|settings| settings.seed = 4), Difference::Seed { began: 3, now: 4 });
    let (before, now) = ("small".to_owned(), "other".to_owned());
    assert_eq!(
        with(|settings| settings.recipe.name = "other".to_owned()),
        Difference::RecipeName { began: before, now }
    );
    let parts = vec!["training"];
    assert_eq!(
        with(|settings| settings.recipe.training.learning_rate = 0.5),
        Difference::RecipeContent { recipe: "small".to_owned(), parts }
    );
    assert_eq!(
        with(|settings| settings.steps_per_epoch = Some(2)),
        Difference::StepsPerEpoch { began: None, now: Some(2) }
    );
    assert_eq!(difference(&began, Drawn(44), VALIDATION), Difference::TrainingImages);
    assert_eq!(difference(&began, IMAGES, Drawn(31)), Difference::ValidationImages);
}

#[test]
fn under_a_constant_learning_rate_a_run_can_be_extended() {
    let mut settings = settings(PLAIN);
    let whole = whole_run(&settings);
    settings.recipe.training.epochs = 2;
    let mut state = whole_run(&settings);
    settings.recipe.training.epochs = 3;
    train(&mut state, &settings, &IMAGES, &VALIDATION, None, &mut Watch::stopping_after(u64::MAX)).unwrap();
    assert_same(&whole, &state, "extended");
}
