//! Synthetic cells.

use giemsa::classes::Class;
use giemsa::dataset::patients::PatientSource;
use giemsa::model::Model;
use giemsa::synthetic::{DRAWN, SIDE_PX, SyntheticError, cells, draw_cell, is_infected, write_folder};
use giemsa::train::leak::training_patients_among;
use image::{Rgb, RgbImage};
use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

fn draw(cell: usize, class: Class) -> RgbImage {
    draw_cell(5, cell % 9, cell, class)
}

/// Returns the colours of the pixels inside the cell.
fn inside(image: &RgbImage) -> Vec<Rgb<u8>> {
    image.pixels().copied().filter(|pixel| pixel.0 != [0; 3]).collect()
}

/// Returns the difference in green between the median of a cell and its darkest hundredth. Chromatin is dark in green,
/// haemoglobin is not.
fn darkest_spot(image: &RgbImage) -> f64 {
    let mut greens: Vec<u8> = inside(image).iter().map(|pixel| pixel.0[1]).collect();
    greens.sort_unstable();
    f64::from(greens[greens.len() / 2]) - f64::from(greens[greens.len() / 100])
}

#[test]
fn depends_on_seed_patient_number_and_class_only() {
    let first = draw_cell(1, 2, 3, Class::Parasitized);
    assert_eq!(first, draw_cell(1, 2, 3, Class::Parasitized));
    let others = [
        draw_cell(9, 2, 3, Class::Parasitized),
        draw_cell(1, 9, 3, Class::Parasitized),
        draw_cell(1, 2, 9, Class::Parasitized),
        draw_cell(1, 2, 3, Class::Uninfected),
    ];
    assert!(others.iter().all(|other| *other != first));
}

#[test]
fn draws_crops_of_realistic_sizes_that_touch_all_four_sides() {
    let mut longer = Vec::new();
    for cell in 0..200 {
        let image = draw(cell, Class::ALL[cell % 2]);
        let (width, height) = image.dimensions();
        assert!(SIDE_PX.contains(&width) && SIDE_PX.contains(&height), "cell {cell} is {width} x {height}");
        longer.push(width.max(height));
        let row = |y: u32| (0..width).any(|x| image.get_pixel(x, y).0 != [0; 3]);
        let column = |x: u32| (0..height).any(|y| image.get_pixel(x, y).0 != [0; 3]);
        assert!(row(0) && row(height - 1) && column(0) && column(width - 1), "cell {cell} has an empty side");
    }
    longer.sort_unstable();
    assert!((110..=160).contains(&longer[100]), "the median is {} px", longer[100]);
}

#[test]
fn is_exactly_black_outside_the_cell_only() {
    for cell in 0..60 {
        let image = draw(cell, Class::ALL[cell % 2]);
        let (width, height) = image.dimensions();
        let pixels = f64::from(width * height);
        let fraction = inside(&image).len() as f64 / pixels;
        assert!((0.35..0.95).contains(&fraction), "cell {cell} fills {fraction} of its crop");
        let middle = image.get_pixel(width / 2, height / 2);
        let partly =
            image.pixels().filter(|pixel| pixel.0 != [0; 3] && pixel.0.iter().all(|&value| value < 12)).count();
        assert!(middle.0 != [0; 3] || fraction < 0.6, "cell {cell} is hollow");
        assert_eq!(partly, 0, "cell {cell} has pixels between black and cell");
    }
}

#[test]
fn draws_a_dark_spot_in_most_parasitized_and_few_uninfected_cells() {
    let dark_fraction = |class| {
        let dark = (0..300).filter(|&cell| darkest_spot(&draw(cell, class)) > 25.0).count();
        dark as f64 / 300.0
    };
    let (parasitized, uninfected) = (dark_fraction(Class::Parasitized), dark_fraction(Class::Uninfected));
    assert!((0.6..1.0).contains(&parasitized), "{parasitized}");
    assert!((0.005..0.25).contains(&uninfected), "{uninfected}");
}

#[test]
fn assigns_parasitized_cells_to_infected_patients_only() {
    let assigned = cells(801, 10, 3);
    let parasitized: Vec<_> = assigned.iter().filter(|cell| cell.class.is_positive()).collect();
    assert_eq!((assigned.len(), parasitized.len()), (801, 401));
    assert!(parasitized.iter().all(|cell| is_infected(cell.patient)));
    let patients: HashSet<usize> = assigned.iter().map(|cell| cell.patient).collect();
    assert_eq!(patients.len(), 10);
    assert!(patients.iter().any(|&patient| !is_infected(patient)));
    let paths: HashSet<_> = assigned.iter().map(|cell| cell.path()).collect();
    assert_eq!(paths.len(), 801);
}

#[test]
fn writes_a_data_folder_with_patients_in_the_names() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("new/cells");
    let seen = AtomicUsize::new(0);
    let paths = write_folder(&folder, 24, 5, 1, &|| {
        seen.fetch_add(1, Ordering::Relaxed);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!((paths.len(), seen.into_inner()), (24, 24));
    let classes = giemsa::dataset::scan::ClassFolders::default();
    let source = giemsa::dataset::patients::PatientSource::FileName;
    let samples = giemsa::dataset::scan::scan_classes(&folder, &classes, &source).unwrap();
    assert_eq!(samples.len(), 24);
    for sample in &samples {
        let number: usize = sample.patient.as_deref().and_then(|name| name.strip_prefix('C')).unwrap().parse().unwrap();
        assert!((1001..=1005).contains(&number));
        assert!(paths.contains(&sample.path));
    }
    let first = cells(24, 5, 1)[0];
    let read = image::open(folder.join(first.path())).unwrap().to_rgb8();
    assert_eq!(read, draw_cell(1, first.patient, first.number, first.class));
}

#[test]
fn marks_files_and_folder_as_synthetic() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("cells");
    let paths = write_folder(&folder, 2, 1, 1, &|| ControlFlow::Continue(())).unwrap();
    let bytes = std::fs::read(&paths[0]).unwrap();
    assert!(bytes.windows(DRAWN.len()).any(|window| window == DRAWN.as_bytes()));
    assert!(std::fs::read_to_string(folder.join("README.txt")).unwrap().contains("not photographed"));
}

#[test]
fn rejects_a_folder_that_is_not_empty() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("mine.txt"), "x").unwrap();
    let message = write_folder(place.path(), 2, 1, 1, &|| ControlFlow::Continue(())).unwrap_err().to_string();
    assert!(message.contains(&place.path().display().to_string()), "{message}");
    let names: Vec<_> = std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["mine.txt"]);
}

#[test]
fn stops_when_the_callback_breaks_and_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let seen = AtomicUsize::new(0);
    let stopped = write_folder(&place.path().join("cells"), 10_000, 5, 1, &|| {
        if seen.fetch_add(1, Ordering::Relaxed) < 9 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    assert!(matches!(stopped, Err(SyntheticError::Stopped)), "{stopped:?}");
    assert!(seen.into_inner() < 1000, "stops soon");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn drawn_patients_are_none_that_the_built_in_model_was_trained_on() {
    let model = Model::embedded().unwrap();
    let drawn = cells(200, 40, 1).into_iter().map(|cell| PatientSource::FileName.patient_of(&cell.path()).unwrap());
    let patients: BTreeSet<String> = drawn.collect();
    let names = patients.iter().map(String::as_str).collect();
    assert_eq!(patients.len(), 40);
    assert!(training_patients_among(&names, &model, None).is_empty());
}
