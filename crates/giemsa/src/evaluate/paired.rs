//! Two models on the same images: the difference, and how sure it is.

use super::bootstrap::{Clusters, Interval, Resampled, Settings, intervals};
use super::figures::{Figures, Ranked};
use super::{EvaluateError, LabelledPrediction, check};
use serde::{Deserialize, Serialize};

/// A model's scores and its decision threshold.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// One an image, in the same order for both models.
    pub scored: &'a [LabelledPrediction],
    /// Images with at least this probability of Parasitized are called so.
    pub threshold: f64,
}

/// How two models compare.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Images that both were given.
    pub images: u64,
    /// Null where an image's patient is not known.
    pub patients: Option<usize>,
    /// The figures of the first model.
    pub a: Figures<Option<f64>>,
    /// The figures of the second model.
    pub b: Figures<Option<f64>>,
    /// The first less the second.
    pub difference: Figures<Option<f64>>,
    /// 95 % intervals of the difference, both models judged on the same draws.
    pub intervals: Figures<Option<Interval>>,
    /// What was drawn for the intervals.
    pub resampled: Resampled,
    /// How often.
    pub draws: usize,
    /// What the draws follow from.
    pub seed: u64,
    /// Whether the two are right equally often.
    pub mcnemar: McNemar,
}

/// McNemar's test (1947) of whether two models are right equally often.
///
/// It takes images to be independent, which cells of one patient are not: the interval by patient is the more sober
/// answer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// Images that the first model alone calls what they are.
    pub only_a_right: u64,
    /// Images that the second model alone calls what they are.
    pub only_b_right: u64,
    /// Two-sided, from the binomial distribution.
    pub exact_p: f64,
    /// Two-sided mid-p (Fagerland, Lydersen and Laake 2013): less cautious, closer to its level.
    pub mid_p: f64,
}

/// Compares two models.
///
/// # Errors
/// When the lists are not of the same images in the same order, or a probability is not one.
pub fn compare(a: Side<'_>, b: Side<'_>, settings: Settings) -> Result<Comparison, EvaluateError> {
    check(a.scored)?;
    check(b.scored)?;
    check_same_images(a.scored, b.scored)?;
    let clusters = Clusters::of(a.scored);
    let ranked = [a, b].map(|side| Ranked::new(side.scored, side.threshold, &clusters));
    let figures = ranked.each_ref().map(|ranked| ranked.figures(&clusters.once()));
    Ok(Comparison {
        images: a.scored.len() as u64,
        patients: (clusters.resampled == Resampled::Patients).then_some(clusters.count),
        a: figures[0],
        b: figures[1],
        difference: figures[0].less(figures[1]),
        intervals: intervals(&clusters, settings, |weights| {
            ranked[0].figures(weights).less(ranked[1].figures(weights))
        }),
        resampled: clusters.resampled,
        draws: settings.draws,
        seed: settings.seed,
        mcnemar: mcnemar(a, b),
    })
}

fn check_same_images(a: &[LabelledPrediction], b: &[LabelledPrediction]) -> Result<(), EvaluateError> {
    if a.len() != b.len() {
        return Err(EvaluateError::Unpaired { found: format!("{} and {}", a.len(), b.len()) });
    }
    match a.iter().zip(b).find(|(a, b)| (&a.path, a.class, &a.patient) != (&b.path, b.class, &b.patient)) {
        Some((a, b)) => {
            let found = format!("{} ({}) and {} ({})", a.path.display(), a.class, b.path.display(), b.class);
            Err(EvaluateError::Unpaired { found })
        }
        None => Ok(()),
    }
}

fn mcnemar(a: Side<'_>, b: Side<'_>) -> McNemar {
    let right = |(in_a, in_b): (&LabelledPrediction, &LabelledPrediction)| {
        (in_a.is_right(a.threshold), in_b.is_right(b.threshold))
    };
    let pairs: Vec<(bool, bool)> = a.scored.iter().zip(b.scored).map(right).collect();
    let count = |wanted| pairs.iter().filter(|&&pair| pair == wanted).count() as u64;
    let (only_a_right, only_b_right) = (count((true, false)), count((false, true)));
    let (exact_p, mid_p) = p_values(only_a_right, only_b_right);
    McNemar { only_a_right, only_b_right, exact_p, mid_p }
}

/// The exact and the mid-p value, two-sided, of so many images on which one model alone is right.
pub fn p_values(only_a_right: u64, only_b_right: u64) -> (f64, f64) {
    let (fewer, n) = (only_a_right.min(only_b_right), only_a_right + only_b_right);
    // ln of the binomial probability of k = 0, 1, … in n at an even chance, each from the one before.
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
    fn p_values_of_small_counts_are_those_of_hand_arithmetic() {
        // 1 against 5: P(X <= 1) = 7/64, P(X = 1) = 6/64.
        for (a, b, exact, mid) in
            [(1, 5, 14.0 / 64.0, 8.0 / 64.0), (3, 0, 0.25, 0.125), (4, 4, 1.0, 1.0), (0, 0, 1.0, 1.0)]
        {
            let (exact_p, mid_p) = p_values(a, b);
            assert!((exact_p - exact).abs() < 1e-14 && (mid_p - mid).abs() < 1e-14, "{a} {b}: {exact_p} {mid_p}");
        }
    }

    #[test]
    fn lists_of_other_images_are_an_error_that_names_one() {
        let image = |path: &str, class| LabelledPrediction {
            path: path.into(),
            class,
            patient: None,
            probability_parasitized: 0.5,
        };
        let compare = |a: &[LabelledPrediction], b: &[LabelledPrediction]| {
            let side = |scored| Side { scored, threshold: 0.5 };
            compare(side(a), side(b), Settings { draws: 1, seed: 0 }).unwrap_err().to_string()
        };
        let error = compare(&[image("a.png", Parasitized)], &[image("a.png", Uninfected)]);
        assert!(error.contains("a.png (Parasitized) and a.png (Uninfected)"), "{error}");
        let error = compare(&[image("a.png", Parasitized)], &[]);
        assert_eq!(error, "expected at least one image to evaluate, found none");
    }
}
