//! The four confusion counts by name, and the figures that follow from them alone.

use crate::classes::Class;
use serde::{Deserialize, Serialize};

/// How often each class was called what; the positive class is Parasitized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Parasitized, called Parasitized.
    pub true_positives: u64,
    /// Parasitized, called Uninfected: missed.
    pub false_negatives: u64,
    /// Uninfected, called Parasitized: false alarms.
    pub false_positives: u64,
    /// Uninfected, called Uninfected.
    pub true_negatives: u64,
}

impl Counts {
    /// Counts pairs of (true class, called class).
    ///
    /// ```
    /// use giemsa::{classes::Class::*, evaluate::counts::Counts};
    /// let counts = Counts::of([(Parasitized, Parasitized), (Parasitized, Uninfected), (Uninfected, Uninfected)]);
    /// assert_eq!((counts.sensitivity(), counts.specificity()), (Some(0.5), Some(1.0)));
    /// ```
    pub fn of(pairs: impl IntoIterator<Item = (Class, Class)>) -> Counts {
        let mut counts = Counts::default();
        for (class, called) in pairs {
            let count = match (class.is_positive(), called.is_positive()) {
                (true, true) => &mut counts.true_positives,
                (true, false) => &mut counts.false_negatives,
                (false, true) => &mut counts.false_positives,
                (false, false) => &mut counts.true_negatives,
            };
            *count += 1;
        }
        counts
    }

    /// Images in all.
    pub fn images(&self) -> u64 {
        self.true_positives + self.false_negatives + self.false_positives + self.true_negatives
    }

    /// The share called what they are; none without images.
    pub fn accuracy(&self) -> Option<f64> {
        share(self.true_positives + self.true_negatives, self.images())
    }

    /// The share of Parasitized called so (recall); none without Parasitized images.
    pub fn sensitivity(&self) -> Option<f64> {
        share(self.true_positives, self.true_positives + self.false_negatives)
    }

    /// The share of Uninfected called so; none without Uninfected images.
    pub fn specificity(&self) -> Option<f64> {
        share(self.true_negatives, self.true_negatives + self.false_positives)
    }

    /// The share of those called Parasitized that are; none when none was called so.
    pub fn precision(&self) -> Option<f64> {
        share(self.true_positives, self.true_positives + self.false_positives)
    }

    /// The harmonic mean of precision and sensitivity, 2 TP / (2 TP + FP + FN); none when there is nothing positive.
    pub fn f1(&self) -> Option<f64> {
        share(2 * self.true_positives, 2 * self.true_positives + self.false_positives + self.false_negatives)
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    // By hand: 8 of 10 parasitized found, 85 of 90 healthy ones left alone.
    const COUNTS: Counts = Counts { true_positives: 8, false_negatives: 2, false_positives: 5, true_negatives: 85 };

    #[test]
    fn figures_are_those_of_hand_arithmetic() {
        assert_eq!(COUNTS.images(), 100);
        assert_eq!(COUNTS.accuracy(), Some(0.93));
        assert_eq!(COUNTS.sensitivity(), Some(0.8));
        assert_eq!(COUNTS.specificity(), Some(85.0 / 90.0));
        assert_eq!(COUNTS.precision(), Some(8.0 / 13.0));
        assert_eq!(COUNTS.f1(), Some(16.0 / 23.0));
    }

    #[test]
    fn figures_without_their_images_are_undefined() {
        let none = Counts::default();
        assert_eq!([none.accuracy(), none.sensitivity(), none.specificity(), none.precision(), none.f1()], [None; 5]);
        let healthy = Counts { true_negatives: 3, ..none };
        assert_eq!((healthy.sensitivity(), healthy.precision(), healthy.f1()), (None, None, None));
        assert_eq!(healthy.specificity(), Some(1.0));
    }

    #[test]
    fn pairs_are_counted_with_parasitized_as_positive() {
        use Class::{Parasitized as P, Uninfected as U};
        let counts = Counts::of([(P, P), (P, P), (P, U), (U, P), (U, P), (U, P), (U, U)]);
        let expected = Counts { true_positives: 2, false_negatives: 1, false_positives: 3, true_negatives: 1 };
        assert_eq!(counts, expected);
    }
}
