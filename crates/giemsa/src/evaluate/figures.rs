//! All figures of a list of scored images, where every patient (or image) counts a given number of times.
//!
//! One pass over the images, sorted once, so that thousands of resampled lists are judged in a second. Counting each
//! patient once gives the plain figures.

use super::LabelledPrediction;
use super::bootstrap::{Clusters, Resampled};
use super::calibration::{BINS, bin_index};
use serde::{Deserialize, Serialize};

/// The figures by name: values, or intervals of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures<T> {
    /// Share of images called what they are.
    pub accuracy: T,
    /// Share of Parasitized called so (recall).
    pub sensitivity: T,
    /// Share of Uninfected called so.
    pub specificity: T,
    /// Share of those called Parasitized that are.
    pub precision: T,
    /// Harmonic mean of precision and sensitivity.
    pub f1: T,
    /// Area under the receiver operating characteristic; see [`super::curves::roc_auc`].
    pub roc_auc: T,
    /// Area under the precision-recall curve; see [`super::curves::average_precision`].
    pub average_precision: T,
    /// See [`super::calibration::brier_score`].
    pub brier_score: T,
    /// See [`super::calibration::expected_calibration_error`].
    pub expected_calibration_error: T,
    /// Mean over patients of the sensitivity in each.
    pub macro_sensitivity: T,
    /// Mean over patients of the specificity in each.
    pub macro_specificity: T,
    /// Mean over patients of the false positive rate in each.
    pub macro_false_positive_rate: T,
}

/// How many figures there are.
pub const FIGURES: usize = 12;

impl<T: Copy> Figures<T> {
    /// The figures in their order.
    pub fn to_array(self) -> [T; FIGURES] {
        [
            self.accuracy,
            self.sensitivity,
            self.specificity,
            self.precision,
            self.f1,
            self.roc_auc,
            self.average_precision,
            self.brier_score,
            self.expected_calibration_error,
            self.macro_sensitivity,
            self.macro_specificity,
            self.macro_false_positive_rate,
        ]
    }

    /// The figures from their order.
    pub fn from_array(figures: [T; FIGURES]) -> Figures<T> {
        let [accuracy, sensitivity, specificity, precision, f1, roc_auc, average_precision, ..] = figures;
        let [.., brier_score, expected_calibration_error, macro_sensitivity, macro_specificity, _] = figures;
        Figures {
            accuracy,
            sensitivity,
            specificity,
            precision,
            f1,
            roc_auc,
            average_precision,
            brier_score,
            expected_calibration_error,
            macro_sensitivity,
            macro_specificity,
            macro_false_positive_rate: figures[FIGURES - 1],
        }
    }
}

impl Figures<Option<f64>> {
    /// These less others, where both are defined.
    pub fn less(self, other: Figures<Option<f64>>) -> Figures<Option<f64>> {
        let (ours, theirs) = (self.to_array(), other.to_array());
        Figures::from_array(std::array::from_fn(|i| Some(ours[i]? - theirs[i]?)))
    }
}

/// An image as the pass needs it.
struct Image {
    cluster: u32,
    probability: f64,
    bin: u8,
    positive: bool,
    called_positive: bool,
    /// The next image has a lower probability.
    ends_tie: bool,
}

/// LabelledPrediction images, ready for [`Ranked::figures`].
pub struct Ranked {
    /// By falling probability of Parasitized.
    images: Vec<Image>,
    /// Sensitivity and specificity of each cluster, where clusters are patients.
    rates: Vec<(Option<f64>, Option<f64>)>,
}

impl Ranked {
    /// Sorts the images; `clusters` must be those of the same list.
    pub fn new(scored: &[LabelledPrediction], threshold: f64, clusters: &Clusters) -> Ranked {
        let image = |(image, &cluster): (&LabelledPrediction, &u32)| Image {
            cluster,
            probability: image.probability_parasitized,
            bin: bin_index(image.probability_parasitized) as u8,
            positive: image.class.is_positive(),
            called_positive: image.called(threshold).is_positive(),
            ends_tie: true,
        };
        let mut images: Vec<Image> = scored.iter().zip(&clusters.of_image).map(image).collect();
        images.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        for i in 1..images.len() {
            images[i - 1].ends_tie = images[i - 1].probability != images[i].probability;
        }
        let rates = if clusters.resampled == Resampled::Patients { rates(&images, clusters.count) } else { Vec::new() };
        Ranked { images, rates }
    }

    /// The figures where each cluster counts `weights` times.
    pub fn figures(&self, weights: &[u32]) -> Figures<Option<f64>> {
        let mut pass = Pass::default();
        for image in &self.images {
            pass.add(image, u64::from(weights[image.cluster as usize]));
        }
        let macro_sensitivity = weighted_mean(weights, self.rates.iter().map(|rates| rates.0));
        let macro_specificity = weighted_mean(weights, self.rates.iter().map(|rates| rates.1));
        Figures {
            macro_sensitivity,
            macro_specificity,
            macro_false_positive_rate: macro_specificity.map(|rate| 1.0 - rate),
            ..pass.figures()
        }
    }
}

/// Sensitivity and specificity of each patient.
fn rates(images: &[Image], patients: usize) -> Vec<(Option<f64>, Option<f64>)> {
    let mut sums = vec![[(0u64, 0u64); 2]; patients];
    for image in images {
        let (right, all) = &mut sums[image.cluster as usize][usize::from(!image.positive)];
        *right += u64::from(image.positive == image.called_positive);
        *all += 1;
    }
    sums.into_iter()
        .map(|[positives, negatives]| (share(positives.0, positives.1), share(negatives.0, negatives.1)))
        .collect()
}

