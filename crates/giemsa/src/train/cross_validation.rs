//! Cross-validation by patient: every image is classified by a network that has not seen its patient.
//!
//! The folds are trained one after the other. Each one is stored in the output folder, so an interrupted cross-validation
//! continues where it stopped. Nothing is chosen on the held-out fold: its network is that of the last epoch.
//!
//! The folds are independent, so each can also be trained on a machine of its own: [`cross_validate_fold`] writes the same
//! bytes into the folder `fold-N` as [`cross_validate`], which takes folders that are copied into its own for finished folds.

mod summary;

pub use summary::FoldsSummary;

use super::distillation::{Distillation, remove_checkpoints, train_model};
use super::error::{Difference, TrainError};
use super::folder::{RunFolder, read_toml, with_path, write_toml};
use super::lock::FolderLock;
use super::settings::Settings;
use super::{Ending, Observer, TrainingSet};
use crate::classes::Class;
use crate::dataset::sites::OtherSites;
use crate::dataset::split::folds;
use crate::dataset::{Cache, Sample, Subset};
use crate::evaluate::predictions_csv::{read_predictions, write_predictions};
use crate::evaluate::sites::{SitePrediction, read_site_predictions, site_prediction, write_site_predictions};
use crate::evaluate::{LabelledPrediction, labelled_predictions};
use crate::model::{Recipe, Tta, predict_logits};
use crate::nn::Network;
use crate::nn::kernels::{InstructionSet, instruction_set};
use crate::preprocess::Images;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The decision threshold of networks that are not calibrated.
pub const THRESHOLD: f64 = 0.5;

/// The settings of a cross-validation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CrossValidationSettings {
    /// The data folder. Only stored and compared; the images are given separately.
    pub data: PathBuf,
    /// Number of folds, at least 2.
    pub folds: usize,
    /// Seed of the folds and of training; at most `i64::MAX`, the largest integer in TOML.
    pub seed: u64,
    /// The recipe.
    pub recipe: Recipe,
    /// Whether the network of a fold learns from teachers; they have not seen its held-out images either.
    pub distillation: Option<Distillation>,
}

impl CrossValidationSettings {
    /// Returns the settings for five folds and seed 0.
    #[must_use]
    pub fn new(data: &Path, recipe: Recipe) -> CrossValidationSettings {
        CrossValidationSettings { data: data.to_owned(), folds: 5, seed: 0, recipe, distillation: None }
    }
}

/// The content of `settings.toml`: the settings, a digest of all images, and the instruction set.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    data: PathBuf,
    folds: usize,
    seed: u64,
    #[serde(default)]
    images: String,
    #[serde(default)]
    instruction_set: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    distillation: Option<Distillation>,
    recipe: Recipe,
}

impl Stored {
    fn difference(&self, now: &Stored) -> Option<Difference> {
        if self.data != now.data {
            return Some(Difference::Data { began: self.data.clone(), now: now.data.clone() });
        }
        if self.folds != now.folds {
            return Some(Difference::Folds { began: self.folds, now: now.folds });
        }
        let settings = |stored: &Stored| Settings::new(stored.recipe.clone(), stored.seed);
        // Finished folds are not trained further, so the epochs must be the same under any schedule.
        let epochs = self.recipe.training.epochs != now.recipe.training.epochs;
        Difference::of_settings(&settings(self), &settings(now))
            .or_else(|| {
                let (recipe, parts) = (now.recipe.name.clone(), vec!["training"]);
                epochs.then_some(Difference::RecipeContent { recipe, parts })
            })
            .or_else(|| (self.distillation != now.distillation).then_some(Difference::Distillation))
            .or_else(|| (self.images != now.images).then_some(Difference::Images))
            .or_else(|| Difference::of_instruction_sets(InstructionSet::from_name(&self.instruction_set)))
    }
}

/// Predictions of all images, each by the network of its fold, which has not seen its patient.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OutOfFold {
    /// One prediction per image, in the order of the images; not calibrated.
    pub predictions: Vec<LabelledPrediction>,
    /// Fold of each image, counted from 0.
    pub fold_of: Vec<usize>,
    /// Predictions of the images of other sites, each by a network that has not seen its photograph; not calibrated.
    pub sites: Vec<SitePrediction>,
}

