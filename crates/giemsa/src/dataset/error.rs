//! Errors of reading and dividing a data set.

use crate::classes::Class;
use crate::image::ImageError;
use crate::input::InputError;
use std::io;
use std::path::{Path, PathBuf};

/// A data set that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// An image cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The output cannot be written.
    #[error("{path}: {source}")]
    Write {
        /// The folder or file.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// A folder cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The folder.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// The file of boxes is invalid.
    #[error("{path}: {message}")]
    Annotations {
        /// The file.
        path: PathBuf,
        /// The reason.
        message: String,
    },
    /// Only the centres of cells are marked, and their diameter is unknown.
    #[error("{path}: expected boxes, found only centres of cells; their diameter in pixels is required")]
    NoDiameter {
        /// The folder of the photographs.
        path: PathBuf,
    },
    /// The folder does not exist.
    #[error("{path}: no such folder")]
    NotFound {
        /// The folder.
        path: PathBuf,
    },
    /// The path is a file.
    #[error("{path}: expected a folder, found a file")]
    NotAFolder {
        /// The file.
        path: PathBuf,
    },
    /// The folder contains no class folders.
    #[error("{path}: no class folders, such as Parasitized and Uninfected, in this folder")]
    NoClassFolders {
        /// The folder.
        path: PathBuf,
    },
    /// One of the class folders is missing.
    #[error("{path}: no class folder {missing}, found only {}", .found.join(", "))]
    MissingClass {
        /// The folder.
        path: PathBuf,
        /// The name of the missing class folder.
        missing: String,
        /// The names of the folders in it.
        found: Vec<String>,
    },
    /// There are other folders than those of the classes or the parts.
    #[error("{path}: expected the folders {}, found {}", .expected.join(" and "), .found.join(", "))]
    UnexpectedFolders {
        /// The folder.
        path: PathBuf,
        /// The expected names.
        expected: Vec<String>,
        /// The names of the folders in it.
        found: Vec<String>,
    },
    /// Several folders have the name of one class, in different case.
    #[error("{path}: several folders for one class: {}", .found.join(", "))]
    DuplicateClass {
        /// The folder.
        path: PathBuf,
        /// The names of the folders in it.
        found: Vec<String>,
    },
    /// A data folder or class folder contains no files.
    #[error("{path}: no images in this folder")]
    NoImages {
        /// The folder.
        path: PathBuf,
    },
    /// None of the images can be read.
    #[error("{path}: no readable images in this folder")]
    NoReadableImages {
        /// The folder.
        path: PathBuf,
    },
    /// There is a training folder without a test folder, or the reverse.
    #[error("{path}: no folder {missing} beside {found}")]
    MissingPart {
        /// The folder.
        path: PathBuf,
        /// The usual name of the missing part.
        missing: &'static str,
        /// The name of the part that is there.
        found: String,
    },
    /// The patient of an image is unknown.
    #[error("{path}: the patient of this image is unknown")]
    UnknownPatient {
        /// The image.
        path: PathBuf,
    },
    /// There are fewer patients than parts.
    #[error("expected at least {required} patients, found {found}")]
    TooFewPatients {
        /// The required number.
        required: usize,
        /// The number of patients.
        found: usize,
    },
    /// There are fewer images than parts.
    #[error("expected at least {required} images, found {found}")]
    TooFewImages {
        /// The required number.
        required: usize,
        /// The number of images.
        found: usize,
    },
    /// A part of a split would contain no image of a class.
    #[error("no {class} images for the {part} part of the split; too few patients have them")]
    ClassMissingFromPart {
        /// The class.
        class: Class,
        /// `larger` or `smaller`.
        part: &'static str,
    },
    /// A fold would contain no image of a class.
    #[error("no {class} images for fold {fold} of {folds}; too few patients have them")]
    ClassMissingFromFold {
        /// The class.
        class: Class,
        /// The fold, from 1.
        fold: usize,
        /// The number of folds.
        folds: usize,
    },
    /// A row of the patient table does not consist of a file and a patient.
    #[error("{path}:{line}: expected a file and its patient, found `{found}`")]
    InvalidPatientRow {
        /// The table.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The row, or the reason that it cannot be read.
        found: String,
    },
    /// The patient table assigns two patients to one file name.
    #[error("{path}:{line}: `{file}` belongs to {}, and to {} in an earlier line", .patients[1], .patients[0])]
    ConflictingPatients {
        /// The table.
        path: PathBuf,
        /// The later line, from 1.
        line: u64,
        /// The file name.
        file: String,
        /// The patients, in the order of the lines.
        patients: [String; 2],
    },
    /// The pattern for patients is not a regular expression.
    #[error("invalid patient pattern `{pattern}`: {source}")]
    InvalidPattern {
        /// The pattern.
        pattern: String,
        /// The syntax error.
        source: regex_lite::Error,
    },
    /// The output folder is not empty.
    #[error("{path}: the output folder is not empty")]
    OutputNotEmpty {
        /// The folder.
        path: PathBuf,
    },
}

impl DatasetError {
    pub(super) fn io(path: &Path, source: io::Error) -> DatasetError {
        DatasetError::Io { path: path.to_owned(), source }
    }
}
