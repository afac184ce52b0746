//! The metrics of a cross-validation.

use super::{OutOfFold, THRESHOLD};
use crate::evaluate::metric_values::{METRIC_COUNT, MetricValues};
use crate::evaluate::metrics::Metrics;
use crate::evaluate::patients::{Spread, spread};
use crate::evaluate::{EvaluateError, bootstrap};
use serde::Serialize;

/// The metrics of each fold, and their spread over the folds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FoldsSummary {
    /// Metrics of each fold.
    pub folds: Vec<MetricValues<Option<f64>>>,
    /// Mean, standard deviation and quantiles of each metric over the folds.
    pub spread: MetricValues<Option<Spread>>,
    /// [`RESEARCH_ONLY`](crate::RESEARCH_ONLY).
    pub research_only: &'static str,
}

impl FoldsSummary {
    /// Computes the metrics of each fold at the decision threshold [`THRESHOLD`].
    ///
    /// # Errors
    /// If a probability is not in 0..=1.
    pub fn of(out_of_fold: &OutOfFold) -> Result<FoldsSummary, EvaluateError> {
        let OutOfFold { predictions, fold_of, .. } = out_of_fold;
        let count = fold_of.iter().max().map_or(0, |last| last + 1);
        let values = |fold: usize| -> Result<MetricValues<Option<f64>>, EvaluateError> {
            let of_fold =
                predictions.iter().zip(fold_of).filter(|&(_, &of)| of == fold).map(|(image, _)| image.clone());
            let no_intervals = bootstrap::Settings { draws: 0, seed: 0 };
            Ok(Metrics::compute(&of_fold.collect::<Vec<_>>(), THRESHOLD, no_intervals)?.values)
        };
        let folds = (0..count).map(values).collect::<Result<Vec<_>, _>>()?;
        let arrays: Vec<[Option<f64>; METRIC_COUNT]> = folds.iter().map(|values| values.to_array()).collect();
        let spread =
            MetricValues::from_array(std::array::from_fn(|i| spread(arrays.iter().filter_map(|array| array[i]))));
        Ok(FoldsSummary { folds, spread, research_only: crate::RESEARCH_ONLY })
    }
}
