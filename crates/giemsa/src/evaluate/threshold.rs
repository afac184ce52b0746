//! Choice of the decision threshold for a stated aim.

use super::curves::{Point, points};
use super::{EvaluateError, LabelledPrediction, check, check_both_classes};
use std::fmt;
use std::str::FromStr;

/// The aim of a decision threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aim {
    /// Maximize sensitivity + specificity (Youden's index: Youden 1950, "Index for rating diagnostic tests").
    Balanced,
    /// Maximize specificity with at least this sensitivity.
    SensitivityAtLeast(f64),
    /// Maximize sensitivity with at least this specificity.
    SpecificityAtLeast(f64),
}

/// Formats the aim as words.
///
/// ```
/// use giemsa::evaluate::threshold::Aim;
/// assert_eq!(Aim::SpecificityAtLeast(0.98).to_string(), "specificity at least 0.98");
/// ```
impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Aim::Balanced => f.write_str("best balance of sensitivity and specificity"),
            Aim::SensitivityAtLeast(least) => write!(f, "sensitivity at least {least}"),
            Aim::SpecificityAtLeast(least) => write!(f, "specificity at least {least}"),
        }
    }
}

/// Parses `balanced`, `sensitivity>=0.95` and `specificity>=0.98`. `=` and `:` are accepted instead of `>=`, so that no
/// quotes are needed in a shell.
///
/// ```
/// use giemsa::evaluate::threshold::Aim;
/// assert_eq!("sensitivity=0.95".parse::<Aim>().unwrap(), Aim::SensitivityAtLeast(0.95));
/// assert!("sensitivity=95".parse::<Aim>().is_err());
/// ```
impl FromStr for Aim {
    type Err = EvaluateError;

    fn from_str(text: &str) -> Result<Aim, EvaluateError> {
        let invalid = || EvaluateError::InvalidAim { text: text.to_owned() };
        if text.trim().eq_ignore_ascii_case("balanced") {
            return Ok(Aim::Balanced);
        }
        let (metric, least) = text.split_once(['>', '=', ':']).ok_or_else(invalid)?;
        let least: f64 = least.trim_start_matches('=').trim().parse().map_err(|_| invalid())?;
        match metric.trim().to_ascii_lowercase().as_str() {
            _ if !(0.0..=1.0).contains(&least) => Err(invalid()),
            "sensitivity" => Ok(Aim::SensitivityAtLeast(least)),
            "specificity" => Ok(Aim::SpecificityAtLeast(least)),
            _ => Err(invalid()),
        }
    }
}

/// A decision threshold, with its metrics on the images that it was chosen on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// An image is classified as Parasitized if its probability is at least this.
    pub threshold: f64,
    /// Sensitivity on these images.
    pub sensitivity: f64,
    /// Specificity on these images.
    pub specificity: f64,
}

/// Chooses the best threshold for an aim on these images.
///
/// The threshold is half-way between the lowest probability classified as Parasitized and the highest classified as
/// Uninfected, so that rounding does not change the class of an image. Of equally good thresholds it is the lowest, which
/// has the fewest false negatives. It is above 1 if the aim allows no image to be classified as Parasitized.
///
/// # Errors
/// If a probability is not in 0..=1, or a class has no images.
pub fn choose(predictions: &[LabelledPrediction], aim: Aim) -> Result<Choice, EvaluateError> {
    check(predictions)?;
    check_both_classes(predictions, "choose a threshold")?;
    let points = points(predictions);
    let specificity = |point: &Point| 1.0 - point.false_positive_rate;
    let merit = |point: &Point| match aim {
        Aim::Balanced => point.sensitivity + specificity(point),
        Aim::SensitivityAtLeast(least) if point.sensitivity >= least => specificity(point),
        Aim::SpecificityAtLeast(least) if specificity(point) >= least => point.sensitivity,
        _ => f64::NEG_INFINITY,
    };
    let best = (0..points.len()).fold(0, |best, i| if merit(&points[i]) >= merit(&points[best]) { i } else { best });
    Ok(Choice {
        threshold: between(&points, best),
        sensitivity: points[best].sensitivity,
        specificity: specificity(&points[best]),
    })
}

