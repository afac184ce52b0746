//! The metrics of a list of predictions in which every patient (or image) has a weight.
//!
//! The images are sorted once, and every resample of a bootstrap is one pass over them, so that thousands of resamples
//! take about a second. With a weight of 1 for each patient, the metrics are those of the original sample.

use super::LabelledPrediction;
use super::calibration::{BINS, bin_index};
use super::clusters::{Clusters, Resampled};
use super::counts::fraction;
use serde::{Deserialize, Serialize};

/// One `T` per metric, such as its value or its confidence interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricValues<T> {
    /// Fraction of images that are classified correctly.
    pub accuracy: T,
    /// Fraction of Parasitized images that are classified as Parasitized (recall).
    pub sensitivity: T,
    /// Fraction of Uninfected images that are classified as Uninfected.
    pub specificity: T,
    /// Fraction of the images classified as Parasitized that are Parasitized.
    pub precision: T,
    /// Harmonic mean of precision and sensitivity.
    pub f1: T,
    /// Area under the ROC curve: the probability that a Parasitized image has a higher probability than an Uninfected one,
    /// ties counting one half (Hanley and McNeil 1982, "The meaning and use of the area under a receiver operating
    /// characteristic (ROC) curve"). It equals the trapezoidal area.
    pub roc_auc: T,
    /// Area under the precision-recall curve: the sum over thresholds of the precision times the increase in recall, without
    /// interpolation, as in scikit-learn's `average_precision_score`.
    pub average_precision: T,
    /// Mean squared difference between the probability of Parasitized and 1 for Parasitized, 0 for Uninfected images; see
    /// [`super::calibration::brier_score`].
    pub brier_score: T,
    /// Weighted mean difference between probability and frequency; see
    /// [`super::calibration::expected_calibration_error`].
    pub expected_calibration_error: T,
    /// Mean over patients of the sensitivity of each.
    pub macro_sensitivity: T,
    /// Mean over patients of the specificity of each.
    pub macro_specificity: T,
    /// Mean over patients of the false positive rate of each.
    pub macro_false_positive_rate: T,
}

/// The number of metrics.
pub const METRIC_COUNT: usize = 12;

impl<T: Copy> MetricValues<T> {
    /// Returns the values as an array, in the order of the fields.
    #[must_use]
    pub fn to_array(self) -> [T; METRIC_COUNT] {
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

    /// Creates the struct from an array in the order of the fields.
    #[must_use]
    pub fn from_array(values: [T; METRIC_COUNT]) -> MetricValues<T> {
        let [accuracy, sensitivity, specificity, precision, f1, roc_auc, average_precision, ..] = values;
        let [.., brier_score, expected_calibration_error, macro_sensitivity, macro_specificity, _] = values;
        MetricValues {
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
            macro_false_positive_rate: values[METRIC_COUNT - 1],
        }
    }
}

impl MetricValues<Option<f64>> {
    /// Computes all metrics of predictions at a decision threshold.
    ///
    /// ```
    /// # use giemsa::{classes::Class, evaluate::{LabelledPrediction, metric_values::MetricValues}};
    /// # let image = |class, probability_parasitized| LabelledPrediction { path: "".into(), class, patient: None, probability_parasitized, probability_red_cell: None };
    /// let values = MetricValues::compute(&[image(Class::Parasitized, 0.9), image(Class::Uninfected, 0.2)], 0.5);
    /// assert_eq!((values.accuracy, values.roc_auc), (Some(1.0), Some(1.0)));
    /// ```
    #[must_use]
    pub fn compute(predictions: &[LabelledPrediction], threshold: f64) -> MetricValues<Option<f64>> {
        let clusters = Clusters::by_patient(predictions);
        Ranked::new(predictions, threshold, &clusters).metrics(&clusters.unit_weights())
    }

