//! The drawn cells.

use giemsa::classes::Class;
use giemsa::synthetic::{DRAWN, SIDE_PX, cells, draw_cell, is_infected, write_folder};
use image::{Rgb, RgbImage};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

fn draw(cell: usize, class: Class) -> RgbImage {
    draw_cell(5, cell % 9, cell, class)
}

/// The colours of the cell's own pixels.
fn inside(image: &RgbImage) -> Vec<Rgb<u8>> {
    image.pixels().copied().filter(|pixel| pixel.0 != [0; 3]).collect()
}

/// How much darker in green the darkest hundredth of a cell is than its median: chromatin is, haemoglobin is not.
fn darkest_spot(image: &RgbImage) -> f64 {
    let mut greens: Vec<u8> = inside(image).iter().map(|pixel| pixel.0[1]).collect();
    greens.sort_unstable();
    f64::from(greens[greens.len() / 2]) - f64::from(greens[greens.len() / 100])
}

#[test]
fn a_cell_follows_from_seed_patient_number_and_class_alone() {
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
fn crops_have_the_sizes_of_real_ones_and_touch_all_four_sides() {
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
    assert!((110..=160).contains(&longer[100]), "half of them are larger than {} px", longer[100]);
}

#[test]
fn outside_is_exact_black_and_inside_never_is() {
    for cell in 0..60 {
        let image = draw(cell, Class::ALL[cell % 2]);
        let (width, height) = image.dimensions();
        let pixels = f64::from(width * height);
        let share = inside(&image).len() as f64 / pixels;
        assert!((0.35..0.95).contains(&share), "cell {cell} fills {share} of its crop");
        let middle = image.get_pixel(width / 2, height / 2);
        let partly =
            image.pixels().filter(|pixel| pixel.0 != [0; 3] && pixel.0.iter().all(|&value| value < 12)).count();
        assert!(middle.0 != [0; 3] || share < 0.6, "cell {cell} is hollow");
        assert_eq!(partly, 0, "cell {cell} has pixels between black and cell");
    }
}

#[test]
fn most_but_not_all_parasitized_cells_have_a_dark_spot_that_most_others_lack() {
    let share_dark = |class| {
        let dark = (0..300).filter(|&cell| darkest_spot(&draw(cell, class)) > 25.0).count();
        dark as f64 / 300.0
    };
    let (parasitized, uninfected) = (share_dark(Class::Parasitized), share_dark(Class::Uninfected));
    assert!((0.6..1.0).contains(&parasitized), "{parasitized}");
    assert!((0.005..0.25).contains(&uninfected), "{uninfected}");
}

#[test]
fn cells_are_dealt_evenly_to_classes_and_healthy_patients_have_no_parasitized_ones() {
    let dealt = cells(801, 10, 3);
    let parasitized: Vec<_> = dealt.iter().filter(|cell| cell.class.is_positive()).collect();
    assert_eq!((dealt.len(), parasitized.len()), (801, 401));
    assert!(parasitized.iter().all(|cell| is_infected(cell.patient)));
    let patients: HashSet<usize> = dealt.iter().map(|cell| cell.patient).collect();
    assert_eq!(patients.len(), 10);
    assert!(patients.iter().any(|&patient| !is_infected(patient)));
    let paths: HashSet<_> = dealt.iter().map(|cell| cell.path()).collect();
    assert_eq!(paths.len(), 801);
}

#[test]
fn a_folder_is_read_as_a_data_set_with_patients_in_the_names() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("new/cells");
    let seen = AtomicUsize::new(0);
    let paths = write_folder(&folder, 24, 5, 1, &|| {
        seen.fetch_add(1, Ordering::Relaxed);
    })
    .unwrap();
    assert_eq!((paths.len(), seen.into_inner()), (24, 24));
    let source = giemsa::dataset::patients::PatientSource::FileName;
    let samples =
        giemsa::dataset::scan::scan_classes(&folder, &giemsa::dataset::scan::ClassFolders::default(), &source).unwrap();
    assert_eq!(samples.len(), 24);
    for sample in &samples {
        let number: usize = sample.patient.as_deref().and_then(|name| name.strip_prefix('C')).unwrap().parse().unwrap();
        assert!((1..=5).contains(&number));
        assert!(paths.contains(&sample.path));
    }
    let first = cells(24, 5, 1)[0];
    let read = image::open(folder.join(first.path())).unwrap().to_rgb8();
    assert_eq!(read, draw_cell(1, first.patient, first.number, first.class));
}

#[test]
fn files_and_folder_say_that_the_cells_are_drawn() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("cells");
    let paths = write_folder(&folder, 2, 1, 1, &|| ()).unwrap();
    let bytes = std::fs::read(&paths[0]).unwrap();
    assert!(bytes.windows(DRAWN.len()).any(|window| window == DRAWN.as_bytes()));
    assert!(std::fs::read_to_string(folder.join("README.txt")).unwrap().contains("not photographed"));
}

#[test]
fn a_folder_with_something_in_it_stays_as_it_is() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("mine.txt"), "x").unwrap();
    let message = write_folder(place.path(), 2, 1, 1, &|| ()).unwrap_err().to_string();
    assert!(message.contains(&place.path().display().to_string()), "{message}");
    let names: Vec<_> = std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["mine.txt"]);
}
