//! Scanning and splitting the NIH cell images.
//!
//! These tests run with `GIEMSA_CELL_IMAGES=FOLDER cargo test -- --include-ignored`, where FOLDER contains the folders
//! `Parasitized` and `Uninfected`.

use giemsa::classes::Class;
use giemsa::dataset::Sample;
use giemsa::dataset::patients::PatientSource;
use giemsa::dataset::scan::{ClassFolders, Layout, scan_layout};
use giemsa::dataset::split::{SplitBy, folds, patient_count, split};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Lists the images; `None` without the environment variable.
fn cell_images() -> Option<Vec<Sample>> {
    let Some(folder) = std::env::var_os("GIEMSA_CELL_IMAGES").map(PathBuf::from) else {
        eprintln!("skipped: set GIEMSA_CELL_IMAGES");
        return None;
    };
    match scan_layout(&folder, &ClassFolders::default(), &PatientSource::FileName).unwrap() {
        Layout::Classes(samples) => Some(samples),
        Layout::Parts { .. } => panic!("expected class folders in {}", folder.display()),
    }
}

fn count(samples: &[Sample], class: Class) -> usize {
    samples.iter().filter(|sample| sample.class == class).count()
}

#[test]
#[ignore = "needs GIEMSA_CELL_IMAGES"]
fn finds_all_images_and_patients() {
    let Some(samples) = cell_images() else { return };
    assert_eq!((count(&samples, Class::Parasitized), count(&samples, Class::Uninfected)), (9862, 11_025));
    assert_eq!(patient_count(&samples), 160);
    assert!(samples.iter().all(|sample| sample.patient.is_some()));
}

#[test]
#[ignore = "needs GIEMSA_CELL_IMAGES"]
fn splits_by_patient_near_the_fraction_for_any_seed() {
    let Some(samples) = cell_images() else { return };
    for seed in 0..20 {
        let (train, test) = split(samples.clone(), 0.3, SplitBy::Patient, seed).unwrap();
        let patients = |part: &[Sample]| part.iter().filter_map(|s| s.patient.clone()).collect::<BTreeSet<String>>();
        assert!(patients(&train).is_disjoint(&patients(&test)));
        let fraction = test.len() as f64 / samples.len() as f64;
        assert!((fraction - 0.3).abs() < 0.02, "seed {seed}: {fraction}");
    }
}

#[test]
#[ignore = "needs GIEMSA_CELL_IMAGES"]
fn divides_into_folds_that_are_even_in_both_classes() {
    let Some(samples) = cell_images() else { return };
    for seed in 0..5 {
        let fold_of = folds(&samples, 5, seed).unwrap();
        for class in Class::ALL {
            let fraction = |fold: usize| {
                let inside = samples.iter().zip(&fold_of).filter(|(s, f)| s.class == class && **f == fold).count();
                inside as f64 / count(&samples, class) as f64
            };
            for fold in 0..5 {
                assert!((fraction(fold) - 0.2).abs() < 0.03, "seed {seed}, fold {fold}, {class}: {}", fraction(fold));
            }
        }
    }
}
