//! Splits: by patient, so that no patient is on both sides, or by image, as the tutorial did.

use super::{DatasetError, Sample};
use crate::random::Random;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What stays together in a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitBy {
    /// All images of a patient.
    Patient,
    /// Nothing: cells of one patient come to lie on both sides, and figures come out too good.
    Image,
}

/// Images that stay together, with how many of each class there are.
struct Group {
    members: Vec<usize>,
    counts: [usize; 2],
}

impl Group {
    fn is_infected(&self) -> bool {
        self.counts[0] > 0
    }
}

fn refuse(expected: impl Into<String>, found: impl Into<String>) -> DatasetError {
    DatasetError::Content { path: "data set".to_owned(), expected: expected.into(), found: found.into() }
}

/// The groups in random order.
fn groups(samples: &[Sample], by: SplitBy, seed: u64) -> Result<Vec<Group>, DatasetError> {
    let mut by_key: BTreeMap<(&str, usize), Group> = BTreeMap::new();
    for (i, sample) in samples.iter().enumerate() {
        let key = match (by, &sample.patient) {
            (SplitBy::Image, _) => ("", i),
            (SplitBy::Patient, Some(patient)) => (&patient[..], 0),
            (SplitBy::Patient, None) => {
                return Err(DatasetError::Content {
                    path: sample.path.display().to_string(),
                    expected: "a file name that tells the patient, as C33P1….png does".to_owned(),
                    found: "none (--patients or --patient-pattern can tell it; --split-by image does without)"
                        .to_owned(),
                });
            }
        };
        let group = by_key.entry(key).or_insert_with(|| Group { members: Vec::new(), counts: [0; 2] });
        group.members.push(i);
        group.counts[sample.class.index()] += 1;
    }
    let mut groups: Vec<Group> = by_key.into_values().collect();
    Random::keyed(&[seed, u64::from_le_bytes(*b"grouping")]).shuffle(&mut groups);
    Ok(groups)
}

/// Splits into a larger part and one that holds about `fraction` of the images of each class; both keep the samples'
/// order. By patient, infected and healthy patients are shared out evenly.
///
/// # Errors
/// When patients are asked for and a name does not tell one, or one part would lack a class.
///
/// # Panics
/// When `fraction` is not between 0 and 1.
pub fn split(
    samples: Vec<Sample>,
    fraction: f64,
    by: SplitBy,
    seed: u64,
) -> Result<(Vec<Sample>, Vec<Sample>), DatasetError> {
    assert!(fraction > 0.0 && fraction < 1.0, "a fraction between 0 and 1");
    let mut taken = vec![false; samples.len()];
    let groups = groups(&samples, by, seed)?;
    if groups.len() < 2 {
        let one = if by == SplitBy::Patient { "one patient only" } else { "one image only" };
        return Err(refuse("at least two patients (or --split-by image)", one));
    }
    let (infected, healthy): (Vec<Group>, Vec<Group>) = groups.into_iter().partition(Group::is_infected);
    for stratum in [infected, healthy] {
        for group in nearest_to_fraction(&stratum, fraction) {
            group.members.iter().for_each(|&i| taken[i] = true);
        }
    }
    let mut parts = (Vec::new(), Vec::new());
    for (sample, taken) in samples.into_iter().zip(taken) {
        if taken { parts.1.push(sample) } else { parts.0.push(sample) }
    }
    for (part, name) in [(&parts.0, "larger"), (&parts.1, "smaller")] {
        if let Some(class) = missing_class(part) {
            let found = format!("no {class} in the {name} part of this split");
            return Err(refuse("patients of both classes for both parts", found));
        }
    }
    Ok(parts)
}

/// Some of the groups, in their order, that together hold about `fraction` of the images: where there are several, at
/// least one and not all.
fn nearest_to_fraction(groups: &[Group], fraction: f64) -> Vec<&Group> {
    let size = |group: &&Group| group.members.len();
    let wanted = fraction * groups.iter().map(|group| group.members.len()).sum::<usize>() as f64;
    let (mut taken, mut count) = (Vec::new(), 0);
    for group in groups {
        let brings_nearer = (count + group.members.len()) as f64 - wanted <= wanted - count as f64;
        if brings_nearer && taken.len() + 1 < groups.len() {
            count += group.members.len();
            taken.push(group);
        }
    }
    if taken.is_empty() && groups.len() > 1 {
        taken.extend(groups.iter().min_by_key(size));
    }
    taken
}

fn missing_class(samples: &[Sample]) -> Option<crate::classes::Class> {
    crate::classes::Class::ALL.into_iter().find(|&class| samples.iter().all(|sample| sample.class != class))
}

