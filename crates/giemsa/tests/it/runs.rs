//! Runs and pretraining in folders, called as a program calls the library.

use giemsa::dataset::Cache;
use giemsa::dataset::labels::LabelSettings;
use giemsa::model::{Model, Recipe};
use giemsa::nn::kernels::{InstructionSet, instruction_set};
use giemsa::train::cross_validation::{CrossValidationSettings, FoldObserver, FoldReport, cross_validate};
use giemsa::train::pretraining::train_on_all;
use giemsa::train::sets::Warning;
use giemsa::train::{
    Difference, Distillation, Ending, EpochRow, Observer, Run, RunFolder, RunSettings, Settings, Stage, State,
    StepReport, StoppedRun, TrainError,
};
use image::{Rgb, RgbImage};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

const RECIPE: &str = "
    name = 'quick'
    layers = [{ kind = 'flatten' }, { kind = 'dense', units = 1, activation = 'sigmoid' }]
    input = { side_px = 4, resize = 'stretch_nearest' }
    training = { epochs = 3, batch_size = 4, learning_rate = 0.01 }";

pub fn recipe() -> Recipe {
    Recipe::parse(RECIPE, "quick").unwrap()
}

/// Writes 2 images of each class per patient: dark with a parasite, bright without.
pub fn draw(folder: &Path, patients: std::ops::Range<u8>) {
    for (class, shade) in [("Parasitized", 40), ("Uninfected", 160)] {
        std::fs::create_dir_all(folder.join(class)).unwrap();
        for patient in patients.clone() {
            for cell in 0..2 {
                let image = RgbImage::from_pixel(4, 4, Rgb([shade + 2 * patient + cell, 90, 60]));
                image.save(folder.join(class).join(format!("C{patient}P1_{cell}.png"))).unwrap();
            }
        }
    }
}

pub fn prepared() -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    draw(&data, 1..7);
    (place, data)
}

/// Stops after a number of steps.
pub struct StopAfter(pub u64);

