//! Scanning and splitting the real cells, where they lie beside the repository.

use giemsa::classes::Class;
use giemsa::dataset::Sample;
use giemsa::dataset::patients::PatientSource;
use giemsa::dataset::scan::{ClassFolders, Layout, scan_layout};
use giemsa::dataset::split::{SplitBy, folds, patient_count, split};
use std::collections::BTreeSet;
use std::path::Path;

/// None, and a word about it, where there are no real cells.
fn real_cells() -> Option<Vec<Sample>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/cell_images");
    if !folder.exists() {
        eprintln!("skipped: no {}", folder.display());
        return None;
    }
    match scan_layout(&folder, &ClassFolders::default(), &PatientSource::FileName).unwrap() {
        Layout::Classes(samples) => Some(samples),
        Layout::Parts { .. } => panic!("expected class folders in {}", folder.display()),
    }
}

fn count(samples: &[Sample], class: Class) -> usize {
    samples.iter().filter(|sample| sample.class == class).count()
}

#[test]
fn real_cells_are_found_with_their_patients() {
    let Some(samples) = real_cells() else { return };
    // Published with the data: 7,426 parasitized and 8,284 uninfected cells of 120 patients.
    assert_eq!((count(&samples, Class::Parasitized), count(&samples, Class::Uninfected)), (7426, 8284));
    assert_eq!(patient_count(&samples), 120);
    assert!(samples.iter().all(|sample| sample.patient.is_some()));
}

#[test]
fn real_cells_are_split_by_patient_near_the_fraction_for_any_seed() {
    let Some(samples) = real_cells() else { return };
    for seed in 0..20 {
        let (train, test) = split(samples.clone(), 0.3, SplitBy::Patient, seed).unwrap();
        let patients = |part: &[Sample]| part.iter().filter_map(|s| s.patient.clone()).collect::<BTreeSet<String>>();
        assert!(patients(&train).is_disjoint(&patients(&test)));
        let share = test.len() as f64 / samples.len() as f64;
        assert!((share - 0.3).abs() < 0.02, "seed {seed}: {share}");
    }
}

#[test]
fn folds_of_real_cells_are_even_in_both_classes() {
    let Some(samples) = real_cells() else { return };
    for seed in 0..5 {
        let fold_of = folds(&samples, 5, seed).unwrap();
        for class in Class::ALL {
            let share = |fold: usize| {
                let inside = samples.iter().zip(&fold_of).filter(|(s, f)| s.class == class && **f == fold).count();
                inside as f64 / count(&samples, class) as f64
            };
            for fold in 0..5 {
                assert!((share(fold) - 0.2).abs() < 0.03, "seed {seed}, fold {fold}, {class}: {}", share(fold));
            }
        }
    }
}