/// The fold that is about to be trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoldReport {
    /// Fold, counted from 1.
    pub fold: usize,
    /// Number of folds.
    pub folds: usize,
    /// Training images.
    pub training: usize,
    /// Held-out images.
    pub held_out: usize,
}

/// An observer that is also notified of each fold.
pub trait FoldObserver: Observer {
    /// Called before a fold is trained or resumed, not for a fold that was finished earlier.
    fn fold(&mut self, report: &FoldReport);
}

/// Trains and evaluates the folds one after the other. Returns `None` if the observer stopped it; another call with the
/// same arguments continues from there.
///
/// The images of other sites, if there are any, are added to the training set of each fold, except those of the photographs
/// that are held out with it.
///
/// `out` receives `settings.toml` and, per fold, the model and the predictions of the held-out images.
///
/// # Errors
/// If the recipe is invalid, the images cannot be divided by patient, `out` belongs to something else or was begun with
/// other settings, images or another instruction set ([`TrainError::Mismatch`]), another process uses `out`, or training
/// fails.
pub fn cross_validate(
    settings: &CrossValidationSettings,
    images: &Cache,
    sites: Option<&OtherSites>,
    out: &Path,
    observer: &mut dyn FoldObserver,
) -> Result<Option<OutOfFold>, TrainError> {
    let run = CrossValidation::begin(settings, images, sites, out)?;
    let mut predictions: Vec<Option<LabelledPrediction>> = vec![None; images.samples().len()];
    let mut of_sites = Vec::new();
    for fold in 0..settings.folds {
        let fold = run.fold(fold);
        let Some(found) = fold.predictions(observer)? else { return Ok(None) };
        for (&index, image) in fold.held_out().indices().iter().zip(found) {
            predictions[index] = Some(image);
        }
        of_sites.extend(fold.site_predictions()?);
    }
    let predictions = predictions.into_iter().flatten().collect();
    Ok(Some(OutOfFold { predictions, fold_of: run.fold_of, sites: of_sites }))
}

/// Creates the folder of a cross-validation with its `settings.toml`, or checks that it can be continued, without training.
///
/// # Errors
/// As [`cross_validate`].
pub fn begin_cross_validation(
    settings: &CrossValidationSettings,
    images: &Cache,
    sites: Option<&OtherSites>,
    out: &Path,
) -> Result<(), TrainError> {
    CrossValidation::begin(settings, images, sites, out).map(drop)
}

/// Trains and evaluates one fold, counted from 1, as [`cross_validate`] does.
///
/// `out` receives `settings.toml`, and the model and the predictions of the held-out images in `fold-N`.
///
/// # Errors
/// As [`cross_validate`].
///
/// # Panics
/// If `fold` is not in `1..=settings.folds`.
pub fn cross_validate_fold(
    settings: &CrossValidationSettings,
    images: &Cache,
    sites: Option<&OtherSites>,
    fold: usize,
    out: &Path,
    observer: &mut dyn FoldObserver,
) -> Result<Ending, TrainError> {
    assert!((1..=settings.folds).contains(&fold), "expected a fold in 1..={}, found {fold}", settings.folds);
    let predictions = CrossValidation::begin(settings, images, sites, out)?.fold(fold - 1).predictions(observer)?;
    Ok(if predictions.is_some() { Ending::Completed } else { Ending::Interrupted })
}

/// A cross-validation in a locked folder.
struct CrossValidation<'a> {
    settings: &'a CrossValidationSettings,
    images: &'a Cache,
    sites: Option<&'a OtherSites>,
    out: &'a Path,
    fold_of: Vec<usize>,
    _lock: FolderLock,
}