    /// Subtracts the values of `other`; a difference is `None` unless both values are defined.
    #[must_use]
    pub fn minus(self, other: MetricValues<Option<f64>>) -> MetricValues<Option<f64>> {
        let (a, b) = (self.to_array(), other.to_array());
        MetricValues::from_array(std::array::from_fn(|i| Some(a[i]? - b[i]?)))
    }
}

/// The part of a prediction that a pass reads.
#[derive(Debug)]
struct Image {
    cluster: u32,
    probability: f64,
    bin: u8,
    positive: bool,
    predicted_positive: bool,
    /// The next image has a lower probability.
    ends_tie: bool,
}

/// Predictions sorted for [`Ranked::metrics`].
#[derive(Debug)]
pub struct Ranked {
    /// The images in descending order of the probability of Parasitized.
    images: Vec<Image>,
    /// Sensitivity and specificity of each cluster; empty unless clusters are patients.
    rates: Vec<(Option<f64>, Option<f64>)>,
}

impl Ranked {
    /// Sorts the predictions; `clusters` must be those of the same list.
    #[must_use]
    pub fn new(predictions: &[LabelledPrediction], threshold: f64, clusters: &Clusters) -> Ranked {
        let image = |(image, &cluster): (&LabelledPrediction, &u32)| Image {
            cluster,
            probability: image.probability_parasitized,
            bin: bin_index(image.probability_parasitized) as u8,
            positive: image.class.is_positive(),
            predicted_positive: image.predicted_class(threshold).is_positive(),
            ends_tie: true,
        };
        let mut images: Vec<Image> = predictions.iter().zip(&clusters.of_image).map(image).collect();
        images.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        for i in 1..images.len() {
            images[i - 1].ends_tie = images[i - 1].probability != images[i].probability;
        }
        let rates = if clusters.resampled == Resampled::Patients { rates(&images, clusters.count) } else { Vec::new() };
        Ranked { images, rates }
    }

    /// Computes the metrics with a weight for each cluster.
    #[must_use]
    pub fn metrics(&self, weights: &[u32]) -> MetricValues<Option<f64>> {
        let mut pass = Pass::default();
        for image in &self.images {
            pass.add(image, u64::from(weights[image.cluster as usize]));
        }
        let macro_sensitivity = weighted_mean(weights, self.rates.iter().map(|rates| rates.0));
        let macro_specificity = weighted_mean(weights, self.rates.iter().map(|rates| rates.1));
        MetricValues {
            macro_sensitivity,
            macro_specificity,
            macro_false_positive_rate: macro_specificity.map(|rate| 1.0 - rate),
            ..pass.metrics()
        }
    }
}

/// Computes sensitivity and specificity of each patient.
fn rates(images: &[Image], patients: usize) -> Vec<(Option<f64>, Option<f64>)> {
    let mut sums = vec![[(0u64, 0u64); 2]; patients];
    for image in images {
        let (correct, all) = &mut sums[image.cluster as usize][usize::from(!image.positive)];
        *correct += u64::from(image.positive == image.predicted_positive);
        *all += 1;
    }
    sums.into_iter()
        .map(|[positives, negatives]| (fraction(positives.0, positives.1), fraction(negatives.0, negatives.1)))
        .collect()
}

/// Computes the weighted mean of the defined values.
fn weighted_mean(weights: &[u32], values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (mut sum, mut weight_sum) = (0.0, 0.0);
    for (&weight, value) in weights.iter().zip(values) {
        if let Some(value) = value {
            sum += f64::from(weight) * value;
            weight_sum += f64::from(weight);
        }
    }
    (weight_sum > 0.0).then(|| sum / weight_sum)
}

/// The sums of one pass over the images in descending order of probability.
#[derive(Default)]
struct Pass {
    /// Images so far, by class.
    positives: u64,
    negatives: u64,
    /// Images with a probability above that of the current tie.
    positives_above: u64,
    negatives_above: u64,
    true_positives: u64,
    false_positives: u64,
    /// Twice the number of pairs in which the positive image has the higher probability; tied pairs count once.
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
        if image.predicted_positive {
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
        let new_positives = self.positives - self.positives_above;
        let tied = self.negatives - self.negatives_above;
        self.pairs_won_twice += tied * (2 * self.positives_above + new_positives);
        if new_positives > 0 {
            self.precision_sum +=
                new_positives as f64 * self.positives as f64 / (self.positives + self.negatives) as f64;
        }
        (self.positives_above, self.negatives_above) = (self.positives, self.negatives);
    }

