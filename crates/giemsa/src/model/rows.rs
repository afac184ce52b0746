//! Rows of results: predictions of the files of images.

use super::Prediction;
use crate::classes::Class;
use crate::output::serialize_path;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// A line of JSON of `giemsa predict`: a file with its prediction, or with the reason why there is none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PredictionRow<'a> {
    /// The file.
    #[serde(flatten, serialize_with = "serialize_path")]
    pub path: &'a Path,
    /// Its prediction.
    #[serde(flatten)]
    pub result: PredictionResult,
}

/// A prediction or an error.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum PredictionResult {
    /// The image was read.
    Predicted {
        /// The class; `None` if the image is refused. It has an older name, too.
        predicted: Option<Class>,
        /// The probability of each class, by its name.
        probability: BTreeMap<&'static str, f64>,
        /// The probability that the image shows a single red cell; `None` if the network has no output for it.
        cell: Option<f64>,
        /// The class; `None` if the image is refused.
        class: Option<Class>,
        /// Why there is no class.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'static str>,
    },
    /// The image could not be read.
    Unreadable {
        /// The reason, without the path.
        error: String,
    },
}

impl<'a> PredictionRow<'a> {
    /// Returns the row of a file. An error is the reason why its image could not be read.
    ///
    /// ```
    /// use giemsa::model::rows::PredictionRow;
    /// let row = PredictionRow::new("a.png".as_ref(), Err("the file is empty".to_owned()));
    /// assert_eq!(serde_json::to_string(&row)?, r#"{"path":"a.png","error":"the file is empty"}"#);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn new(path: &'a Path, result: Result<&Prediction, String>) -> PredictionRow<'a> {
        let result = match result {
            Ok(prediction) => PredictionResult::Predicted {
                predicted: prediction.class,
                probability: Class::ALL.map(Class::name).into_iter().zip(probabilities(prediction)).collect(),
                cell: cell(prediction),
                class: prediction.class,
                reason: reason(prediction),
            },
            Err(error) => PredictionResult::Unreadable { error },
        };
        PredictionRow { path, result }
    }
}

/// Returns the probabilities of Parasitized and of Uninfected, rounded to seven decimals, the precision of an f32.
#[must_use]
pub fn probabilities(prediction: &Prediction) -> [f64; 2] {
    let parasitized = rounded(prediction.probability_parasitized.into());
    [parasitized, rounded(1.0 - parasitized)]
}

/// Returns the probability of a single red cell, rounded to seven decimals.
#[must_use]
pub fn cell(prediction: &Prediction) -> Option<f64> {
    prediction.probability_red_cell.map(|probability| rounded(probability.into()))
}

/// Returns the reason why an image has no class.
#[must_use]
pub fn reason(prediction: &Prediction) -> Option<&'static str> {
    prediction.class.is_none().then_some("not a red cell")
}

/// Rounds a probability to seven decimals, the precision of an f32.
pub(crate) fn rounded(probability: f64) -> f64 {
    (probability * 1e7).round() / 1e7
}
