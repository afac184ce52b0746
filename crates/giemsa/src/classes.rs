//! Class names and their indices: the only place where a label becomes a number.

use serde::{Deserialize, Serialize};

/// One of the two classes of a red blood cell image.
///
/// The index is the alphabetical one that Keras' `class_indices` gives: Parasitized 0, Uninfected 1. A network's
/// sigmoid output is therefore the probability of *Uninfected*, while the positive class of every figure is
/// *Parasitized*: nothing outside this file turns the one into the other.
///
/// ```
/// use giemsa::classes::Class;
/// assert_eq!(Class::from_folder_name("uninfected"), Some(Class::Uninfected));
/// assert_eq!(Class::Parasitized.target(), 0.0);
/// assert!(Class::probability_parasitized(-3.0) > 0.95);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Class {
    /// The cell holds a malaria parasite; the positive class.
    Parasitized,
    /// The cell holds none; the negative class.
    Uninfected,
}

impl Class {
    /// Both classes, by index.
    pub const ALL: [Class; 2] = [Class::Parasitized, Class::Uninfected];

    /// The class' name, as it is written in folders and results.
    pub fn name(self) -> &'static str {
        match self {
            Class::Parasitized => "Parasitized",
            Class::Uninfected => "Uninfected",
        }
    }

    /// The class' index: 0 or 1.
    pub fn index(self) -> usize {
        self as usize
    }

    /// Whether this is the class that a positive result means.
    pub fn is_positive(self) -> bool {
        self == Class::Parasitized
    }

    /// What the network's sigmoid output should be for an image of this class: its index.
    pub fn target(self) -> f32 {
        self.index() as f32
    }

    /// The class whose folder has this name, upper and lower case alike.
    pub fn from_folder_name(name: &str) -> Option<Class> {
        Class::ALL.into_iter().find(|class| class.name().eq_ignore_ascii_case(name))
    }

    /// The probability of *Parasitized* that a network's logit means, in 0..=1: one minus the sigmoid of the logit.
    pub fn probability_parasitized(logit: f32) -> f32 {
        1.0 / (1.0 + logit.exp())
    }

    /// Converts a logit, or a difference of logits, to evidence for *Parasitized*: positive for *Parasitized*, negative
    /// for *Uninfected*.
    #[must_use]
    pub fn parasitized_evidence(logit: f32) -> f32 {
        -logit
    }

    /// The class to name for a probability of *Parasitized* and a decision threshold on it: positive from the
    /// threshold up.
    pub fn decide(probability_parasitized: f32, threshold: f32) -> Class {
        if probability_parasitized >= threshold { Class::Parasitized } else { Class::Uninfected }
    }
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}
