//! The location of the healthy cells among the logits of a slide or of a data set.
//!
//! Logits are those of *Parasitized*, after the temperature: high for infected cells. The median of all cells would be
//! biased: with 40 % infected cells it is the 0.83 quantile of the healthy ones. Infected cells lie several logits above the
//! healthy ones, so the location is the median of the cells that are at most [`WINDOW_LOGITS`] above it, found by iteration
//! from the lower quartile, which is a healthy cell unless three quarters are infected. The window also cuts off the healthy
//! cells that look most infected.

use super::LabelledPrediction;
use super::operating_point::logit;
use crate::classes::Class;

/// Cells further above the location are not taken for healthy: two to three standard deviations of the healthy cells of a
/// slide, and less than half the distance between the classes at the site of the built-in model.
pub const WINDOW_LOGITS: f32 = 2.5;
/// The most steps of the iteration, which takes a few.
const MOST_STEPS: usize = 100;

/// Finds the location of the healthy cells among the logits of *Parasitized* of a slide, in any order; `None` without cells.
///
/// ```
/// use giemsa::evaluate::healthy_cells::healthy_location;
/// // Three infected cells of eight do not move it.
/// let logits = [-4.1, -3.9, 3.5, -4.0, 4.4, -4.2, 5.0, -3.8];
/// assert_eq!(healthy_location(&logits), Some(-4.0));
/// ```
///
/// # Panics
/// If a logit is not finite.
#[must_use]
pub fn healthy_location(parasitized_logits: &[f32]) -> Option<f32> {
    location(parasitized_logits).map(|(location, _)| location)
}

/// Finds the location of the healthy cells among labelled images with calibrated probabilities: of those of class
/// *Uninfected*; `None` without such images.
///
/// # Panics
/// If a probability of *Parasitized* is not a number.
#[must_use]
pub fn labelled_healthy_location(predictions: &[LabelledPrediction]) -> Option<f32> {
    let healthy = predictions.iter().filter(|image| !image.class.is_positive());
    let parasitized_logit =
        |image: &LabelledPrediction| Class::parasitized_evidence(logit(image.probability_parasitized) as f32);
    healthy_location(&healthy.map(parasitized_logit).collect::<Vec<f32>>())
}

/// Finds the location of the healthy cells, and the number of cells in its window.
pub(crate) fn location(logits: &[f32]) -> Option<(f32, usize)> {
    assert!(logits.iter().all(|logit| logit.is_finite()), "a logit is not finite");
    let mut sorted = logits.to_vec();
    sorted.sort_by(f32::total_cmp);
    let mut location = *sorted.get(sorted.len() / 4)?;
    let mut cells = 0;
    for _ in 0..MOST_STEPS {
        let inside = sorted.partition_point(|&logit| logit <= location + WINDOW_LOGITS);
        if inside == cells {
            break;
        }
        cells = inside;
        location = median(&sorted[..inside]);
    }
    Some((location, cells))
}

/// Computes the median of sorted numbers, of which there is at least one.
fn median(sorted: &[f32]) -> f32 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { 0.5 * (sorted[middle - 1] + sorted[middle]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_median_if_all_cells_are_similar() {
        assert_eq!(healthy_location(&[]), None);
        assert_eq!(healthy_location(&[-3.0]), Some(-3.0));
        assert_eq!(healthy_location(&[-1.0, -4.0, -3.0, -2.0]), Some(-2.5));
    }

    #[test]
    fn infected_cells_do_not_count_up_to_seventy_percent() {
        for infected in 0..=7 {
            let logits: Vec<f32> = (0..1000).map(|i| if i % 10 < infected { 4.0 } else { -4.0 }).collect();
            assert_eq!(healthy_location(&logits), Some(-4.0), "{infected}");
        }
    }

    #[test]
    #[should_panic(expected = "not finite")]
    fn panics_at_a_logit_that_is_not_a_number() {
        let _ = healthy_location(&[0.0, f32::NAN]);
    }
}
