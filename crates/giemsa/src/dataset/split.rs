//! Splits a data set by patient, so that no patient is in two parts, or by image.

use super::{DatasetError, Sample};
use crate::classes::Class;
use crate::image::{ImageError, read_size};
use crate::random::Random;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The unit that a split keeps together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitBy {
    /// All images of a patient.
    Patient,
    /// Single images. Cells of one patient are then in both parts, and metrics come out too high.
    Image,
}

/// Images that stay together.
struct Group {
    members: Vec<usize>,
    /// The number of images per class index.
    counts: [usize; 2],
}

impl Group {
    fn is_infected(&self) -> bool {
        self.counts[Class::Parasitized.index()] > 0
    }
}

/// Groups the samples, in random order, and returns the indices of files that belong to no group: those of unknown
/// patients that are not images either.
fn groups(samples: &[Sample], by: SplitBy, seed: u64) -> Result<(Vec<Group>, Vec<usize>), DatasetError> {
    let mut by_key: BTreeMap<(&str, usize), Group> = BTreeMap::new();
    let mut ungrouped = Vec::new();
    for (i, sample) in samples.iter().enumerate() {
        let key = match (by, &sample.patient) {
            (SplitBy::Image, _) => ("", i),
            (SplitBy::Patient, Some(patient)) => (&patient[..], 0),
            (SplitBy::Patient, None) if is_not_an_image(sample) => {
                ungrouped.push(i);
                continue;
            }
            (SplitBy::Patient, None) => return Err(DatasetError::UnknownPatient { path: sample.path.clone() }),
        };
        let group = by_key.entry(key).or_insert_with(|| Group { members: Vec::new(), counts: [0; 2] });
        group.members.push(i);
        group.counts[sample.class.index()] += 1;
    }
    let mut groups: Vec<Group> = by_key.into_values().collect();
    Random::keyed(&[seed, u64::from_le_bytes(*b"grouping")]).shuffle(&mut groups);
    Ok((groups, ungrouped))
}

/// Returns whether the content of a file is not an image. A file that cannot be opened may be one.
fn is_not_an_image(sample: &Sample) -> bool {
    !matches!(read_size(&sample.path), Ok(_) | Err(ImageError::Input(_)))
}

/// Splits samples into a larger part and a smaller one with about `fraction` of the images of each class.
///
/// Both parts keep the order of the samples. A split by patient is stratified: infected and uninfected patients are
/// divided separately. A file that is not an image and whose name contains no patient goes to the larger part, where
/// [`Cache::unreadable`](super::Cache::unreadable) reports it.
///
/// # Errors
/// If the patient of an image is unknown in a split by patient, or a part would lack a class.
///
/// # Panics
/// If `fraction` is not between 0 and 1.
pub fn split(
    samples: Vec<Sample>,
    fraction: f64,
    by: SplitBy,
    seed: u64,
) -> Result<(Vec<Sample>, Vec<Sample>), DatasetError> {
    assert!(fraction > 0.0 && fraction < 1.0, "the fraction must be between 0 and 1");
    let mut taken = vec![false; samples.len()];
    let (groups, _) = groups(&samples, by, seed)?;
    if groups.len() < 2 {
        let (required, found) = (2, groups.len());
        return Err(match by {
            SplitBy::Patient => DatasetError::TooFewPatients { required, found },
            SplitBy::Image => DatasetError::TooFewImages { required, found },
        });
    }
    let (infected, uninfected): (Vec<Group>, Vec<Group>) = groups.into_iter().partition(Group::is_infected);
    for stratum in [infected, uninfected] {
        for group in nearest_to_fraction(&stratum, fraction) {
            group.members.iter().for_each(|&i| taken[i] = true);
        }
    }
    let mut parts = (Vec::new(), Vec::new());
    for (sample, taken) in samples.into_iter().zip(taken) {
        if taken { parts.1.push(sample) } else { parts.0.push(sample) }
    }
    for (samples, part) in [(&parts.0, "larger"), (&parts.1, "smaller")] {
        if let Some(class) = missing_class(samples) {
            return Err(DatasetError::ClassMissingFromPart { class, part });
        }
    }
    Ok(parts)
}

/// Selects groups, in their order, that together contain about `fraction` of the images; of several groups at least one
/// and not all.
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

fn missing_class(samples: &[Sample]) -> Option<Class> {
    Class::ALL.into_iter().find(|&class| samples.iter().all(|sample| sample.class != class))
}

