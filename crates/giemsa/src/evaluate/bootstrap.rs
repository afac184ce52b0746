//! Confidence intervals from a bootstrap by patient.
//!
//! Cells of one patient resemble each other, so images are not independent observations. Each resample draws whole
//! patients with replacement, as many as there are (the cluster bootstrap: Davison and Hinkley 1997, "Bootstrap methods
//! and their application", section 3.8). An interval contains the middle 95 % of the resampled values (percentile
//! method: Efron 1979, "Bootstrap methods: another look at the jackknife").

use super::EvaluateError;
use super::clusters::Clusters;
use super::metric_values::{METRIC_COUNT, MetricValues};
use super::patients::quantile;
use crate::random::Random;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Settings of the bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The number of resamples, at most [`MAX_DRAWS`].
    pub draws: usize,
    /// The seed of the random numbers.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { draws: 2000, seed: 0 }
    }
}

/// The largest number of resamples: the values of all of them are in memory, about 100 MB.
pub const MAX_DRAWS: usize = 100_000;

impl Settings {
    /// Checks that there are at most [`MAX_DRAWS`] resamples.
    ///
    /// # Errors
    /// [`EvaluateError::TooManyDraws`] if there are more.
    pub fn check(self) -> Result<(), EvaluateError> {
        if self.draws > MAX_DRAWS { Err(EvaluateError::TooManyDraws { draws: self.draws }) } else { Ok(()) }
    }
}

/// The confidence level of the intervals.
pub const LEVEL: f64 = 0.95;

/// A confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The 2.5 % quantile of the resampled values.
    pub low: f64,
    /// The 97.5 % quantile of the resampled values.
    pub high: f64,
}

/// Separates these random numbers from others of the same seed.
const PURPOSE: u64 = u64::from_be_bytes(*b"bootstra");

/// Returns the number of times that each of `count` clusters is drawn in one resample; depends only on its arguments.
#[must_use]
pub fn weights(count: usize, seed: u64, draw: u64) -> Vec<u32> {
    let mut random = Random::keyed(&[seed, PURPOSE, draw]);
    let mut weights = vec![0; count];
    for _ in 0..count {
        weights[random.below(count)] += 1;
    }
    weights
}

/// Evaluates `statistic` on the weights of every resample, in the order of the resamples.
///
/// # Panics
/// If there are more than [`MAX_DRAWS`] resamples; see [`Settings::check`].
pub fn resample<T: Send>(clusters: &Clusters, settings: Settings, statistic: impl Fn(&[u32]) -> T + Sync) -> Vec<T> {
    assert!(settings.draws <= MAX_DRAWS, "{} resamples, more than {MAX_DRAWS}", settings.draws);
    let draws = (0..settings.draws as u64).into_par_iter();
    draws.map(|draw| statistic(&weights(clusters.count, settings.seed, draw))).collect()
}

/// Computes the confidence interval of each metric.
///
/// An interval is `None` if the metric is undefined in more than 5 % of the resamples. All are `None` with fewer than two
/// clusters, because the variation between patients cannot be estimated from one patient.
///
/// # Panics
/// If there are more than [`MAX_DRAWS`] resamples; see [`Settings::check`].
#[must_use]
pub fn intervals(
    clusters: &Clusters,
    settings: Settings,
    values: impl Fn(&[u32]) -> MetricValues<Option<f64>> + Sync,
) -> MetricValues<Option<Interval>> {
    if clusters.count < 2 {
        return MetricValues::default();
    }
    let draws: Vec<[Option<f64>; METRIC_COUNT]> = resample(clusters, settings, |weights| values(weights).to_array());
    MetricValues::from_array(std::array::from_fn(|i| interval(draws.iter().map(|values| values[i]).collect())))
}

/// Returns the middle 95 % of the defined values.
pub(super) fn interval(draws: Vec<Option<f64>>) -> Option<Interval> {
    let mut sorted: Vec<f64> = draws.iter().copied().flatten().collect();
    if sorted.is_empty() || sorted.len() * 20 < draws.len() * 19 {
        return None;
    }
    sorted.sort_by(f64::total_cmp);
    let tail = (1.0 - LEVEL) / 2.0;
    Some(Interval { low: quantile(&sorted, tail), high: quantile(&sorted, 1.0 - tail) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Class;
    use crate::evaluate::LabelledPrediction;
    use crate::evaluate::clusters::Resampled;
    use crate::evaluate::metrics::Metrics;
    use crate::evaluate::paired::{Side, compare};

    fn two_patients() -> Vec<LabelledPrediction> {
        let image = |(patient, class, probability_parasitized): (&str, Class, f64)| LabelledPrediction {
            probability_red_cell: None,
            path: format!("{patient}.png").into(),
            class,
            patient: Some(patient.to_owned()),
            probability_parasitized,
        };
        [("C1", Class::Parasitized, 0.9), ("C2", Class::Uninfected, 0.2)].map(image).to_vec()
    }

    fn clusters(count: u32) -> Clusters {
        Clusters { resampled: Resampled::Patients, of_image: (0..count).collect(), count: count as usize }
    }

    #[test]
    fn a_resample_draws_as_many_clusters_as_there_are() {
        for draw in 0..50 {
            assert_eq!(weights(17, 3, draw).iter().sum::<u32>(), 17);
        }
        assert_ne!(weights(17, 3, 0), weights(17, 3, 1));
        assert_ne!(weights(17, 3, 0), weights(17, 4, 0));
    }

    #[test]
    fn the_interval_of_a_mean_matches_theory() {
        // The fraction of draws from the first half of 400 clusters has the standard error sqrt(0.25 / 400) = 0.025, so
        // the interval is about 0.5 ± 1.96 * 0.025.
        let half = |weights: &[u32]| {
            let drawn: u32 = weights[..200].iter().sum();
            MetricValues { accuracy: Some(f64::from(drawn) / 400.0), ..MetricValues::default() }
        };
        let interval = intervals(&clusters(400), Settings { draws: 4000, seed: 1 }, half).accuracy.unwrap();
        assert!((interval.low - 0.451).abs() < 0.004 && (interval.high - 0.549).abs() < 0.004, "{interval:?}");
    }

    #[test]
    fn rejects_more_resamples_than_fit_in_memory() {
        let settings = |draws| Settings { draws, seed: 0 };
        assert!(settings(MAX_DRAWS).check().is_ok());
        for draws in [MAX_DRAWS + 1, u32::MAX as usize, usize::MAX] {
            assert!(matches!(settings(draws).check(), Err(EvaluateError::TooManyDraws { draws: d }) if d == draws));
            let result = Metrics::compute(&two_patients(), 0.5, settings(draws));
            assert!(matches!(result, Err(EvaluateError::TooManyDraws { .. })));
            let predictions = two_patients();
            let side = Side { predictions: &predictions, threshold: 0.5 };
            assert!(matches!(compare(side, side, settings(draws)), Err(EvaluateError::TooManyDraws { .. })));
        }
    }

    #[test]
    fn returns_none_for_one_patient() {
        let one = |_: &[u32]| MetricValues { accuracy: Some(1.0), ..MetricValues::default() };
        assert_eq!(intervals(&clusters(1), Settings::default(), one).accuracy, None);
    }

    #[test]
    fn returns_none_for_a_metric_that_is_undefined_in_many_resamples() {
        assert_eq!(interval([vec![None; 6], vec![Some(1.0); 94]].concat()), None);
        let interval = interval([vec![None; 5], vec![Some(1.0); 95]].concat());
        assert_eq!(interval, Some(Interval { low: 1.0, high: 1.0 }));
    }
}