impl<'a> CrossValidation<'a> {
    /// Divides the images, and creates or checks the folder.
    fn begin(
        settings: &'a CrossValidationSettings,
        images: &'a Cache,
        sites: Option<&'a OtherSites>,
        out: &'a Path,
    ) -> Result<CrossValidation<'a>, TrainError> {
        Settings::new(settings.recipe.clone(), settings.seed).check()?;
        let samples = images.samples();
        if let Some(sample) = samples.iter().find(|sample| sample.patient.is_none()) {
            return Err(TrainError::MissingPatient { path: sample.path.clone() });
        }
        let fold_of = folds(samples, settings.folds, settings.seed)
            .map_err(|source| TrainError::Divide { folder: settings.data.clone(), source: Box::new(source) })?;
        let all = sites.map_or(TrainingSet::new(images), |sites| TrainingSet::new(images).with_sites(sites));
        let lock = begin_or_resume(out, settings, &all)?;
        Ok(CrossValidation { settings, images, sites, out, fold_of, _lock: lock })
    }

    /// Returns a fold, counted from 0.
    fn fold(&self, fold: usize) -> FoldRun<'_> {
        let CrossValidation { settings, images, sites, fold_of, .. } = self;
        FoldRun { settings, images, sites: *sites, fold_of, fold, folder: self.out.join(format!("fold-{}", fold + 1)) }
    }
}

/// Creates the folder, or checks that it was begun with the same settings, images and instruction set. Returns its lock.
fn begin_or_resume(
    out: &Path,
    settings: &CrossValidationSettings,
    images: &TrainingSet<'_>,
) -> Result<FolderLock, TrainError> {
    let CrossValidationSettings { data, folds, seed, recipe, distillation } = settings.clone();
    let digest = images.digest(recipe.input.side_px)?;
    let now = Stored {
        data,
        folds,
        seed,
        images: digest,
        instruction_set: instruction_set().name().to_owned(),
        distillation,
        recipe,
    };
    let path = out.join("settings.toml");
    if path.exists() {
        let lock = FolderLock::acquire(out)?;
        return match read_toml::<Stored>(&path)?.difference(&now) {
            Some(difference) => Err(TrainError::Mismatch { path: Some(path), difference }),
            None => Ok(lock),
        };
    }
    RunFolder::create(out)?;
    let lock = FolderLock::acquire(out)?;
    write_toml(&path, &now)?;
    Ok(lock)
}

/// One fold of a cross-validation.
struct FoldRun<'a> {
    settings: &'a CrossValidationSettings,
    images: &'a Cache,
    sites: Option<&'a OtherSites>,
    fold_of: &'a [usize],
    fold: usize,
    folder: PathBuf,
}