/// Returns the fold of each sample, in 0..k, with each patient in one fold and about equal folds in both classes.
///
/// Patients are assigned in the order of their size, each to the fold that is emptiest in its classes.
///
/// # Errors
/// If the patient of a sample is unknown, there are fewer patients than folds, or a fold would lack a class.
///
/// # Panics
/// If `k` is less than 2.
pub fn folds(samples: &[Sample], k: usize, seed: u64) -> Result<Vec<usize>, DatasetError> {
    assert!(k >= 2, "expected at least 2 folds, found {k}");
    let (mut groups, ungrouped) = groups(samples, SplitBy::Patient, seed)?;
    if let Some(&first) = ungrouped.first() {
        return Err(DatasetError::UnknownPatient { path: samples[first].path.clone() });
    }
    if groups.len() < k {
        return Err(DatasetError::TooFewPatients { required: k, found: groups.len() });
    }
    // The sort is stable, so patients of equal size stay in random order.
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
        if let Some(class) = Class::ALL.into_iter().find(|class| counts[class.index()] == 0) {
            return Err(DatasetError::ClassMissingFromFold { class, fold: fold + 1, folds: k });
        }
    }
    Ok(fold_of)
}

/// Counts the known patients of some samples.
pub fn patient_count(samples: &[Sample]) -> usize {
    let patients: BTreeSet<&str> = samples.iter().filter_map(|s| s.patient.as_deref()).collect();
    patients.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Cache;
    use crate::preprocess::{Preprocessing, Resize};

    /// Draws patients of various sizes, one in four uninfected.
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
    fn splits_by_patient_into_disjoint_parts_near_the_fraction() {
        for seed in 0..30 {
            let all = samples(40);
            let (train, test) = split(all.clone(), 0.3, SplitBy::Patient, seed).unwrap();
            assert!(patients(&train).is_disjoint(&patients(&test)));
            let mut together: Vec<_> = train.iter().chain(&test).map(|s| s.path.clone()).collect();
            let mut expected: Vec<_> = all.iter().map(|s| s.path.clone()).collect();
            together.sort();
            expected.sort();
            assert_eq!(together, expected);
            let fraction = test.len() as f64 / all.len() as f64;
            assert!((fraction - 0.3).abs() < 0.06, "{fraction}");
            let uninfected = patients(&test).iter().filter(|p| p[1..].parse::<usize>().unwrap() % 4 == 0).count();
            assert!((1..=6).contains(&uninfected), "{uninfected} of 10 uninfected patients");
        }
    }

    #[test]
    fn splits_by_image_at_the_fraction() {
        let all = samples(10);
        let n = all.len();
        let (_, test) = split(all, 0.3, SplitBy::Image, 3).unwrap();
        assert!((test.len() as f64 - 0.3 * n as f64).abs() <= 2.0);
    }

    #[test]
    fn repeats_a_split_for_the_same_seed_only() {
        let of = |seed| split(samples(20), 0.3, SplitBy::Patient, seed).unwrap().1;
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn keeps_each_patient_in_one_of_even_folds() {
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
    fn reports_why_samples_cannot_be_split() {
        let split = |samples: Vec<Sample>| split(samples, 0.5, SplitBy::Patient, 0).unwrap_err();
        let of_class = |class| samples(20).into_iter().filter(|s| s.class == class).collect::<Vec<_>>();
        let one: Vec<_> = samples(2).into_iter().filter(|s| s.patient.as_deref() == Some("C1")).collect();
        assert!(matches!(split(one.clone()), DatasetError::TooFewPatients { required: 2, found: 1 }));
        let mut nameless = samples(4);
        nameless[3].patient = None;
        assert!(matches!(split(nameless), DatasetError::UnknownPatient { path } if path.ends_with("C0_3.png")));
        let class = Class::Parasitized;
        let missing = split(of_class(Class::Uninfected));
        assert!(matches!(missing, DatasetError::ClassMissingFromPart { class: found, .. } if found == class));

        let fold = |samples: &[Sample], k| folds(samples, k, 0).unwrap_err();
        assert!(matches!(fold(&one, 5), DatasetError::TooFewPatients { required: 5, found: 1 }));
        let few: Vec<_> = samples(8)
            .into_iter()
            .filter(|s| s.class == Class::Uninfected || s.patient.as_deref() == Some("C1"))
            .collect();
        assert!(matches!(fold(&few, 4), DatasetError::ClassMissingFromFold { class: found, .. } if found == class));
    }

    #[test]
    fn leaves_a_file_that_is_not_an_image_to_be_reported_as_unreadable() {
        let folder = tempfile::tempdir().unwrap();
        let mut samples = samples(4);
        for sample in &mut samples {
            let name = sample.path.display().to_string().replace('/', "_");
            sample.path = folder.path().join(name);
            image::RgbImage::new(2, 2).save(&sample.path).unwrap();
        }
        let path = folder.path().join("bad.png");
        std::fs::write(&path, "not an image").unwrap();
        samples.push(Sample { path: path.clone(), class: Class::Uninfected, patient: None });
        let n = samples.len();
        let (larger, smaller) = split(samples, 0.3, SplitBy::Patient, 0).unwrap();
        assert_eq!(larger.len() + smaller.len(), n);
        let preprocessing = Preprocessing::new(2, Resize::StretchNearest);
        let cache = Cache::load(larger, &preprocessing, None, &|| ()).unwrap();
        assert_eq!(cache.unreadable().len(), 1);
        assert!(cache.unreadable()[0].to_string().contains("bad.png"));
        assert!(smaller.iter().all(|sample| sample.path != path));
    }
}
