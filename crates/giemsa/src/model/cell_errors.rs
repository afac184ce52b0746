//! The error rates of a model for single cells, and their keys in the metadata of a model file.

use super::ModelError;
use super::container::Metadata;
use super::file::{number, optional};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Error rates for single cells.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellErrors {
    /// Fraction of parasitized cells that are classified as Parasitized.
    pub sensitivity: f64,
    /// Mean over patients of the fraction of uninfected cells that are classified as Parasitized.
    pub false_positive_rate: f64,
    /// Standard deviation of the false positive rate between patients; `None` if all patients have the same rate.
    pub between_patients: Option<f64>,
}

/// The keys of the metadata, in the order of the fields.
const KEYS: [&str; 3] = ["sensitivity", "false_positive_rate", "false_positive_rate_between_patients"];

impl CellErrors {
    /// Reads the error rates of a model file; `None` if it has none.
    ///
    /// # Errors
    /// If a rate is not in 0..=1, or one of the first two is missing.
    pub(super) fn read(metadata: &Metadata, path: &Path) -> Result<Option<CellErrors>, ModelError> {
        if !KEYS.iter().any(|&key| metadata.contains_key(key)) {
            return Ok(None);
        }
        let is_rate = |value: f64| (0.0..=1.0).contains(&value);
        let rate = |key| number(metadata, key, "in 0..=1", path, is_rate);
        Ok(Some(CellErrors {
            sensitivity: rate(KEYS[0])?,
            false_positive_rate: rate(KEYS[1])?,
            between_patients: optional(metadata, KEYS[2], "in 0..=1", path, is_rate)?,
        }))
    }

    /// Returns the keys and values of the metadata.
    pub(super) fn metadata(&self) -> impl Iterator<Item = (&'static str, f64)> + use<> {
        let rates = [Some(self.sensitivity), Some(self.false_positive_rate), self.between_patients];
        KEYS.into_iter().zip(rates).filter_map(|(key, rate)| Some((key, rate?)))
    }
}