    fn metrics(&self) -> MetricValues<Option<f64>> {
        let (positives, negatives) = (self.positives, self.negatives);
        let (images, predicted_positives) = (positives + negatives, self.true_positives + self.false_positives);
        let gap = |&(_, probability, parasitized): &(u64, f64, u64)| (probability - parasitized as f64).abs();
        let both = positives > 0 && negatives > 0;
        MetricValues {
            accuracy: fraction(self.true_positives + negatives - self.false_positives, images),
            sensitivity: fraction(self.true_positives, positives),
            specificity: fraction(negatives - self.false_positives, negatives),
            precision: fraction(self.true_positives, predicted_positives),
            f1: fraction(2 * self.true_positives, positives + predicted_positives),
            roc_auc: fraction(self.pairs_won_twice, 2 * positives * negatives),
            average_precision: both.then(|| self.precision_sum / positives as f64),
            brier_score: (images > 0).then(|| self.squares / images as f64),
            expected_calibration_error: (images > 0).then(|| self.bins.iter().map(gap).sum::<f64>() / images as f64),
            ..MetricValues::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Class::{self, Parasitized, Uninfected};

    fn image(patient: &str, class: Class, probability_parasitized: f64) -> LabelledPrediction {
        LabelledPrediction {
            probability_red_cell: None,
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
    fn a_weight_of_two_equals_listing_a_patient_twice() {
        let predictions = images();
        let clusters = Clusters::by_patient(&predictions);
        let weighted = Ranked::new(&predictions, 0.4, &clusters).metrics(&[2, 0, 1]);
        let mut listed = predictions[..2].to_vec();
        listed.extend(
            predictions[..2]
                .iter()
                .map(|image| LabelledPrediction { patient: Some("C1 again".to_owned()), ..image.clone() }),
        );
        listed.extend_from_slice(&predictions[4..]);
        let plain = Ranked::new(&listed, 0.4, &Clusters::by_patient(&listed)).metrics(&[1, 1, 1]);
        for (a, b) in weighted.to_array().into_iter().zip(plain.to_array()) {
            assert!((a.unwrap() - b.unwrap()).abs() < 1e-15, "{weighted:?} {plain:?}");
        }
    }

    #[test]
    fn converts_to_an_array_and_back() {
        let numbered: [usize; METRIC_COUNT] = std::array::from_fn(|i| i);
        let values = MetricValues::from_array(numbered);
        assert_eq!(values.to_array(), numbered);
        assert_eq!((values.accuracy, values.brier_score, values.macro_false_positive_rate), (0, 7, 11));
    }

    #[test]
    fn returns_none_without_images_of_a_class() {
        let predictions = images();
        let values = Ranked::new(&predictions, 0.5, &Clusters::by_patient(&predictions)).metrics(&[0, 0, 1]);
        assert_eq!((values.sensitivity, values.roc_auc, values.average_precision), (None, None, None));
        assert_eq!((values.macro_sensitivity, values.specificity), (None, Some(1.0)));
    }

    fn unlabelled(images: &[(Class, f64)]) -> Vec<LabelledPrediction> {
        images.iter().map(|&(class, p)| LabelledPrediction { patient: None, ..image("", class, p) }).collect()
    }

    #[test]
    fn areas_match_hand_arithmetic() {
        // Pairs won: 0.8 > 0.4, 0.8 > 0.1, 0.35 > 0.1; lost: 0.35 < 0.4. So 3 of 4.
        let images = [(Uninfected, 0.1), (Uninfected, 0.4), (Parasitized, 0.35), (Parasitized, 0.8)];
        let values = MetricValues::compute(&unlabelled(&images), 0.5);
        assert_eq!(values.roc_auc, Some(0.75));
        // Recall rises by 1/2 at precision 1, and by 1/2 at precision 2/3.
        assert!((values.average_precision.unwrap() - 5.0 / 6.0).abs() < 1e-15);
    }

    #[test]
    fn tied_pairs_count_one_half() {
        let images = [(Uninfected, 0.5), (Parasitized, 0.5), (Uninfected, 0.5)];
        let values = MetricValues::compute(&unlabelled(&images), 0.5);
        assert_eq!((values.roc_auc, values.average_precision), (Some(0.5), Some(1.0 / 3.0)));
    }
}