impl<'a> FoldRun<'a> {
    fn held_out(&self) -> Subset<'a> {
        select(self.images, self.fold_of, |fold| fold == self.fold)
    }

    fn training(&self) -> Subset<'a> {
        select(self.images, self.fold_of, |fold| fold != self.fold)
    }

    fn predictions_path(&self) -> PathBuf {
        self.folder.join("predictions.csv")
    }

    fn site_predictions_path(&self) -> PathBuf {
        self.folder.join("sites.csv")
    }

    /// Reads the predictions of the images of other sites; empty if there are none.
    fn site_predictions(&self) -> Result<Vec<SitePrediction>, TrainError> {
        match self.sites {
            Some(sites) if !sites.is_empty() => Ok(read_site_predictions(&self.site_predictions_path())?),
            _ => Ok(Vec::new()),
        }
    }

    /// Returns the predictions of the held-out images; `None` if the observer stopped the training.
    fn predictions(&self, observer: &mut dyn FoldObserver) -> Result<Option<Vec<LabelledPrediction>>, TrainError> {
        let predictions = match self.finished()? {
            Some(predictions) => Some(predictions),
            None => self.train(observer)?,
        };
        if predictions.is_some() {
            remove_checkpoints(&RunFolder::existing(&self.folder).last(), self.settings.distillation)?;
        }
        Ok(predictions)
    }

    /// Reads the predictions of a fold that was finished earlier.
    fn finished(&self) -> Result<Option<Vec<LabelledPrediction>>, TrainError> {
        let path = self.predictions_path();
        if !path.exists() {
            return Ok(None);
        }
        let found = read_predictions(&path)?;
        let held_out = self.held_out();
        let same = |(sample, image): (&Sample, &LabelledPrediction)| {
            (&sample.path, sample.class, &sample.patient) == (&image.path, image.class, &image.patient)
        };
        let equal = held_out.samples().zip(&found).take_while(|&(sample, image)| same((sample, image))).count();
        let now = held_out.samples().nth(equal).map(|sample| sample.path.clone());
        let began = found.get(equal).map(|image| image.path.clone());
        if now.is_some() || began.is_some() {
            let difference = Difference::ImageList { began, now };
            return Err(TrainError::Mismatch { path: Some(path), difference });
        }
        Ok(Some(found))
    }

    /// Trains on all other folds and predicts this one.
    fn train(&self, observer: &mut dyn FoldObserver) -> Result<Option<Vec<LabelledPrediction>>, TrainError> {
        with_path(&self.folder, |folder| std::fs::create_dir_all(folder))?;
        let _lock = FolderLock::acquire(&self.folder)?;
        let run = RunFolder::existing(&self.folder);
        let settings = Settings::new(self.settings.recipe.clone(), self.settings.seed);
        let (training, held_out) = (self.training(), self.held_out());
        observer.fold(&FoldReport {
            fold: self.fold + 1,
            folds: self.settings.folds,
            training: training.len(),
            held_out: held_out.len(),
        });
        let of_sites = self.sites.map(|sites| SiteFold::of(sites, self.settings.folds, self.fold));
        let set = TrainingSet::new(&training);
        let set = of_sites.as_ref().map_or(set, |fold| set.with(&fold.training[0], &fold.training[1]));
        let distillation = self.settings.distillation;
        let Some(model) = train_model(&run.last(), &settings, distillation, set, &held_out, observer)? else {
            return Ok(None);
        };
        if let Some(fold) = of_sites {
            let predictions = fold.predict(&model.network)?;
            with_path(&self.site_predictions_path(), |path| write_site_predictions(path, &predictions))?;
        }
        let logits = predict_logits(&model.network, &held_out, Tta::None)?;
        let predictions = labelled_predictions(held_out.samples(), &logits, 1.0);
        crate::evaluate::check(&predictions)?;
        run.save_best(&model)?;
        // This file is written last, because it marks the fold as finished.
        with_path(&self.predictions_path(), |path| write_predictions(path, &predictions, THRESHOLD))?;
        Ok(Some(predictions))
    }
}

/// The images of other sites for one fold: healthy cells, and images that are not a single red cell.
struct SiteFold<'a> {
    training: [Subset<'a>; 2],
    held_out: [Subset<'a>; 2],
}

impl<'a> SiteFold<'a> {
    /// Holds out the photographs whose number, in alphabetical order, leaves the remainder `fold` when divided by `folds`.
    fn of(sites: &'a OtherSites, folds: usize, fold: usize) -> SiteFold<'a> {
        let sets = [&sites.negatives, &sites.not_cells];
        let all = sets.into_iter().flat_map(Cache::samples).map(|sample| sample.patient.as_deref());
        let photographs: BTreeSet<Option<&str>> = all.collect();
        let held_out: BTreeSet<_> = photographs.into_iter().skip(fold).step_by(folds).collect();
        let select = |set: &'a Cache, wanted: bool| {
            let is_wanted = |sample: &Sample| held_out.contains(&sample.patient.as_deref()) == wanted;
            let indices =
                set.samples().iter().enumerate().filter(|(_, sample)| is_wanted(sample)).map(|(index, _)| index);
            Subset::new(set, indices.collect())
        };
        SiteFold { training: sets.map(|set| select(set, false)), held_out: sets.map(|set| select(set, true)) }
    }

    fn predict(&self, network: &Network) -> Result<Vec<SitePrediction>, TrainError> {
        let [negatives, not_cells] = &self.held_out;
        let mut predictions = Vec::new();
        for (set, class) in [(negatives, Some(Class::Uninfected)), (not_cells, None)] {
            let logits = predict_logits(network, set, Tta::None)?;
            predictions
                .extend(set.samples().zip(&logits).map(|(sample, logits)| site_prediction(sample, class, logits, 1.0)));
        }
        Ok(predictions)
    }
}

/// Selects the images of some folds.
fn select<'a>(images: &'a Cache, fold_of: &[usize], belongs: impl Fn(usize) -> bool) -> Subset<'a> {
    let indices = fold_of.iter().enumerate().filter(|&(_, &fold)| belongs(fold)).map(|(index, _)| index);
    Subset::new(images, indices.collect())
}
