//! The receiver operating characteristic and the precision-recall curve, and the areas under them.

use super::LabelledPrediction;

/// What happens at one decision threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Images with at least this probability are called Parasitized; infinite where none is.
    pub threshold: f64,
    /// Share of Parasitized called so (recall).
    pub sensitivity: f64,
    /// Share of Uninfected called Parasitized.
    pub false_positive_rate: f64,
    /// Share of those called Parasitized that are; 1 where none is called so.
    pub precision: f64,
}

/// One point for every threshold that makes a difference, from calling nothing Parasitized to calling everything so.
///
/// Images of equal probability change sides together. Empty unless there are images of both classes.
///
/// ```
/// # use giemsa::{classes::Class, evaluate::{LabelledPrediction, curves::points}};
/// # let image = |class, probability_parasitized| LabelledPrediction { path: "".into(), class, patient: None, probability_parasitized };
/// let points = points(&[image(Class::Parasitized, 0.9), image(Class::Uninfected, 0.2)]);
/// assert_eq!(points.len(), 3);
/// assert_eq!((points[1].sensitivity, points[1].false_positive_rate), (1.0, 0.0));
/// ```
pub fn points(scored: &[LabelledPrediction]) -> Vec<Point> {
    let positives = scored.iter().filter(|image| image.class.is_positive()).count() as f64;
    let negatives = scored.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return Vec::new();
    }
    let mut sorted: Vec<&LabelledPrediction> = scored.iter().collect();
    sorted.sort_by(|a, b| b.probability_parasitized.total_cmp(&a.probability_parasitized));
    let start = Point { threshold: f64::INFINITY, sensitivity: 0.0, false_positive_rate: 0.0, precision: 1.0 };
    let (mut true_positives, mut called) = (0.0, 0.0);
    let ties = sorted.chunk_by(|a, b| a.probability_parasitized == b.probability_parasitized);
    let rest = ties.map(|tie| {
        called += tie.len() as f64;
        true_positives += tie.iter().filter(|image| image.class.is_positive()).count() as f64;
        Point {
            threshold: tie[0].probability_parasitized,
            sensitivity: true_positives / positives,
            false_positive_rate: (called - true_positives) / negatives,
            precision: true_positives / called,
        }
    });
    std::iter::once(start).chain(rest).collect()
}

/// The area under the receiver operating characteristic by the trapezoidal rule: the probability that a Parasitized
/// image gets more than an Uninfected one, ties counting half (Hanley and McNeil 1982). None without both classes.
pub fn roc_auc(points: &[Point]) -> Option<f64> {
    let strip = |pair: &[Point]| {
        (pair[1].false_positive_rate - pair[0].false_positive_rate) * (pair[1].sensitivity + pair[0].sensitivity) / 2.0
    };
    (!points.is_empty()).then(|| points.windows(2).map(strip).sum())
}

/// The average precision: the sum over thresholds of the precision times the rise in recall, without interpolation,
/// as scikit-learn's `average_precision_score` has it. None without both classes.
pub fn average_precision(points: &[Point]) -> Option<f64> {
    let strip = |pair: &[Point]| (pair[1].sensitivity - pair[0].sensitivity) * pair[1].precision;
    (!points.is_empty()).then(|| points.windows(2).map(strip).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Class::{self, Parasitized, Uninfected};

    fn scored(images: &[(Class, f64)]) -> Vec<LabelledPrediction> {
        images
            .iter()
            .map(|&(class, probability_parasitized)| LabelledPrediction {
                path: "cell.png".into(),
                class,
                patient: None,
                probability_parasitized,
            })
            .collect()
    }

    #[test]
    fn areas_of_four_images_are_those_of_hand_arithmetic() {
        // Pairs won: 0.8 > 0.4, 0.8 > 0.1, 0.35 > 0.1; lost: 0.35 < 0.4. So 3 of 4.
        let images = scored(&[(Uninfected, 0.1), (Uninfected, 0.4), (Parasitized, 0.35), (Parasitized, 0.8)]);
        let points = points(&images);
        assert_eq!(roc_auc(&points), Some(0.75));
        // Recall rises by 1/2 at precision 1, and by 1/2 at precision 2/3.
        assert!((average_precision(&points).unwrap() - 5.0 / 6.0).abs() < 1e-15);
    }

    #[test]
    fn images_of_equal_probability_count_half() {
        let images = scored(&[(Uninfected, 0.5), (Parasitized, 0.5), (Uninfected, 0.5)]);
        let points = points(&images);
        assert_eq!(points.len(), 2);
        assert_eq!(roc_auc(&points), Some(0.5));
        assert_eq!(average_precision(&points), Some(1.0 / 3.0));
    }

    #[test]
    fn one_class_has_no_curve() {
        assert!(points(&scored(&[(Uninfected, 0.5), (Uninfected, 0.2)])).is_empty());
        assert_eq!((roc_auc(&[]), average_precision(&[])), (None, None));
    }

    #[test]
    fn both_curves_end_where_everything_is_called_parasitized() {
        let images = scored(&[(Uninfected, 0.0), (Parasitized, 1.0), (Parasitized, 0.0)]);
        let last = *points(&images).last().unwrap();
        assert_eq!((last.sensitivity, last.false_positive_rate, last.precision), (1.0, 1.0, 2.0 / 3.0));
    }
}