/// The mean over those that have a figure.
fn weighted_mean(weights: &[u32], figures: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (mut sum, mut weight_sum) = (0.0, 0.0);
    for (&weight, figure) in weights.iter().zip(figures) {
        if let Some(figure) = figure {
            sum += f64::from(weight) * figure;
            weight_sum += f64::from(weight);
        }
    }
    (weight_sum > 0.0).then(|| sum / weight_sum)
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The sums of one pass over the images by falling probability.
#[derive(Default)]
struct Pass {
    /// Images so far.
    positives: u64,
    negatives: u64,
    /// Of those, the images of earlier ties.
    positives_above: u64,
    negatives_above: u64,
    true_positives: u64,
    false_positives: u64,
    /// Twice the pairs in which the positive image gets more, ties counting one.
    pairs_won_twice: u64,
    precision_sum: f64,
    squares: f64,
    bins: [(u64, f64, u64); BINS],
}

impl Pass {
    fn add(&mut self, image: &Image, weight: u64) {
        let (positive, negative) = if image.positive { (weight, 0) } else { (0, weight) };
        self.positives += positive;
        self.negatives += negative;
        if image.called_positive {
            self.true_positives += positive;
            self.false_positives += negative;
        }
        let truth = f64::from(u8::from(image.positive));
        self.squares += weight as f64 * (image.probability - truth).powi(2);
        let (images, probability, parasitized) = &mut self.bins[usize::from(image.bin)];
        *images += weight;
        *probability += weight as f64 * image.probability;
        *parasitized += positive;
        if image.ends_tie {
            self.end_tie();
        }
    }

    fn end_tie(&mut self) {
        let risen = self.positives - self.positives_above;
        let tied = self.negatives - self.negatives_above;
        self.pairs_won_twice += tied * (2 * self.positives_above + risen);
        if risen > 0 {
            self.precision_sum += risen as f64 * self.positives as f64 / (self.positives + self.negatives) as f64;
        }
        (self.positives_above, self.negatives_above) = (self.positives, self.negatives);
    }

    fn figures(&self) -> Figures<Option<f64>> {
        let (positives, negatives) = (self.positives, self.negatives);
        let (images, called) = (positives + negatives, self.true_positives + self.false_positives);
        let gap = |&(_, probability, parasitized): &(u64, f64, u64)| (probability - parasitized as f64).abs();
        let both = positives > 0 && negatives > 0;
        Figures {
            accuracy: share(self.true_positives + negatives - self.false_positives, images),
            sensitivity: share(self.true_positives, positives),
            specificity: share(negatives - self.false_positives, negatives),
            precision: share(self.true_positives, called),
            f1: share(2 * self.true_positives, positives + called),
            roc_auc: share(self.pairs_won_twice, 2 * positives * negatives),
            average_precision: both.then(|| self.precision_sum / positives as f64),
            brier_score: (images > 0).then(|| self.squares / images as f64),
            expected_calibration_error: (images > 0).then(|| self.bins.iter().map(gap).sum::<f64>() / images as f64),
            ..Figures::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Class::{self, Parasitized, Uninfected};

    fn image(patient: &str, class: Class, probability_parasitized: f64) -> LabelledPrediction {
        LabelledPrediction {
            path: "cell.png".into(),
            class,
            patient: Some(patient.to_owned()),
            probability_parasitized,
        }
    }

    fn images() -> Vec<LabelledPrediction> {
        vec![
            image("C1", Parasitized, 0.9),
            image("C1", Uninfected, 0.9),
            image("C2", Parasitized, 0.4),
            image("C2", Uninfected, 0.3),
            image("C3", Uninfected, 0.4),
            image("C3", Uninfected, 0.05),
        ]
    }

    #[test]
    fn a_patient_who_counts_twice_is_a_patient_listed_twice() {
        let scored = images();
        let clusters = Clusters::of(&scored);
        let weighted = Ranked::new(&scored, 0.4, &clusters).figures(&[2, 0, 1]);
        let mut listed = scored[..2].to_vec();
        listed.extend(
            scored[..2]
                .iter()
                .map(|image| LabelledPrediction { patient: Some("C1 again".to_owned()), ..image.clone() }),
        );
        listed.extend_from_slice(&scored[4..]);
        let plain = Ranked::new(&listed, 0.4, &Clusters::of(&listed)).figures(&[1, 1, 1]);
        for (a, b) in weighted.to_array().into_iter().zip(plain.to_array()) {
            assert!((a.unwrap() - b.unwrap()).abs() < 1e-15, "{weighted:?} {plain:?}");
        }
    }

    #[test]
    fn the_order_of_the_figures_is_kept_both_ways() {
        let numbered: [usize; FIGURES] = std::array::from_fn(|i| i);
        let figures = Figures::from_array(numbered);
        assert_eq!(figures.to_array(), numbered);
        assert_eq!((figures.accuracy, figures.brier_score, figures.macro_false_positive_rate), (0, 7, 11));
    }

    #[test]
    fn without_a_class_its_figures_are_undefined() {
        let scored = images();
        let figures = Ranked::new(&scored, 0.5, &Clusters::of(&scored)).figures(&[0, 0, 1]);
        assert_eq!((figures.sensitivity, figures.roc_auc, figures.average_precision), (None, None, None));
        assert_eq!((figures.macro_sensitivity, figures.specificity), (None, Some(1.0)));
    }
}