impl Observer for StopAfter {
    fn step(&mut self, _: &StepReport) -> ControlFlow<()> {
        self.0 -= 1;
        if self.0 == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
    fn epoch(&mut self, _: &[EpochRow]) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl FoldObserver for StopAfter {
    fn fold(&mut self, _: &FoldReport) {}
}

pub const NEVER: u64 = u64::MAX;

fn start(folder: &Path, settings: RunSettings) -> Run {
    let sets = settings.divide().unwrap().load(&settings.recipe.input, &|| {}).unwrap();
    Run::start(folder, settings, sets).unwrap()
}

fn resume(stopped: StoppedRun) -> Result<Run, TrainError> {
    let settings = stopped.settings();
    let sets = settings.divide()?.load(&settings.recipe.input, &|| {})?;
    stopped.resume(sets)
}

#[test]
fn a_run_is_resumed_from_its_folder() {
    let (place, data) = prepared();
    let folder = |name: &str| place.path().join(name);
    let settings = RunSettings::new(&data, recipe());
    assert_eq!(start(&folder("whole"), settings.clone()).train(&mut StopAfter(NEVER)).unwrap(), Ending::Completed);
    assert_eq!(start(&folder("stopped"), settings).train(&mut StopAfter(2)).unwrap(), Ending::Interrupted);
    let mut resumed = resume(StoppedRun::open(&folder("stopped")).unwrap()).unwrap();
    assert_eq!(resumed.train(&mut StopAfter(NEVER)).unwrap(), Ending::Completed);
    let model = |name: &str| std::fs::read(folder(name).join("model.safetensors")).unwrap();
    assert!(model("whole") == model("stopped"));
}

#[test]
fn a_run_is_resumed_only_with_its_images() {
    let (place, data) = prepared();
    let folder = place.path().join("run");
    start(&folder, RunSettings::new(&data, recipe())).train(&mut StopAfter(2)).unwrap();
    // Another image under the same name.
    let changed = data.join("Parasitized/C3P1_0.png");
    RgbImage::from_pixel(4, 4, Rgb([1, 2, 3])).save(&changed).unwrap();
    let mut run = resume(StoppedRun::open(&folder).unwrap()).unwrap();
    let difference = match run.train(&mut StopAfter(NEVER)).unwrap_err() {
        TrainError::Mismatch { difference, .. } => difference,
        other => panic!("{other}"),
    };
    assert!(matches!(difference, Difference::TrainingImages | Difference::ValidationImages), "{difference}");
    drop(run);
    std::fs::remove_file(&changed).unwrap();
    let error = resume(StoppedRun::open(&folder).unwrap()).unwrap_err();
    let TrainError::Mismatch { path: Some(path), difference: Difference::ImageList { began, .. } } = error else {
        panic!("{error}")
    };
    assert_eq!((path, began), (folder.join("split.csv"), Some(changed)));
}

#[test]
fn a_run_killed_during_its_start_can_be_started_again_and_resumed() {
    let (place, data) = prepared();
    let folder = |name: &str| place.path().join(name);
    let settings = RunSettings::new(&data, recipe());
    start(&folder("whole"), settings.clone()).train(&mut StopAfter(NEVER)).unwrap();
    let model = |name: &str| std::fs::read(folder(name).join("model.safetensors")).unwrap();
    // Files in the order in which a start writes them. A killed process leaves the next one under a temporary name.
    for written in [&[][..], &["settings.toml"], &["settings.toml", "split.csv"]] {
        let killed = |name: &str| {
            let _ = std::fs::remove_dir_all(folder(name));
            std::fs::create_dir(folder(name)).unwrap();
            for file in written {
                std::fs::copy(folder("whole").join(file), folder(name).join(file)).unwrap();
            }
            std::fs::write(folder(name).join(".giemsa-a1B2c3"), "half").unwrap();
        };
        killed("run");
        start(&folder("run"), settings.clone()).train(&mut StopAfter(NEVER)).unwrap();
        assert!(model("run") == model("whole"));
        assert!(!folder("run").join(".giemsa-a1B2c3").exists());
        killed("run");
        match StoppedRun::open(&folder("run")) {
            Ok(stopped) => {
                resume(stopped).unwrap().train(&mut StopAfter(NEVER)).unwrap();
                assert!(model("run") == model("whole"));
            }
            Err(error) => assert!(written.is_empty() && matches!(error, TrainError::NotARun { .. }), "{error}"),
        }
    }
}

#[test]
fn a_folder_with_other_files_is_not_free() {
    let (place, data) = prepared();
    let whole = place.path().join("whole");
    start(&whole, RunSettings::new(&data, recipe()));
    let settings = std::fs::read_to_string(whole.join("settings.toml")).unwrap();
    let cases: [&[(&str, &str)]; 6] = [
        &[("settings.toml", "colour = 'red'")],
        &[("split.csv", "path,patient,part,class\n")],
        &[("settings.toml", &settings), ("notes.txt", "mine")],
        &[("settings.toml", &settings), ("model.safetensors", "")],
        &[(".giemsa-notes.txt", "mine")],
        &[(".giemsa-a1B2c3/mine", "mine")],
    ];
    for (number, files) in cases.iter().enumerate() {
        let folder = place.path().join(number.to_string());
        for (name, text) in *files {
            std::fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
            std::fs::write(folder.join(name), text).unwrap();
        }
        let error = RunFolder::create(&folder).unwrap_err();
        assert!(matches!(error, TrainError::FolderInUse { .. }), "{number}: {error}");
        for (name, text) in *files {
            assert_eq!(std::fs::read_to_string(folder.join(name)).unwrap(), *text);
        }
    }
    assert!(matches!(RunFolder::create(&whole), Err(TrainError::FolderInUse { .. })));
}

#[cfg(unix)]
#[test]
fn one_run_at_a_time_trains_in_a_folder() {
    let (place, data) = prepared();
    let folder = place.path().join("run");
    let mut run = start(&folder, RunSettings::new(&data, recipe()));
    let error = resume(StoppedRun::open(&folder).unwrap()).unwrap_err();
    assert!(matches!(&error, TrainError::Busy { path } if *path == folder), "{error}");
    run.train(&mut StopAfter(2)).unwrap();
    drop(run);
    resume(StoppedRun::open(&folder).unwrap()).unwrap();
}

#[test]
fn a_run_killed_in_its_first_epoch_is_resumed_only_with_its_images() {
    let (place, data) = prepared();
    let folder = place.path().join("run");
    // Only the checkpoint before the first step is left.
    start(&folder, RunSettings::new(&data, recipe()));
    RgbImage::from_pixel(4, 4, Rgb([1, 2, 3])).save(data.join("Parasitized/C3P1_0.png")).unwrap();
    let error = resume(StoppedRun::open(&folder).unwrap()).unwrap().train(&mut StopAfter(NEVER)).unwrap_err();
    assert!(matches!(&error, TrainError::Mismatch { difference, .. } if difference.is_of_images()), "{error}");
}

pub fn another_instruction_set() -> InstructionSet {
    InstructionSet::ALL.into_iter().find(|&set| set != instruction_set()).unwrap()
}

#[test]
fn a_run_is_resumed_only_with_its_instruction_set() {
    let (place, data) = prepared();
    let folder = place.path().join("run");
    start(&folder, RunSettings::new(&data, recipe())).train(&mut StopAfter(2)).unwrap();
    let last = folder.join("last.safetensors");
    let now = instruction_set();
    // A checkpoint of an earlier version does not contain its instruction set.
    for began in [Some(another_instruction_set()), None] {
        let mut state = State::load(&last).unwrap();
        assert_eq!(state.instruction_set, Some(now));
        state.instruction_set = began;
        let other = place.path().join("other.safetensors");
        state.save(&other).unwrap();
        let mine = std::fs::read(&last).unwrap();
        std::fs::copy(&other, &last).unwrap();
        let error = StoppedRun::open(&folder).unwrap_err();
        let TrainError::Mismatch { path, difference } = error else { panic!("{error}") };
        assert_eq!((path, difference), (Some(last.clone()), Difference::InstructionSet { began, now }));
        std::fs::write(&last, mine).unwrap();
    }
    resume(StoppedRun::open(&folder).unwrap()).unwrap().train(&mut StopAfter(NEVER)).unwrap();
}

#[test]
fn a_recipe_that_could_not_be_read_back_is_rejected_before_anything_is_written() {
    let (place, data) = prepared();
    let out = place.path().join("out");
    let mut large = recipe();
    large.training.epochs = 2_000_000;
    let settings = RunSettings::new(&data, large.clone());
    let sets = settings.divide().unwrap().load(&settings.recipe.input, &|| {}).unwrap();
    let images = Cache::load(LabelSettings::default().scan_all(&data).unwrap().samples, &large.input, None, &|| {});
    let cross_validation = CrossValidationSettings::new(&data, large.clone());
    let training = Settings::new(large, 0);
    let images = images.unwrap();
    let errors = [
        Run::start(&out, settings, sets).err().unwrap(),
        cross_validate(&cross_validation, &images, None, &out, &mut StopAfter(1)).unwrap_err(),
        train_on_all(&training, &images, None, None, &out, &mut StopAfter(1)).unwrap_err(),
    ];
    for error in errors {
        let expected = "recipe `quick`: expected `training.epochs` to be at most 1000000, found 2000000";
        assert_eq!(error.to_string(), expected);
    }
    assert!(!out.exists());
    start(&out, RunSettings::new(&data, recipe())).train(&mut StopAfter(2)).unwrap();
    let mut stopped = StoppedRun::open(&out).unwrap();
    assert!(matches!(stopped.set_epochs(2_000_000), Err(TrainError::Recipe(_))));
    assert_eq!(stopped.settings().recipe.training.epochs, 3);
}

#[test]
fn the_number_of_epochs_can_change_under_a_constant_learning_rate_only() {
    let (place, data) = prepared();
    let open = |name: &str| StoppedRun::open(&place.path().join(name)).unwrap();
    let mut settings = RunSettings::new(&data, recipe());
    start(&place.path().join("constant"), settings.clone()).train(&mut StopAfter(NEVER)).unwrap();
    let mut stopped = open("constant");
    assert!(matches!(stopped.set_epochs(2), Err(TrainError::EpochsPassed { begun: 3, requested: 2 })));
    stopped.set_epochs(5).unwrap();
    resume(stopped).unwrap().train(&mut StopAfter(NEVER)).unwrap();
    assert_eq!(open("constant").state().progress.history.len(), 5);
    assert_eq!(open("constant").settings().recipe.training.epochs, 5);

    settings.recipe = Recipe::parse(&RECIPE.replace("0.01", "0.01, schedule = 'warmup_cosine'"), "quick").unwrap();
    start(&place.path().join("falling"), settings).train(&mut StopAfter(2)).unwrap();
    let mut stopped = open("falling");
    stopped.set_epochs(3).unwrap();
    let error = stopped.set_epochs(5).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the learning rate schedule `warmup_cosine` spans all 3 epochs, so the run cannot be resumed with 5"
    );
}

#[test]
fn a_text_file_without_a_patient_is_an_unreadable_image() {
    let (_place, data) = prepared();
    std::fs::write(data.join("Uninfected/bad.png"), "not an image").unwrap();
    let mut settings = RunSettings::new(&data, recipe());
    let load = |settings: &RunSettings| settings.divide().unwrap().load(&settings.recipe.input, &|| {});
    let error = load(&settings).unwrap_err();
    let TrainError::TooManyUnreadable { folder, unreadable, images, .. } = error else { panic!("{error}") };
    assert_eq!((folder, unreadable.len(), images), (data.clone(), 1, 25));
    settings.images.max_unreadable_percent = 4.0;
    let sets = load(&settings).unwrap();
    let unreadable: Vec<String> = sets.unreadable().map(ToString::to_string).collect();
    assert!(unreadable.len() == 1 && unreadable[0].contains("bad.png"), "{unreadable:?}");
}

#[test]
fn a_readable_image_without_a_patient_cannot_be_split_by_patient() {
    let (_place, data) = prepared();
    let nameless = data.join("Uninfected/nameless.png");
    RgbImage::new(4, 4).save(&nameless).unwrap();
    let error = RunSettings::new(&data, recipe()).divide().unwrap_err();
    assert!(matches!(error, TrainError::MissingPatient { path } if path == nameless));
}

#[test]
fn shared_images_are_an_error_in_given_sets_unless_allowed() {
    let (place, data) = prepared();
    let validation = place.path().join("validation");
    draw(&validation, 6..9);
    let mut settings = RunSettings::new(&data, recipe());
    settings.images.validation = Some(validation.clone());
    let load = |settings: &RunSettings| settings.divide().unwrap().load(&settings.recipe.input, &|| {});
    let TrainError::SharedImages { folder, pairs } = load(&settings).unwrap_err() else { panic!() };
    assert_eq!((folder, pairs.len()), (validation, 4));
    settings.images.allow_shared = true;
    let warnings = load(&settings).unwrap().warnings;
    let patients = Warning::SharedPatients { patients: 1, split_by_image: false };
    assert_eq!(warnings, [patients, Warning::SharedImages { pairs }]);
}

#[test]
fn a_model_of_teachers_has_the_epochs_of_the_last_network() {
    /// Records the stages, and counts the steps.
    #[derive(Default)]
    struct Stages(Vec<Stage>, usize);
    impl Observer for Stages {
        fn stage(&mut self, stage: Stage) {
            self.0.push(stage);
        }
        fn step(&mut self, _: &StepReport) -> ControlFlow<()> {
            self.1 += 1;
            ControlFlow::Continue(())
        }
        fn epoch(&mut self, _: &[EpochRow]) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }
    }
    let (place, data) = prepared();
    let checkpoint = place.path().join("last.safetensors");
    let recipe = recipe();
    let samples = LabelSettings::default().scan_all(&data).unwrap().samples;
    let images = Cache::load(samples, &recipe.input, None, &|| {}).unwrap();
    let (settings, distillation) = (Settings::new(recipe.clone(), 0), Distillation { teachers: 2, epochs: 5 });
    let train = |observer: &mut Stages| {
        train_on_all(&settings, &images, None, Some(distillation), &checkpoint, observer).unwrap().unwrap()
    };
    let (mut first, mut second) = (Stages::default(), Stages::default());
    let model = train(&mut first);
    let teacher = |number| Stage::Teacher { number, teachers: 2 };
    assert_eq!(first.0, [teacher(1), teacher(2), Stage::Student]);
    assert_eq!(model.recipe.training.epochs, 5);
    // Two teachers of three epochs, and a network of five, each in the same number of steps per epoch.
    let steps_per_epoch = images.samples().len().div_ceil(recipe.training.batch_size);
    assert_eq!(first.1, (3 + 3 + 5) * steps_per_epoch);
    // All of them are finished, so nothing is trained again.
    assert_eq!(train(&mut second).network.weights(), model.network.weights());
    assert_eq!(second.1, 0);
}

#[test]
fn a_model_is_not_trained_from_the_checkpoint_of_another_recipe() {
    let (place, data) = prepared();
    let checkpoint = place.path().join("last.safetensors");
    let recipe = recipe();
    let images = Cache::load(LabelSettings::default().scan_all(&data).unwrap().samples, &recipe.input, None, &|| {});
    let images = images.unwrap();
    let train = |settings: &Settings| train_on_all(settings, &images, None, None, &checkpoint, &mut StopAfter(NEVER));
    let model: Model = train(&Settings::new(recipe.clone(), 0)).unwrap().unwrap();
    assert_eq!(model.recipe, recipe);
    let other = Recipe { name: "other".to_owned(), ..recipe };
    let error = train(&Settings::new(other, 0)).unwrap_err().to_string();
    assert_eq!(error, format!("{}: begun with the recipe `quick`, not `other`", checkpoint.display()));
}
