//! Folders of class folders: scanning, patients, splits, statistics, the decoded cache, augmentation, batches.

pub mod augment;
pub mod cache;
pub mod duplicates;
mod image_digest;
pub mod labels;
pub mod patients;
pub mod scan;
pub mod split;
pub mod statistics;
mod subset;

pub use cache::Cache;
pub use image_digest::image_digest;
pub use subset::Subset;

use crate::classes::Class;
use crate::image::ImageError;
use crate::preprocess::Images;
use std::path::PathBuf;

/// One labelled image of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Where it is.
    pub path: PathBuf,
    /// The class whose folder it lies in.
    pub class: Class,
    /// `C33` for `C33P1thinF_….png`; none where the name does not say.
    pub patient: Option<String>,
}

/// A set of preprocessed images with known classes.
pub trait LabelledImages: Images {
    /// Returns the class of one image.
    fn class(&self, index: usize) -> Class;
}

/// A data folder that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// An image cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A folder or file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The folder or file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The folder does not hold what it should.
    #[error("{path}: expected {expected}, found {found}")]
    Content {
        /// The folder.
        path: String,
        /// What it should hold.
        expected: String,
        /// What it holds.
        found: String,
    },
}
