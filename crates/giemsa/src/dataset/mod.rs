//! Folders of labelled images: scanning, patients, splits, statistics, the cache of decoded images and augmentation.

pub mod annotations;
pub mod augment;
mod cache;
pub mod cut;
mod digest;
pub mod duplicates;
mod error;
mod image_digest;
pub mod labels;
pub mod patients;
pub mod scan;
pub mod selection;
pub mod sites;
pub mod split;
pub mod split_folders;
pub mod statistics;
mod subset;

pub use cache::Cache;
pub use digest::sha256_of_samples;
pub use error::DatasetError;
pub use image_digest::image_digest;
pub use subset::Subset;

use crate::classes::Class;
use crate::preprocess::Images;
use std::path::PathBuf;

/// A labelled image file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The file.
    pub path: PathBuf,
    /// The class of its folder.
    pub class: Class,
    /// The patient, such as `C33` for `C33P1thinF_….png`; `None` if it is unknown.
    pub patient: Option<String>,
}

/// A set of preprocessed images with known classes.
pub trait LabelledImages: Images {
    /// Returns the class of an image.
    fn class(&self, index: usize) -> Class;
}
