//! Errors of training.

use super::Settings;
use super::folder::Part;
use crate::dataset::DatasetError;
use crate::evaluate::EvaluateError;
use crate::image::ImageError;
use crate::input::InputError;
use crate::model::recipe::Schedule;
use crate::model::{ModelError, PredictError, Recipe, RecipeError};
use crate::nn::ArchitectureError;
use crate::nn::kernels::{InstructionSet, instruction_set};
use std::fmt;
use std::path::PathBuf;

/// An error that ends training, or prevents its start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The training set or the validation set is empty.
    #[error("there are no images to {}", part.verb())]
    NoImages {
        /// The empty set.
        part: Part,
    },
    /// The loss is not finite. The files of the run stay as they were after the last completed epoch.
    #[error(
        "epoch {epoch}, {place}: the loss is not finite ({loss}); the files of the run are those of the last completed \
         epoch (a smaller learning rate may help)"
    )]
    NotFinite {
        /// Epoch, counted from 1.
        epoch: u64,
        /// Place in the epoch.
        place: Place,
        /// The loss.
        loss: f64,
    },
    /// A file or folder of the run cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The folder of a new run contains files.
    #[error("{path}: expected a new or empty folder, found files in it")]
    FolderInUse {
        /// The folder.
        path: PathBuf,
    },
    /// Another process is training in the folder.
    #[error("{path}: another process is training in this folder")]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// A folder has no `settings.toml`.
    #[error("{path}: not the folder of a training run (it has no settings.toml)")]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// A `settings.toml` cannot be parsed.
    #[error("{path}: not the settings of a run: {message}")]
    InvalidSettings {
        /// The file.
        path: PathBuf,
        /// The message of the parser.
        message: String,
    },
    /// A model file has no training progress.
    #[error("{path}: not the checkpoint of a training run")]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
    },
    /// A checkpoint is damaged, or was written by another version of this library.
    #[error("{path}: damaged checkpoint: {message}")]
    InvalidCheckpoint {
        /// The file.
        path: PathBuf,
        /// The damage.
        message: String,
    },
    /// A run cannot be resumed, because its settings or its images have changed.
    #[error("{}{difference}", path.as_ref().map(|path| format!("{}: ", path.display())).unwrap_or_default())]
    Mismatch {
        /// The file with the earlier settings; `None` if they were never saved.
        path: Option<PathBuf>,
        /// The difference.
        difference: Difference,
    },
    /// The number of epochs cannot be changed, because the learning rate of every step depends on it.
    #[error(
        "the learning rate schedule `{}` spans all {epochs} epochs, so the run cannot be resumed with {requested}",
        schedule_name(*schedule)
    )]
    EpochsFixed {
        /// The schedule.
        schedule: Schedule,
        /// Epochs of the run.
        epochs: u64,
        /// Requested epochs.
        requested: u64,
    },
    /// The run has already begun more epochs than requested.
    #[error("the run is in epoch {begun} already, so it cannot end after epoch {requested}")]
    EpochsPassed {
        /// Epochs begun.
        begun: u64,
        /// Requested epochs.
        requested: u64,
    },
    /// The patient of an image is not known, so the images cannot be split by patient.
    #[error("{path}: the patient of this image is unknown (a file name such as C33P1….png would contain it)")]
    MissingPatient {
        /// The image.
        path: PathBuf,
    },
    /// The images cannot be divided into sets or folds.
    #[error("{folder} cannot be divided")]
    Divide {
        /// The data folder.
        folder: PathBuf,
        /// The cause.
        source: Box<DatasetError>,
    },
    /// Too many images of a folder are unreadable.
    #[error("{folder}: {} of {images} images are unreadable, more than {max_percent} %", unreadable.len())]
    TooManyUnreadable {
        /// The data folder.
        folder: PathBuf,
        /// One error per unreadable image.
        unreadable: Vec<ImageError>,
        /// Images in the folder, readable or not.
        images: usize,
        /// Highest percentage accepted.
        max_percent: f64,
    },
    /// Images of a given validation set are also in the training set.
    #[error("{folder}: {} validation images are also training images", pairs.len())]
    SharedImages {
        /// The folder of the validation set.
        folder: PathBuf,
        /// Pairs of a training image and the validation image with the same pixels.
        pairs: Vec<(PathBuf, PathBuf)>,
    },
    /// An image cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A file of the run cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A data folder cannot be used.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A model file of the run cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A recipe is invalid.
    #[error(transparent)]
    Recipe(Box<RecipeError>),
    /// The layers of the recipe do not fit together.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    /// Predictions cannot be evaluated.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
}

