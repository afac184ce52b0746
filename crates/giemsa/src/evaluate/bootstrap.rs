//! Intervals by resampling patients.
//!
//! Cells of one patient are alike, so a list of cells knows less than its length suggests. Whole patients are drawn with
//! replacement, as many as there are, and the figures computed anew (the cluster bootstrap: Davison and Hinkley 1997,
//! "Bootstrap methods and their application", section 3.8); an interval holds the middle 95 % of them (percentile
//! method, Efron 1979).

use super::LabelledPrediction;
use super::figures::{FIGURES, Figures};
use super::patients::quantile;
use crate::random::Random;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// What is drawn with replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resampled {
    /// Patients, with all their images.
    Patients,
    /// Single images, because the patient of some is not known: intervals are too narrow where cells share patients.
    Images,
}

/// Which images are drawn together.
#[derive(Clone, Debug, PartialEq)]
pub struct Clusters {
    /// What a cluster is.
    pub resampled: Resampled,
    /// The cluster of each image, from 0 in the order in which they appear.
    pub of_image: Vec<u32>,
    /// How many there are.
    pub count: usize,
}

impl Clusters {
    /// A cluster a patient; a cluster an image where the patient of any image is not known.
    pub fn of(scored: &[LabelledPrediction]) -> Clusters {
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let number = |image| {
            let LabelledPrediction { patient, .. }: &LabelledPrediction = image;
            let next = numbers.len() as u32;
            Some(*numbers.entry(patient.as_deref()?).or_insert(next))
        };
        match scored.iter().map(number).collect::<Option<Vec<u32>>>() {
            Some(of_image) => Clusters { resampled: Resampled::Patients, of_image, count: numbers.len() },
            None => Clusters {
                resampled: Resampled::Images,
                of_image: (0..scored.len() as u32).collect(),
                count: scored.len(),
            },
        }
    }

    /// Every cluster once: the weights of the plain figures.
    pub fn once(&self) -> Vec<u32> {
        vec![1; self.count]
    }
}

/// How intervals are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How often is drawn.
    pub draws: usize,
    /// What the draws follow from.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { draws: 2000, seed: 0 }
    }
}

/// The share of draws that an interval holds.
pub const LEVEL: f64 = 0.95;

/// From where to where a figure may lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// 2.5 % of the draws are below it.
    pub low: f64,
    /// 2.5 % of the draws are above it.
    pub high: f64,
}

/// Keeps these draws apart from other random numbers of the same seed.
const PURPOSE: u64 = u64::from_be_bytes(*b"bootstra");

/// How often each of `count` clusters is drawn in one draw; a function of (seed, draw) alone.
pub fn weights(count: usize, seed: u64, draw: u64) -> Vec<u32> {
    let mut random = Random::keyed(&[seed, PURPOSE, draw]);
    let mut weights = vec![0; count];
    for _ in 0..count {
        weights[random.below(count)] += 1;
    }
    weights
}

/// The interval of each figure.
///
/// None where a figure is undefined in more than one draw of twenty, and for all figures where there are fewer than two
/// clusters: one patient says nothing of the next.
pub fn intervals(
    clusters: &Clusters,
    settings: Settings,
    figures: impl Fn(&[u32]) -> Figures<Option<f64>> + Sync,
) -> Figures<Option<Interval>> {
    if clusters.count < 2 {
        return Figures::default();
    }
    let draws: Vec<[Option<f64>; FIGURES]> = (0..settings.draws as u64)
        .into_par_iter()
        .map(|draw| figures(&weights(clusters.count, settings.seed, draw)).to_array())
        .collect();
    Figures::from_array(std::array::from_fn(|i| interval(draws.iter().map(|figures| figures[i]).collect())))
}

/// The middle 95 % of the draws in which the figure is defined.
fn interval(draws: Vec<Option<f64>>) -> Option<Interval> {
    let mut sorted: Vec<f64> = draws.iter().copied().flatten().collect();
    if sorted.is_empty() || sorted.len() * 20 < draws.len() * 19 {
        return None;
    }
    sorted.sort_by(f64::total_cmp);
    let tail = (1.0 - LEVEL) / 2.0;
    Some(Interval { low: quantile(&sorted, tail), high: quantile(&sorted, 1.0 - tail) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Class;

    fn image(patient: Option<&str>) -> LabelledPrediction {
        let patient = patient.map(str::to_owned);
        LabelledPrediction { path: "cell.png".into(), class: Class::Uninfected, patient, probability_parasitized: 0.5 }
    }

    #[test]
    fn images_of_a_patient_are_drawn_together_unless_a_patient_is_unknown() {
        let mut scored = vec![image(Some("C1")), image(Some("C7")), image(Some("C1"))];
        let clusters = Clusters::of(&scored);
        assert_eq!((clusters.resampled, clusters.of_image, clusters.count), (Resampled::Patients, vec![0, 1, 0], 2));
        scored.push(image(None));
        let clusters = Clusters::of(&scored);
        assert_eq!((clusters.resampled, clusters.of_image, clusters.count), (Resampled::Images, vec![0, 1, 2, 3], 4));
    }

    #[test]
    fn a_draw_holds_as_many_clusters_as_there_are() {
        for draw in 0..50 {
            assert_eq!(weights(17, 3, draw).iter().sum::<u32>(), 17);
        }
        assert_ne!(weights(17, 3, 0), weights(17, 3, 1));
        assert_ne!(weights(17, 3, 0), weights(17, 4, 0));
    }

    #[test]
    fn the_interval_of_a_mean_is_that_of_theory() {
        // The share of one cluster's draws in 400 is 1/400; the share of the first half's has the standard error
        // sqrt(0.25 / 400) = 0.025, so the interval is about 0.5 ± 1.96 * 0.025.
        let clusters = Clusters { resampled: Resampled::Images, of_image: (0..400).collect(), count: 400 };
        let half = |weights: &[u32]| {
            let drawn: u32 = weights[..200].iter().sum();
            Figures { accuracy: Some(f64::from(drawn) / 400.0), ..Figures::default() }
        };
        let interval = intervals(&clusters, Settings { draws: 4000, seed: 1 }, half).accuracy.unwrap();
        assert!((interval.low - 0.451).abs() < 0.004 && (interval.high - 0.549).abs() < 0.004, "{interval:?}");
    }

    #[test]
    fn one_patient_has_no_interval() {
        let scored = vec![image(Some("C1")), image(Some("C1"))];
        let one = |_: &[u32]| Figures { accuracy: Some(1.0), ..Figures::default() };
        assert_eq!(intervals(&Clusters::of(&scored), Settings::default(), one).accuracy, None);
    }

    #[test]
    fn a_figure_undefined_in_many_draws_has_no_interval() {
        assert_eq!(interval([vec![None; 6], vec![Some(1.0); 94]].concat()), None);
        let interval = interval([vec![None; 5], vec![Some(1.0); 95]].concat());
        assert_eq!(interval, Some(Interval { low: 1.0, high: 1.0 }));
    }
}
