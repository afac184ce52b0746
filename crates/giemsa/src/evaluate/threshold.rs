//! Choosing the decision threshold for a stated aim.

use super::curves::{Point, points};
use super::{EvaluateError, LabelledPrediction, check, check_both_classes};
use std::fmt;
use std::str::FromStr;

/// What a decision threshold is chosen for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aim {
    /// The highest mean of sensitivity and specificity (Youden 1950).
    Balanced,
    /// The highest specificity with at least this sensitivity.
    SensitivityAtLeast(f64),
    /// The highest sensitivity with at least this specificity.
    SpecificityAtLeast(f64),
}

/// The aim in words.
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

/// Reads `balanced`, `sensitivity>=0.95`, `specificity>=0.98`; `=` and `:` do as well as `>=`, so that a shell needs no
/// quotes.
///
/// ```
/// use giemsa::evaluate::threshold::Aim;
/// assert_eq!("sensitivity=0.95".parse::<Aim>().unwrap(), Aim::SensitivityAtLeast(0.95));
/// assert!("sensitivity=95".parse::<Aim>().is_err());
/// ```
impl FromStr for Aim {
    type Err = EvaluateError;

    fn from_str(text: &str) -> Result<Aim, EvaluateError> {
        let unknown = || EvaluateError::Aim { found: text.to_owned() };
        if text.trim().eq_ignore_ascii_case("balanced") {
            return Ok(Aim::Balanced);
        }
        let (figure, least) = text.split_once(['>', '=', ':']).ok_or_else(unknown)?;
        let least: f64 = least.trim_start_matches('=').trim().parse().map_err(|_| unknown())?;
        match figure.trim().to_ascii_lowercase().as_str() {
            _ if !(0.0..=1.0).contains(&least) => Err(unknown()),
            "sensitivity" => Ok(Aim::SensitivityAtLeast(least)),
            "specificity" => Ok(Aim::SpecificityAtLeast(least)),
            _ => Err(unknown()),
        }
    }
}

/// A decision threshold with what it does to the images that it was chosen on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Images with at least this probability of Parasitized are called so.
    pub threshold: f64,
    /// On the images it was chosen on.
    pub sensitivity: f64,
    /// On the images it was chosen on.
    pub specificity: f64,
}

/// The threshold that serves an aim best on these images.
///
/// It lies half-way between the lowest probability that is called Parasitized and the highest that is not, so that
/// rounding does not move an image across. Of equally good ones, the lowest: it misses fewest.
///
/// # Errors
/// When a probability is not one, or a class has no images.
pub fn choose(scored: &[LabelledPrediction], aim: Aim) -> Result<Choice, EvaluateError> {
    check(scored)?;
    check_both_classes(scored, "choose a threshold")?;
    let points = points(scored);
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

/// A threshold that separates the images called Parasitized at a point from the others.
fn between(points: &[Point], index: usize) -> f64 {
    let lowest_called = points[index].threshold;
    match points.get(index + 1) {
        None => 0.0,
        Some(next) if lowest_called.is_infinite() => next.threshold.midpoint(1.0).next_up(),
        Some(next) => next.threshold.midpoint(lowest_called),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Class::{self, Parasitized, Uninfected};

    fn scored() -> Vec<LabelledPrediction> {
        let image = |class: Class, probability_parasitized| LabelledPrediction {
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
    fn each_aim_gets_its_threshold() {
        // By hand from the list above: four of each class.
        let table = [
            (Aim::Balanced, 0.45, 0.75, 0.75),
            (Aim::SensitivityAtLeast(0.76), 0.075, 1.0, 0.25),
            (Aim::SensitivityAtLeast(0.5), 0.75, 0.5, 1.0),
            (Aim::SpecificityAtLeast(0.9), 0.75, 0.5, 1.0),
            (Aim::SpecificityAtLeast(0.75), 0.45, 0.75, 0.75),
            (Aim::SpecificityAtLeast(0.0), 0.0, 1.0, 0.0),
        ];
        for (aim, threshold, sensitivity, specificity) in table {
            let choice = choose(&scored(), aim).unwrap();
            assert!((choice.threshold - threshold).abs() < 1e-12, "{aim}: {choice:?}");
            assert_eq!((choice.sensitivity, choice.specificity), (sensitivity, specificity), "{aim}");
        }
    }

    #[test]
    fn the_threshold_does_what_it_says() {
        for aim in ["balanced", "sensitivity>=0.8", "specificity>=1"] {
            let choice = choose(&scored(), aim.parse().unwrap()).unwrap();
            let counts = crate::evaluate::count(&scored(), choice.threshold);
            let figures = (counts.sensitivity().unwrap(), counts.specificity().unwrap());
            assert_eq!(figures, (choice.sensitivity, choice.specificity), "{aim}");
        }
    }

    #[test]
    fn nothing_is_called_parasitized_where_the_aim_allows_nothing() {
        let images: Vec<LabelledPrediction> = [(Uninfected, 1.0), (Parasitized, 0.5)]
            .map(|(class, p)| LabelledPrediction { path: "".into(), class, patient: None, probability_parasitized: p })
            .into();
        let choice = choose(&images, Aim::SpecificityAtLeast(1.0)).unwrap();
        assert!(choice.threshold > 1.0, "{choice:?}");
        assert_eq!((choice.sensitivity, choice.specificity), (0.0, 1.0));
    }

    #[test]
    fn texts_that_are_no_aim_are_errors() {
        for text in
            ["", "balance", "sensitivity", "sensitivity>=", "accuracy>=0.9", "specificity>=98", "specificity=nan"]
        {
            assert!(text.parse::<Aim>().is_err(), "{text}");
        }
    }

    #[test]
    fn one_class_has_no_threshold() {
        let healthy = &scored()[2..3];
        let error = choose(healthy, Aim::Balanced).unwrap_err().to_string();
        assert_eq!(error, "expected images of both classes to choose a threshold, found none of class Parasitized");
    }
}