/// The fold, in 0..k, of each sample: patients stay together, and the folds have about as many images of each class.
///
/// The largest patients are dealt first, each to the fold that is emptiest in its classes.
///
/// # Errors
/// When a name does not tell the patient, there are fewer patients than folds, or a fold would lack a class.
pub fn folds(samples: &[Sample], k: usize, seed: u64) -> Result<Vec<usize>, DatasetError> {
    let mut groups = groups(samples, SplitBy::Patient, seed)?;
    if k < 2 || groups.len() < k {
        let expected = format!("at least 2 folds and as many patients as folds ({k})");
        return Err(refuse(expected, format!("{} patients", groups.len())));
    }
    // The sort is stable, so patients of one size stay in random order.
    groups.sort_by_key(|group| std::cmp::Reverse(group.members.len()));
    let totals: [usize; 2] = [0, 1].map(|c| groups.iter().map(|group| group.counts[c]).sum::<usize>().max(1));
    let mut filled = vec![[0_usize; 2]; k];
    let mut fold_of = vec![0; samples.len()];
    for group in groups {
        let load = |fold: &[usize; 2]| -> f64 {
            (0..2).map(|c| ((fold[c] + group.counts[c]) as f64 / totals[c] as f64).powi(2)).sum::<f64>()
                - (0..2).map(|c| (fold[c] as f64 / totals[c] as f64).powi(2)).sum::<f64>()
        };
        let emptiest = (0..k).min_by(|&a, &b| load(&filled[a]).total_cmp(&load(&filled[b]))).unwrap_or(0);
        (0..2).for_each(|c| filled[emptiest][c] += group.counts[c]);
        group.members.iter().for_each(|&i| fold_of[i] = emptiest);
    }
    for (fold, counts) in filled.iter().enumerate() {
        if let Some(class) = crate::classes::Class::ALL.into_iter().find(|class| counts[class.index()] == 0) {
            let expected = format!("patients of both classes for each of {k} folds");
            return Err(refuse(expected, format!("no {class} left for fold {}", fold + 1)));
        }
    }
    Ok(fold_of)
}

/// How many patients there are among some samples.
pub fn patient_count(samples: &[Sample]) -> usize {
    let patients: std::collections::BTreeSet<&str> = samples.iter().filter_map(|s| s.patient.as_deref()).collect();
    patients.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Class;
    use std::collections::BTreeSet;

    /// Patients of many sizes: one in four healthy.
    fn samples(patients: usize) -> Vec<Sample> {
        let mut random = Random::keyed(&[1]);
        let mut samples = Vec::new();
        for p in 0..patients {
            for class in Class::ALL {
                let n = if class == Class::Parasitized && p % 4 == 0 { 0 } else { 1 + random.below(60) };
                let patient = Some(format!("C{p}"));
                samples.extend((0..n).map(|i| Sample {
                    path: format!("{class}/C{p}_{i}.png").into(),
                    class,
                    patient: patient.clone(),
                }));
            }
        }
        samples
    }

    fn patients(samples: &[Sample]) -> BTreeSet<String> {
        samples.iter().filter_map(|sample| sample.patient.clone()).collect()
    }

    #[test]
    fn a_split_by_patient_is_disjoint_complete_and_near_its_fraction() {
        for seed in 0..30 {
            let all = samples(40);
            let (train, test) = split(all.clone(), 0.3, SplitBy::Patient, seed).unwrap();
            assert!(patients(&train).is_disjoint(&patients(&test)));
            let mut together: Vec<_> = train.iter().chain(&test).map(|s| s.path.clone()).collect();
            let mut expected: Vec<_> = all.iter().map(|s| s.path.clone()).collect();
            together.sort();
            expected.sort();
            assert_eq!(together, expected);
            let share = test.len() as f64 / all.len() as f64;
            assert!((share - 0.3).abs() < 0.06, "{share}");
            let healthy = patients(&test).iter().filter(|p| p[1..].parse::<usize>().unwrap() % 4 == 0).count();
            assert!((1..=6).contains(&healthy), "{healthy} of 10 healthy patients");
        }
    }

    #[test]
    fn a_split_by_image_meets_its_fraction() {
        let all = samples(10);
        let n = all.len();
        let (_, test) = split(all, 0.3, SplitBy::Image, 3).unwrap();
        assert!((test.len() as f64 - 0.3 * n as f64).abs() <= 2.0);
    }

    #[test]
    fn a_seed_gives_one_split_and_another_seed_another() {
        let of = |seed| split(samples(20), 0.3, SplitBy::Patient, seed).unwrap().1;
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn folds_keep_patients_together_and_are_even() {
        for seed in 0..10 {
            let all = samples(30);
            let fold_of = folds(&all, 5, seed).unwrap();
            let mut fold_of_patient = BTreeMap::new();
            for (sample, &fold) in all.iter().zip(&fold_of) {
                assert_eq!(*fold_of_patient.entry(sample.patient.clone()).or_insert(fold), fold);
            }
            for class in Class::ALL {
                let of_class = |f| all.iter().zip(&fold_of).filter(|(s, g)| s.class == class && **g == f).count();
                let counts: Vec<usize> = (0..5).map(of_class).collect();
                let mean = counts.iter().sum::<usize>() as f64 / 5.0;
                assert!(counts.iter().all(|&c| (c as f64 - mean).abs() < 0.2 * mean), "{counts:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_split_is_said() {
        let message = |result: Result<_, DatasetError>| result.map(|_: (Vec<_>, Vec<_>)| ()).unwrap_err().to_string();
        let one = samples(2).into_iter().filter(|s| s.patient.as_deref() == Some("C1")).collect::<Vec<_>>();
        assert!(message(split(one.clone(), 0.5, SplitBy::Patient, 0)).contains("one patient only"));
        let mut nameless = samples(4);
        nameless[3].patient = None;
        assert!(message(split(nameless, 0.5, SplitBy::Patient, 0)).contains("--patients"));
        let healthy: Vec<_> = samples(20).into_iter().filter(|s| s.class == Class::Uninfected).collect();
        assert!(message(split(healthy, 0.5, SplitBy::Patient, 0)).contains("no Parasitized"));
        assert!(folds(&one, 5, 0).unwrap_err().to_string().contains("found 1 patients"));
        let few: Vec<_> = samples(8)
            .into_iter()
            .filter(|s| s.class == Class::Uninfected || s.patient.as_deref() == Some("C1"))
            .collect();
        assert!(folds(&few, 4, 0).unwrap_err().to_string().contains("no Parasitized left for fold"));
    }
}
