//! The two classes and their indices: the only place where a label becomes a number.

use serde::{Deserialize, Serialize};

/// A class of red blood cell image.
///
/// The index is the alphabetical one of Keras' `class_indices`: Parasitized 0, Uninfected 1. The sigmoid output of a
/// network is therefore the probability of *Uninfected*, while the positive class of every metric is *Parasitized*. No
/// other file converts one into the other.
///
/// ```
/// use giemsa::classes::Class;
/// assert_eq!(Class::Parasitized.target(), 0.0);
/// assert!(Class::probability_parasitized(-3.0) > 0.95);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Class {
    /// The cell contains a malaria parasite; the positive class.
    Parasitized,
    /// The cell contains no malaria parasite; the negative class.
    Uninfected,
}

impl Class {
    /// Both classes, by index.
    pub const ALL: [Class; 2] = [Class::Parasitized, Class::Uninfected];

    /// Returns the class name in folders and results.
    pub fn name(self) -> &'static str {
        match self {
            Class::Parasitized => "Parasitized",
            Class::Uninfected => "Uninfected",
        }
    }

    /// Returns the class index: 0 or 1.
    pub fn index(self) -> usize {
        self as usize
    }

    /// Returns whether this is the positive class.
    pub fn is_positive(self) -> bool {
        self == Class::Parasitized
    }

    /// Returns the target of the network's sigmoid output for an image of this class: its index.
    pub fn target(self) -> f32 {
        self.index() as f32
    }

    /// Returns the target of the network's sigmoid output for an image that is *Parasitized* with this probability, in 0..=1.
    #[must_use]
    pub fn target_of_probability(parasitized: f32) -> f32 {
        parasitized * Class::Parasitized.target() + (1.0 - parasitized) * Class::Uninfected.target()
    }

    /// Computes the probability of *Parasitized*, in 0..=1, from a network's logit: one minus the sigmoid of the logit.
    pub fn probability_parasitized(logit: f32) -> f32 {
        1.0 / (1.0 + logit.exp())
    }

    /// Computes the probability of *Parasitized* of a logit in double precision.
    #[must_use]
    pub fn probability_of_logit(logit: f64) -> f64 {
        1.0 / (1.0 + logit.exp())
    }

    /// Computes the logit of a probability of *Parasitized*; infinite for 0 and 1.
    #[must_use]
    pub fn logit(probability_parasitized: f64) -> f64 {
        ((1.0 - probability_parasitized) / probability_parasitized).ln()
    }

    /// Returns the more probable class of a logit, without temperature and threshold.
    #[must_use]
    pub fn from_logit(logit: f32) -> Class {
        if logit > 0.0 { Class::Uninfected } else { Class::Parasitized }
    }

    /// Converts a logit, or a difference of logits, to evidence for *Parasitized*: positive for *Parasitized*, negative
    /// for *Uninfected*.
    #[must_use]
    pub fn parasitized_evidence(logit: f32) -> f32 {
        -logit
    }

    /// Computes the logit of the calibrated probability of *Parasitized* from a network's logit: high for *Parasitized*.
    ///
    /// ```
    /// use giemsa::classes::Class;
    /// let logit = Class::parasitized_logit(-3.0, 1.5);
    /// assert_eq!((logit, Class::network_logit(logit, 1.5)), (2.0, -3.0));
    /// ```
    #[must_use]
    pub fn parasitized_logit(logit: f32, temperature: f32) -> f32 {
        -logit / temperature
    }

    /// Computes a network's logit from the logit of the calibrated probability of *Parasitized*.
    #[must_use]
    pub fn network_logit(parasitized_logit: f32, temperature: f32) -> f32 {
        -parasitized_logit * temperature
    }

    /// Returns the predicted class: positive if the probability of *Parasitized* reaches the decision threshold.
    pub fn decide(probability_parasitized: f32, threshold: f32) -> Class {
        if probability_parasitized >= threshold { Class::Parasitized } else { Class::Uninfected }
    }
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}
