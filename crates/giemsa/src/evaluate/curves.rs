//! The ROC curve with its confidence band, and the precision-recall curve.
//!
//! [`super::metric_values`] computes the areas under them.

use super::LabelledPrediction;
use super::bootstrap::{Interval, Settings, interval, resample};
use super::clusters::Clusters;

/// The rates at one decision threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The decision threshold; infinite for the first point, at which no image is classified as Parasitized.
    pub threshold: f64,
    /// Fraction of Parasitized images that are classified as Parasitized (recall, true positive rate).
    pub sensitivity: f64,
    /// Fraction of Uninfected images that are classified as Parasitized.
    pub false_positive_rate: f64,
    /// Fraction of the images classified as Parasitized that are Parasitized; 1 for the first point.
    pub precision: f64,
}

/// Computes one point per distinct probability, from the highest threshold to the lowest.
///
/// Returns no points unless there are images of both classes.
///
/// ```
/// # use giemsa::{classes::Class, evaluate::{LabelledPrediction, curves::points}};
/// # let image = |class, probability_parasitized| LabelledPrediction { path: "".into(), class, patient: None, probability_parasitized, probability_red_cell: None };
/// let points = points(&[image(Class::Parasitized, 0.9), image(Class::Uninfected, 0.2)]);
/// assert_eq!(points.len(), 3);
/// assert_eq!((points[1].sensitivity, points[1].false_positive_rate), (1.0, 0.0));
/// ```
#[must_use]
pub fn points(predictions: &[LabelledPrediction]) -> Vec<Point> {
    let clusters =
        Clusters { resampled: super::clusters::Resampled::Images, of_image: vec![0; predictions.len()], count: 1 };
    Sorted::new(predictions, &clusters).points(&[1])
}

/// The false positive rates at which [`roc_band`] computes intervals: 0, 0.01, … 1.
pub const BAND_STEPS: usize = 100;

/// Computes pointwise 95 % confidence intervals of the sensitivity at fixed false positive rates, as pairs of false
/// positive rate and interval.
///
/// Each resample of patients has its own ROC curve; the interval at a false positive rate is that of the sensitivities of
/// these curves (vertical averaging: Fawcett 2006, "An introduction to ROC analysis", section 8.1). Returns no intervals
/// with fewer than two patients, or if more than 5 % of the resamples lack images of a class.
///
/// # Panics
/// If there are more than [`MAX_DRAWS`](super::bootstrap::MAX_DRAWS) resamples.
#[must_use]
pub fn roc_band(predictions: &[LabelledPrediction], settings: Settings) -> Vec<(f64, Interval)> {
    let clusters = Clusters::by_patient(predictions);
    if clusters.count < 2 {
        return Vec::new();
    }
    let sorted = Sorted::new(predictions, &clusters);
    let rates: Vec<f64> = (0..=BAND_STEPS).map(|step| step as f64 / BAND_STEPS as f64).collect();
    let curves = resample(&clusters, settings, |weights| sensitivities(&sorted.points(weights), &rates));
    let at = |(step, &rate): (usize, &f64)| {
        Some((rate, interval(curves.iter().map(|curve| curve.get(step).copied()).collect())?))
    };
    rates.iter().enumerate().filter_map(at).collect()
}

/// Interpolates the sensitivity of a ROC curve linearly at ascending false positive rates, taking the upper end of
/// vertical segments. Returns nothing for a curve without points.
fn sensitivities(points: &[Point], rates: &[f64]) -> Vec<f64> {
    let (Some(mut before), mut next) = (points.first(), 1) else { return Vec::new() };
    let sensitivity = |&rate: &f64| {
        while next < points.len() && points[next].false_positive_rate <= rate {
            (before, next) = (&points[next], next + 1);
        }
        let Some(after) = points.get(next) else { return before.sensitivity };
        let run = after.false_positive_rate - before.false_positive_rate;
        let rise = after.sensitivity - before.sensitivity;
        before.sensitivity + rise * (rate - before.false_positive_rate) / run
    };
    rates.iter().map(sensitivity).collect()
}

/// Probability, whether the image is Parasitized, and cluster of each image, in descending order of probability.
struct Sorted(Vec<(f64, bool, u32)>);

impl Sorted {
    fn new(predictions: &[LabelledPrediction], clusters: &Clusters) -> Sorted {
        let image = |(image, &cluster): (&LabelledPrediction, &u32)| {
            (image.probability_parasitized, image.class.is_positive(), cluster)
        };
        let mut images: Vec<_> = predictions.iter().zip(&clusters.of_image).map(image).collect();
        images.sort_by(|a, b| b.0.total_cmp(&a.0));
        Sorted(images)
    }