impl From<RecipeError> for TrainError {
    fn from(error: RecipeError) -> TrainError {
        TrainError::Recipe(Box::new(error))
    }
}

impl From<PredictError> for TrainError {
    fn from(error: PredictError) -> TrainError {
        match error {
            PredictError::Image(error) => error.into(),
            PredictError::Model(error) => error.into(),
        }
    }
}

/// A place in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An optimizer step, counted from 1.
    Step(u64),
    /// The validation at the end of the epoch.
    Validation,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Step(step) => write!(f, "step {step}"),
            Place::Validation => f.write_str("validation"),
        }
    }
}

/// A difference between a run that was begun and the settings or images with which it is to be resumed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Difference {
    /// The recipes have different names.
    RecipeName {
        /// Name of the recipe that the run was begun with.
        began: String,
        /// Name of the recipe given now.
        now: String,
    },
    /// The recipes have the same name and different content.
    RecipeContent {
        /// Name of both recipes.
        recipe: String,
        /// The parts that differ, such as `training`.
        parts: Vec<&'static str>,
    },
    /// The seeds differ.
    Seed {
        /// Seed that the run was begun with.
        began: u64,
        /// Seed given now.
        now: u64,
    },
    /// The numbers of steps per epoch differ.
    StepsPerEpoch {
        /// Steps per epoch that the run was begun with; `None` for one pass over the images.
        began: Option<u64>,
        /// Steps per epoch given now.
        now: Option<u64>,
    },
    /// The instruction sets differ, so the rounding of the sums differs.
    InstructionSet {
        /// Instruction set that the run was begun with; `None` if an earlier version began it, which did not record it.
        began: Option<InstructionSet>,
        /// Instruction set in use now.
        now: InstructionSet,
    },
    /// The numbers of folds differ.
    Folds {
        /// Folds that the cross-validation was begun with.
        began: usize,
        /// Folds given now.
        now: usize,
    },
    /// The numbers of teachers or the epochs of the network that learns from them differ.
    Distillation,
    /// The data folders differ.
    Data {
        /// Folder that the run was begun with.
        began: PathBuf,
        /// Folder given now.
        now: PathBuf,
    },
    /// The training images differ in pixels, classes or order.
    TrainingImages,
    /// The validation images differ in pixels, classes or order.
    ValidationImages,
    /// The images of a cross-validation differ in pixels, classes or order.
    Images,
    /// A list of images, such as `split.csv`, differs from the images found now.
    ImageList {
        /// The first listed image that is missing or has another patient, part or class now; `None` if images were added.
        began: Option<PathBuf>,
        /// The image found in its place; `None` if images were removed.
        now: Option<PathBuf>,
    },
}

impl Difference {
    /// Returns whether the images differ, rather than the settings.
    #[must_use]
    pub fn is_of_images(&self) -> bool {
        use Difference::{ImageList, Images, TrainingImages, ValidationImages};
        matches!(self, TrainingImages | ValidationImages | Images | ImageList { .. })
    }

    /// Compares the settings on which the weights depend. Under a constant learning rate, the number of epochs may differ.
    #[must_use]
    pub fn of_settings(began: &Settings, now: &Settings) -> Option<Difference> {
        Difference::of_recipes(&began.recipe, &now.recipe).or_else(|| {
            if began.seed != now.seed {
                Some(Difference::Seed { began: began.seed, now: now.seed })
            } else if began.steps_per_epoch != now.steps_per_epoch {
                Some(Difference::StepsPerEpoch { began: began.steps_per_epoch, now: now.steps_per_epoch })
            } else {
                None
            }
        })
    }

