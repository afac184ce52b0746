//! True and false positives and negatives, and the metrics that follow from them.

use crate::classes::Class;
use serde::{Deserialize, Serialize};

/// The confusion matrix; the positive class is Parasitized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Parasitized, classified as Parasitized.
    pub true_positives: u64,
    /// Parasitized, classified as Uninfected.
    pub false_negatives: u64,
    /// Uninfected, classified as Parasitized.
    pub false_positives: u64,
    /// Uninfected, classified as Uninfected.
    pub true_negatives: u64,
}

impl Counts {
    /// Counts pairs of (true class, predicted class).
    ///
    /// ```
    /// use giemsa::{classes::Class::*, evaluate::counts::Counts};
    /// let counts = Counts::from_pairs([(Parasitized, Parasitized), (Parasitized, Uninfected), (Uninfected, Uninfected)]);
    /// assert_eq!((counts.sensitivity(), counts.specificity()), (Some(0.5), Some(1.0)));
    /// ```
    #[must_use]
    pub fn from_pairs(pairs: impl IntoIterator<Item = (Class, Class)>) -> Counts {
        let mut counts = Counts::default();
        for (class, predicted) in pairs {
            let count = match (class.is_positive(), predicted.is_positive()) {
                (true, true) => &mut counts.true_positives,
                (true, false) => &mut counts.false_negatives,
                (false, true) => &mut counts.false_positives,
                (false, false) => &mut counts.true_negatives,
            };
            *count += 1;
        }
        counts
    }

    /// Returns the number of images.
    #[must_use]
    pub fn images(&self) -> u64 {
        self.true_positives + self.false_negatives + self.false_positives + self.true_negatives
    }

    /// Returns the fraction of images that are classified correctly; `None` without images.
    #[must_use]
    pub fn accuracy(&self) -> Option<f64> {
        fraction(self.true_positives + self.true_negatives, self.images())
    }

    /// Returns the fraction of Parasitized images that are classified as Parasitized (recall, true positive rate), TP / (TP +
    /// FN); `None` without Parasitized images.
    #[must_use]
    pub fn sensitivity(&self) -> Option<f64> {
        fraction(self.true_positives, self.true_positives + self.false_negatives)
    }

    /// Returns the fraction of Uninfected images that are classified as Uninfected (true negative rate), TN / (TN + FP);
    /// `None` without Uninfected images.
    #[must_use]
    pub fn specificity(&self) -> Option<f64> {
        fraction(self.true_negatives, self.true_negatives + self.false_positives)
    }

    /// Returns the fraction of the images classified as Parasitized that are Parasitized (positive predictive value), TP /
    /// (TP + FP); `None` if none is classified as Parasitized.
    #[must_use]
    pub fn precision(&self) -> Option<f64> {
        fraction(self.true_positives, self.true_positives + self.false_positives)
    }

    /// Returns the harmonic mean of precision and sensitivity, 2 TP / (2 TP + FP + FN); `None` if there are neither
    /// Parasitized images nor images classified as Parasitized.
    #[must_use]
    pub fn f1(&self) -> Option<f64> {
        fraction(2 * self.true_positives, 2 * self.true_positives + self.false_positives + self.false_negatives)
    }
}

/// Returns `part / whole`, or `None` if `whole` is 0.
pub(super) fn fraction(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    // 8 of 10 Parasitized and 85 of 90 Uninfected images are classified correctly.
    const COUNTS: Counts = Counts { true_positives: 8, false_negatives: 2, false_positives: 5, true_negatives: 85 };

    #[test]
    fn metrics_match_hand_arithmetic() {
        assert_eq!(COUNTS.images(), 100);
        assert_eq!(COUNTS.accuracy(), Some(0.93));
        assert_eq!(COUNTS.sensitivity(), Some(0.8));
        assert_eq!(COUNTS.specificity(), Some(85.0 / 90.0));
        assert_eq!(COUNTS.precision(), Some(8.0 / 13.0));
        assert_eq!(COUNTS.f1(), Some(16.0 / 23.0));
    }

    #[test]
    fn returns_none_without_images() {
        let none = Counts::default();
        assert_eq!([none.accuracy(), none.sensitivity(), none.specificity(), none.precision(), none.f1()], [None; 5]);
        let uninfected = Counts { true_negatives: 3, ..none };
        assert_eq!((uninfected.sensitivity(), uninfected.precision(), uninfected.f1()), (None, None, None));
        assert_eq!(uninfected.specificity(), Some(1.0));
    }

    #[test]
    fn counts_parasitized_as_positive() {
        use Class::{Parasitized as P, Uninfected as U};
        let counts = Counts::from_pairs([(P, P), (P, P), (P, U), (U, P), (U, P), (U, P), (U, U)]);
        let expected = Counts { true_positives: 2, false_negatives: 1, false_positives: 3, true_negatives: 1 };
        assert_eq!(counts, expected);
    }
}