/// Returns a threshold that separates the images classified as Parasitized at a point from the others.
fn between(points: &[Point], index: usize) -> f64 {
    let lowest_positive = points[index].threshold;
    match points.get(index + 1) {
        None => 0.0,
        Some(next) if lowest_positive.is_infinite() => next.threshold.midpoint(1.0).next_up(),
        Some(next) => next.threshold.midpoint(lowest_positive),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Class::{self, Parasitized, Uninfected};

    fn predictions() -> Vec<LabelledPrediction> {
        let image = |class: Class, probability_parasitized| LabelledPrediction {
            probability_red_cell: None,
            path: "cell.png".into(),
            class,
            patient: None,
            probability_parasitized,
        };
        vec![
            image(Parasitized, 0.9),
            image(Parasitized, 0.8),
            image(Uninfected, 0.7),
            image(Parasitized, 0.6),
            image(Uninfected, 0.3),
            image(Uninfected, 0.2),
            image(Parasitized, 0.1),
            image(Uninfected, 0.05),
        ]
    }

    #[test]
    fn thresholds_match_hand_arithmetic() {
        // From the list above: four images of each class.
        let table = [
            (Aim::Balanced, 0.45, 0.75, 0.75),
            (Aim::SensitivityAtLeast(0.76), 0.075, 1.0, 0.25),
            (Aim::SensitivityAtLeast(0.5), 0.75, 0.5, 1.0),
            (Aim::SpecificityAtLeast(0.9), 0.75, 0.5, 1.0),
            (Aim::SpecificityAtLeast(0.75), 0.45, 0.75, 0.75),
            (Aim::SpecificityAtLeast(0.0), 0.0, 1.0, 0.0),
        ];
        for (aim, threshold, sensitivity, specificity) in table {
            let choice = choose(&predictions(), aim).unwrap();
            assert!((choice.threshold - threshold).abs() < 1e-12, "{aim}: {choice:?}");
            assert_eq!((choice.sensitivity, choice.specificity), (sensitivity, specificity), "{aim}");
        }
    }

    #[test]
    fn the_threshold_has_the_stated_metrics() {
        for aim in ["balanced", "sensitivity>=0.8", "specificity>=1"] {
            let choice = choose(&predictions(), aim.parse().unwrap()).unwrap();
            let counts = crate::evaluate::count(&predictions(), choice.threshold);
            let metrics = (counts.sensitivity().unwrap(), counts.specificity().unwrap());
            assert_eq!(metrics, (choice.sensitivity, choice.specificity), "{aim}");
        }
    }

    #[test]
    fn the_threshold_is_above_one_if_the_aim_allows_no_positives() {
        let images: Vec<LabelledPrediction> = [(Uninfected, 1.0), (Parasitized, 0.5)]
            .map(|(class, p)| LabelledPrediction {
                probability_red_cell: None,
                path: "".into(),
                class,
                patient: None,
                probability_parasitized: p,
            })
            .into();
        let choice = choose(&images, Aim::SpecificityAtLeast(1.0)).unwrap();
        assert!(choice.threshold > 1.0, "{choice:?}");
        assert_eq!((choice.sensitivity, choice.specificity), (0.0, 1.0));
    }

    #[test]
    fn rejects_texts_that_are_not_aims() {
        for text in
            ["", "balance", "sensitivity", "sensitivity>=", "accuracy>=0.9", "specificity>=98", "specificity=nan"]
        {
            assert!(text.parse::<Aim>().is_err(), "{text}");
        }
    }

    #[test]
    fn requires_images_of_both_classes() {
        let uninfected = &predictions()[2..3];
        let error = choose(uninfected, Aim::Balanced).unwrap_err().to_string();
        assert_eq!(
            error,
            "images of both classes are required to choose a threshold, but there are none of class Parasitized"
        );
    }
}