    /// Compares the instruction set that a run was begun with to the one in use.
    #[must_use]
    pub fn of_instruction_sets(began: Option<InstructionSet>) -> Option<Difference> {
        let now = instruction_set();
        (began != Some(now)).then_some(Difference::InstructionSet { began, now })
    }

    /// Compares two recipes. Under a constant learning rate, the number of epochs may differ.
    #[must_use]
    pub fn of_recipes(began: &Recipe, now: &Recipe) -> Option<Difference> {
        if began.name != now.name {
            return Some(Difference::RecipeName { began: began.name.clone(), now: now.name.clone() });
        }
        let mut training = began.training.clone();
        if training.schedule == Schedule::Constant {
            training.epochs = now.training.epochs;
        }
        let parts = [
            ("description", began.description != now.description),
            ("input", began.input != now.input),
            ("layers", began.layers != now.layers),
            ("training", training != now.training),
            ("augmentation", began.augmentation != now.augmentation),
        ];
        let parts: Vec<_> = parts.into_iter().filter_map(|(part, differs)| differs.then_some(part)).collect();
        (!parts.is_empty()).then(|| Difference::RecipeContent { recipe: now.name.clone(), parts })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = |steps: &Option<u64>| steps.map_or("one pass".to_owned(), |steps| format!("{steps} steps"));
        match self {
            Difference::RecipeName { began, now } => write!(f, "begun with the recipe `{began}`, not `{now}`"),
            Difference::RecipeContent { recipe, parts } => {
                write!(f, "begun with another version of the recipe `{recipe}`; changed: {}", parts.join(", "))
            }
            Difference::Seed { began, now } => write!(f, "begun with the seed {began}, not {now}"),
            Difference::StepsPerEpoch { began, now } => {
                write!(f, "begun with {} per epoch, not {}", steps(began), steps(now))
            }
            Difference::InstructionSet { began: Some(began), now } => write!(
                f,
                "begun with the instruction set {}, not {}, which would give other weights",
                began.name(),
                now.name()
            ),
            Difference::InstructionSet { began: None, now } => write!(
                f,
                "begun by an earlier version, which did not record the instruction set; if it was not {}, the weights \
                 would be others",
                now.name()
            ),
            Difference::Folds { began, now } => write!(f, "begun with {began} folds, not {now}"),
            Difference::Distillation => {
                f.write_str("begun with other teachers, or other epochs of the network that learns from them")
            }
            Difference::Data { began, now } => {
                write!(f, "begun with the images of {}, not {}", began.display(), now.display())
            }
            Difference::TrainingImages => f.write_str("begun with other training images; the data has changed since"),
            Difference::ValidationImages => {
                f.write_str("begun with other validation images; the data has changed since")
            }
            Difference::Images => f.write_str("begun with other images; the data has changed since"),
            Difference::ImageList { began: Some(began), now: Some(now) } if began == now => {
                write!(f, "{} has another class, patient or set now", now.display())
            }
            Difference::ImageList { began: Some(began), now: Some(now) } => {
                write!(f, "begun with other images: expected {}, found {}", began.display(), now.display())
            }
            Difference::ImageList { began: Some(began), now: None } => {
                write!(f, "begun with more images; {} is missing", began.display())
            }
            Difference::ImageList { now: Some(now), .. } => {
                write!(f, "begun with fewer images; {} was added", now.display())
            }
            Difference::ImageList { .. } => f.write_str("begun with other images"),
        }
    }
}

/// Returns the name of a schedule in recipes.
fn schedule_name(schedule: Schedule) -> &'static str {
    match schedule {
        Schedule::Constant => "constant",
        Schedule::WarmupCosine => "warmup_cosine",
    }
}
