//! Cells cut out of drawn photographs of smears, and photographs in the place of images of single cells.

use giemsa::dataset::DatasetError;
use giemsa::dataset::annotations::{ANNOTATIONS, read_annotation_file};
use giemsa::dataset::sites::NOT_A_CELL;
use giemsa::image::{ImageError, decode_file};
use giemsa::model::Model;
use giemsa::smear::truth::Truth;
use giemsa::smear::{
    CellImageError, CellImageSettings, CellImages, SlideBy, count_if_field, group_by_slide, write_cell_images,
};
use giemsa::synthetic::{SmearSettings, draw_smear, write_smears};
use std::ops::ControlFlow::{Break, Continue};
use std::path::{Path, PathBuf};

fn settings() -> SmearSettings {
    SmearSettings {
        width_px: 640,
        height_px: 480,
        red_cells: 24,
        parasitaemia: 0.4,
        crowding: 0.1,
        ..SmearSettings::default()
    }
}

/// Draws two photographs on each of two slides.
fn smears(place: &Path) -> Vec<PathBuf> {
    write_smears(&place.join("smears"), 3, 2, 2, &settings(), &|| Continue(())).unwrap()
}

fn write(
    photographs: &[PathBuf],
    out: &Path,
    truth: Option<&Path>,
    settings: CellImageSettings,
) -> Result<CellImages, CellImageError> {
    let truth = truth.map(|file| Truth::read(file).unwrap());
    let slides = group_by_slide(photographs.iter().cloned().map(Ok), &SlideBy::Folder);
    write_cell_images(slides, out, truth.as_ref(), settings, &|| Continue(()))
}

fn names_in(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = std::fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

#[test]
fn cuts_whole_cells_with_and_without_their_surroundings() {
    let place = tempfile::tempdir().unwrap();
    let photographs = smears(place.path());
    let [masked, plain] = ["masked", "plain"].map(|name| place.path().join(name));
    let cells = write(&photographs, &masked, None, CellImageSettings::default()).unwrap();
    assert!(cells.images >= 24 && cells.cut_by_border >= 8 && cells.photographs == 4, "{cells:?}");
    let names = names_in(&masked);
    assert_eq!(names.len(), cells.images);
    let is_named = |name: &String| name.starts_with("slide-0") && name.contains("_photograph-0");
    assert!(names.iter().all(is_named), "{names:?}");

    let mut settings = CellImageSettings::default();
    settings.mask = false;
    write(&photographs, &plain, None, settings).unwrap();
    assert_eq!(names_in(&plain), names);
    let [masked, plain] = [masked, plain].map(|folder| decode_file(&folder.join(&names[0])).unwrap().pixels);
    assert_eq!(masked.dimensions(), plain.dimensions());
    assert_eq!(masked.get_pixel(0, 0).0, [0; 3]);
    assert!(plain.get_pixel(0, 0).0[1] > 100);
    let centre = (masked.width() / 2, masked.height() / 2);
    assert_eq!(masked.get_pixel(centre.0, centre.1), plain.get_pixel(centre.0, centre.1));
}

#[test]
fn boxes_sort_the_cells_into_class_folders() {
    let place = tempfile::tempdir().unwrap();
    let photographs = smears(place.path());
    let out = place.path().join("cells");
    let boxes = place.path().join("smears").join(ANNOTATIONS);
    let cells = write(&photographs, &out, Some(&boxes), CellImageSettings::default()).unwrap();
    let truth = cells.truth.unwrap();
    for (folder, &images) in &truth.images {
        assert_eq!(names_in(&out.join(folder)).len(), images, "{folder}");
    }
    let [parasitized, uninfected] = ["Parasitized", "Uninfected"].map(|folder| truth.images[folder]);
    assert!(parasitized >= 8 && uninfected >= 12 && parasitized < uninfected, "{truth:?}");
    assert!(truth.images.contains_key(NOT_A_CELL), "{truth:?}");
    assert!(truth.cells_without_box <= 2 && truth.photographs_without_boxes == 0, "{truth:?}");
    // Every box is either that of an image or counted.
    let all: usize = read_annotation_file(&boxes).unwrap().iter().map(|photograph| photograph.boxes.len()).sum();
    assert_eq!(truth.images.values().sum::<usize>() + truth.boxes_without_image.values().sum::<usize>(), all);
}

#[test]
fn photographs_that_the_boxes_do_not_list_are_left_out() {
    let place = tempfile::tempdir().unwrap();
    let mut photographs = smears(place.path());
    let boxes = place.path().join("smears").join(ANNOTATIONS);
    let other = place.path().join("other.png");
    std::fs::copy(&photographs[0], &other).unwrap();
    let out = place.path().join("none");
    let error = write(std::slice::from_ref(&other), &out, Some(&boxes), CellImageSettings::default()).unwrap_err();
    assert!(error.to_string().contains("none of the photographs is in the file of boxes") && !out.exists(), "{error}");
    photographs.truncate(1);
    photographs.push(other);
    let cells = write(&photographs, &out, Some(&boxes), CellImageSettings::default()).unwrap();
    assert_eq!((cells.photographs, cells.truth.unwrap().photographs_without_boxes), (1, 1));
}

#[test]
fn the_folder_appears_whole_or_not_at_all() {
    let place = tempfile::tempdir().unwrap();
    let mut photographs = smears(place.path());
    let out = place.path().join("cells");
    let slides = || group_by_slide(photographs.iter().cloned().map(Ok), &SlideBy::Folder);
    let stopped = write_cell_images(slides(), &out, None, CellImageSettings::default(), &|| Break(()));
    assert!(matches!(stopped, Err(CellImageError::Stopped)));
    assert_eq!(names_in(place.path()), ["smears"]);
    photographs.push(place.path().join("missing.png"));
    let cells = write(&photographs, &out, None, CellImageSettings::default()).unwrap();
    assert!(matches!(&cells.skipped[..], [(path, _)] if path.ends_with("missing.png")));
    let again = write(&photographs, &out, None, CellImageSettings::default()).unwrap_err();
    assert!(matches!(again, CellImageError::Dataset(DatasetError::OutputNotEmpty { .. })), "{again}");
}

#[test]
fn counts_the_cells_of_drawn_smears() {
    let round = SmearSettings { round_field: true, ..SmearSettings::default() };
    for settings in [settings(), SmearSettings::default(), round] {
        let cells = count_if_field(&draw_smear(1, 0, &settings).image).unwrap();
        let drawn = settings.red_cells;
        assert!((drawn / 2..=drawn + drawn / 2).contains(&cells), "{settings:?}: {cells}");
    }
}

#[test]
fn a_predictor_refuses_files_of_fields() {
    let place = tempfile::tempdir().unwrap();
    let field = place.path().join("field.png");
    draw_smear(1, 0, &settings()).image.save(&field).unwrap();
    let model = Model::embedded().unwrap();
    let predictor = model.predictor(Default::default());
    for (predictor, is_refused) in [(predictor, false), (predictor.refusing_fields(count_if_field), true)] {
        let mut results = Vec::new();
        let each = |_: &Path, result| {
            results.push(result);
            Continue(())
        };
        predictor.predict_files([Ok(field.clone())].into_iter(), each).unwrap();
        assert_eq!(
            matches!(results[..], [Err(ImageError::SeveralCells { cells: 10.., .. })]),
            is_refused,
            "{results:?}"
        );
    }
}
