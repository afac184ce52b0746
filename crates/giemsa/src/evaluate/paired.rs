//! Paired comparison of two models on the same images.

use super::bootstrap::{Interval, Settings, intervals};
use super::clusters::{Clusters, Resampled};
use super::metric_values::{MetricValues, Ranked};
use super::{EvaluateError, LabelledPrediction, check};
use serde::{Deserialize, Serialize};

/// The predictions and the decision threshold of one model.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// One prediction per image, in the same order for both models.
    pub predictions: &'a [LabelledPrediction],
    /// An image is classified as Parasitized if its probability is at least this.
    pub threshold: f64,
}

/// The result of a paired comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Comparison {
    /// Number of images.
    pub images: u64,
    /// Number of patients; `None` if the patient of any image is unknown.
    pub patients: Option<usize>,
    /// Metrics of the first model.
    pub a: MetricValues<Option<f64>>,
    /// Metrics of the second model.
    pub b: MetricValues<Option<f64>>,
    /// Metrics of the first model minus those of the second.
    pub difference: MetricValues<Option<f64>>,
    /// 95 % confidence intervals of the difference; both models are evaluated on the same resamples.
    pub intervals: MetricValues<Option<Interval>>,
    /// The unit that the bootstrap resampled.
    pub resampled: Resampled,
    /// Number of bootstrap resamples.
    pub draws: usize,
    /// Seed of the bootstrap.
    pub seed: u64,
    /// McNemar's test of equal accuracy.
    pub mcnemar: McNemar,
}

/// McNemar's test of whether two models have the same accuracy (McNemar 1947, "Note on the sampling error of the difference
/// between correlated proportions or percentages").
///
/// The test assumes that images are independent. Cells of one patient are not, so prefer the interval by patient.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// Images that only the first model classifies correctly.
    pub only_a_right: u64,
    /// Images that only the second model classifies correctly.
    pub only_b_right: u64,
    /// Two-sided exact p-value, from the binomial distribution.
    pub exact_p: f64,
    /// Two-sided mid-p value, which is less conservative (Fagerland, Lydersen and Laake 2013, "The McNemar test for binary
    /// matched-pairs data: mid-p and asymptotic are better than exact conditional").
    pub mid_p: f64,
}

/// Compares two models on the same images.
///
/// # Errors
/// If the lists do not contain the same images in the same order, there are no images, a probability is not in 0..=1, or
/// there are too many resamples.
pub fn compare(a: Side<'_>, b: Side<'_>, settings: Settings) -> Result<Comparison, EvaluateError> {
    check(a.predictions)?;
    check(b.predictions)?;
    check_same_images(a.predictions, b.predictions)?;
    settings.check()?;
    let clusters = Clusters::by_patient(a.predictions);
    let ranked = [a, b].map(|side| Ranked::new(side.predictions, side.threshold, &clusters));
    let [metrics_a, metrics_b] = ranked.each_ref().map(|ranked| ranked.metrics(&clusters.unit_weights()));
    Ok(Comparison {
        images: a.predictions.len() as u64,
        patients: clusters.patients(),
        a: metrics_a,
        b: metrics_b,
        difference: metrics_a.minus(metrics_b),
        intervals: intervals(&clusters, settings, |weights| {
            ranked[0].metrics(weights).minus(ranked[1].metrics(weights))
        }),
        resampled: clusters.resampled,
        draws: settings.draws,
        seed: settings.seed,
        mcnemar: mcnemar(a, b),
    })
}

fn check_same_images(a: &[LabelledPrediction], b: &[LabelledPrediction]) -> Result<(), EvaluateError> {
    if a.len() != b.len() {
        return Err(EvaluateError::DifferentCounts { a: a.len(), b: b.len() });
    }
    match a.iter().zip(b).find(|(a, b)| (&a.path, a.class, &a.patient) != (&b.path, b.class, &b.patient)) {
        Some((a, b)) => Err(EvaluateError::DifferentImages {
            path_a: a.path.clone(),
            class_a: a.class,
            path_b: b.path.clone(),
            class_b: b.class,
        }),
        None => Ok(()),
    }
}

fn mcnemar(a: Side<'_>, b: Side<'_>) -> McNemar {
    let correct = |(in_a, in_b): (&LabelledPrediction, &LabelledPrediction)| {
        (in_a.is_correct(a.threshold), in_b.is_correct(b.threshold))
    };
    let pairs: Vec<(bool, bool)> = a.predictions.iter().zip(b.predictions).map(correct).collect();
    let count = |outcome| pairs.iter().filter(|&&pair| pair == outcome).count() as u64;
    let (only_a_right, only_b_right) = (count((true, false)), count((false, true)));
    let (exact_p, mid_p) = p_values(only_a_right, only_b_right);
    McNemar { only_a_right, only_b_right, exact_p, mid_p }
}

/// Computes the two-sided exact p-value and mid-p value of McNemar's test from the numbers of images that only one of the
/// models classifies correctly.
#[must_use]
pub fn p_values(only_a_right: u64, only_b_right: u64) -> (f64, f64) {
    let (fewer, n) = (only_a_right.min(only_b_right), only_a_right + only_b_right);
    // The log probability of k = 0, 1, … successes in n trials at probability 0.5, each from the previous one.
    let mut ln_probability = n as f64 * 0.5f64.ln();
    let mut tail = 0.0;
    for k in 0..fewer {
        tail += ln_probability.exp();
        ln_probability += ((n - k) as f64 / (k + 1) as f64).ln();
    }
    let last = ln_probability.exp();
    ((2.0 * (tail + last)).min(1.0), (2.0 * tail + last).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Class::{Parasitized, Uninfected};

    #[test]
    fn p_values_match_hand_arithmetic() {
        // 1 against 5: P(X <= 1) = 7/64, P(X = 1) = 6/64.
        for (a, b, exact, mid) in
            [(1, 5, 14.0 / 64.0, 8.0 / 64.0), (3, 0, 0.25, 0.125), (4, 4, 1.0, 1.0), (0, 0, 1.0, 1.0)]
        {
            let (exact_p, mid_p) = p_values(a, b);
            assert!((exact_p - exact).abs() < 1e-14 && (mid_p - mid).abs() < 1e-14, "{a} {b}: {exact_p} {mid_p}");
        }
    }

    #[test]
    fn rejects_predictions_of_different_images() {
        let image = |path: &str, class| LabelledPrediction {
            probability_red_cell: None,
            path: path.into(),
            class,
            patient: None,
            probability_parasitized: 0.5,
        };
        let compare = |a: &[LabelledPrediction], b: &[LabelledPrediction]| {
            let side = |predictions| Side { predictions, threshold: 0.5 };
            compare(side(a), side(b), Settings { draws: 1, seed: 0 }).unwrap_err().to_string()
        };
        let error = compare(&[image("a.png", Parasitized)], &[image("a.png", Uninfected)]);
        assert!(error.contains("a.png (Parasitized) and a.png (Uninfected)"), "{error}");
        let error = compare(&[image("a.png", Parasitized)], &[]);
        assert_eq!(error, "no images to evaluate");
        let one = image("a.png", Parasitized);
        let error = compare(&[one.clone(), one.clone()], &[one]);
        assert!(error.ends_with("found 2 and 1 images"), "{error}");
    }
}