    /// Computes the points of the curves with a weight for each cluster.
    fn points(&self, weights: &[u32]) -> Vec<Point> {
        let weight = |cluster: u32| f64::from(weights[cluster as usize]);
        let total = |of: bool| -> f64 {
            self.0.iter().filter(|&&(_, positive, _)| positive == of).map(|&(_, _, cluster)| weight(cluster)).sum()
        };
        let (positives, negatives) = (total(true), total(false));
        if positives == 0.0 || negatives == 0.0 {
            return Vec::new();
        }
        let start = Point { threshold: f64::INFINITY, sensitivity: 0.0, false_positive_rate: 0.0, precision: 1.0 };
        let (mut true_positives, mut false_positives) = (0.0, 0.0);
        let mut points = vec![start];
        for tie in self.0.chunk_by(|a, b| a.0 == b.0) {
            let before = true_positives + false_positives;
            for &(_, positive, cluster) in tie {
                *(if positive { &mut true_positives } else { &mut false_positives }) += weight(cluster);
            }
            if true_positives + false_positives > before {
                points.push(Point {
                    threshold: tie[0].0,
                    sensitivity: true_positives / positives,
                    false_positive_rate: false_positives / negatives,
                    precision: true_positives / (true_positives + false_positives),
                });
            }
        }
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Class::{self, Parasitized, Uninfected};

    fn predictions(images: &[(&str, Class, f64)]) -> Vec<LabelledPrediction> {
        images
            .iter()
            .map(|&(patient, class, probability_parasitized)| LabelledPrediction {
                probability_red_cell: None,
                path: "cell.png".into(),
                class,
                patient: Some(patient.to_owned()),
                probability_parasitized,
            })
            .collect()
    }

    #[test]
    fn images_of_equal_probability_are_one_point() {
        let images = predictions(&[("C1", Uninfected, 0.5), ("C1", Parasitized, 0.5), ("C1", Uninfected, 0.5)]);
        assert_eq!(points(&images).len(), 2);
    }

    #[test]
    fn returns_no_points_for_one_class() {
        assert!(points(&predictions(&[("C1", Uninfected, 0.5), ("C1", Uninfected, 0.2)])).is_empty());
    }

    #[test]
    fn curves_end_where_every_image_is_classified_as_parasitized() {
        let images = predictions(&[("C1", Uninfected, 0.0), ("C1", Parasitized, 1.0), ("C1", Parasitized, 0.0)]);
        let last = *points(&images).last().unwrap();
        assert_eq!((last.sensitivity, last.false_positive_rate, last.precision), (1.0, 1.0, 2.0 / 3.0));
    }

    #[test]
    fn interpolates_between_points_and_takes_the_upper_end_of_vertical_segments() {
        let point = |false_positive_rate, sensitivity| Point {
            threshold: 0.5,
            sensitivity,
            false_positive_rate,
            precision: 1.0,
        };
        let curve = [point(0.0, 0.0), point(0.0, 0.4), point(0.5, 0.6), point(0.5, 0.8), point(1.0, 1.0)];
        let found = sensitivities(&curve, &[0.0, 0.25, 0.5, 0.75, 1.0]);
        for (found, expected) in found.iter().zip([0.4, 0.5, 0.8, 0.9, 1.0]) {
            assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
        }
        assert_eq!(sensitivities(&[], &[0.5]), Vec::<f64>::new());
    }

    #[test]
    fn the_band_is_between_the_curves_of_the_patients() {
        // C1 separates its classes, and C2 reverses them; resamples contain either or both.
        let images = predictions(&[
            ("C1", Parasitized, 0.9),
            ("C1", Uninfected, 0.1),
            ("C2", Parasitized, 0.2),
            ("C2", Uninfected, 0.8),
        ]);
        let band = roc_band(&images, Settings { draws: 200, seed: 1 });
        assert_eq!(band.len(), BAND_STEPS + 1);
        // One resample in four contains only C2, whose sensitivity is 0 below a false positive rate of 1, and one in
        // four only C1, whose sensitivity is 1.
        assert_eq!(band[50], (0.5, Interval { low: 0.0, high: 1.0 }));
        assert_eq!(band[BAND_STEPS].1, Interval { low: 1.0, high: 1.0 });
        assert!(roc_band(&images[..2], Settings::default()).is_empty());
    }
}
