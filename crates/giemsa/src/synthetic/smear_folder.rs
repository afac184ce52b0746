//! Writes folders of drawn photographs of smears with the boxes of the cells, in the COCO format for object detection.

use super::folder::{SyntheticError, fail, write_png, write_whole};
use super::smear::{DrawnObject, SmearSettings, draw_smear};
use crate::classes::Class;
use crate::dataset::annotations::ANNOTATIONS;
use crate::random::Random;
use crate::smear::ObjectKind;
use rayon::prelude::*;
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// The categories of the boxes; the number of a category is its place, from 1.
const CATEGORIES: [&str; 5] = ["red_blood_cell", "infected", "white_blood_cell", "platelet", "artefact"];

/// A photograph in the folder.
struct Photograph {
    slide: usize,
    number: usize,
}

impl Photograph {
    /// Returns the name in the folder, with `/` on every system.
    fn name(&self) -> String {
        format!("{}/photograph_{:02}.png", self.folder(), self.number + 1)
    }

    fn folder(&self) -> String {
        format!("slide_{:02}", self.slide + 1)
    }
}

#[derive(Serialize)]
struct Coco {
    images: Vec<CocoImage>,
    annotations: Vec<CocoAnnotation>,
    categories: Vec<CocoCategory>,
}

#[derive(Serialize)]
struct CocoImage {
    id: usize,
    file_name: String,
    width: u32,
    height: u32,
}

#[derive(Serialize)]
struct CocoAnnotation {
    id: usize,
    image_id: usize,
    category_id: usize,
    bbox: [u32; 4],
    area: u32,
    iscrowd: u8,
}

#[derive(Serialize)]
struct CocoCategory {
    id: usize,
    name: &'static str,
}

/// Draws the photographs of `slides` slides into `dir/slide_…/photograph_….png`, on all threads, and their boxes into
/// `dir/annotations.json`; the folder appears complete or not at all. Returns the paths of the photographs. Every slide
/// has its own stain and light.
///
/// The categories are `red_blood_cell`, `infected`, `white_blood_cell`, `platelet` and `artefact`.
/// `progress` is called once per photograph, from any thread; `Break` stops the drawing.
///
/// ```
/// use giemsa::dataset::annotations::read_annotations;
/// use giemsa::synthetic::{SmearSettings, write_smears};
/// # let place = tempfile::tempdir()?;
/// # let folder = place.path().join("smears");
/// let settings = SmearSettings { width_px: 400, height_px: 300, red_cells: 9, ..SmearSettings::default() };
/// let files = write_smears(&folder, 1, 2, 1, &settings, &|| std::ops::ControlFlow::Continue(()))?;
/// assert!(files[1].ends_with("slide_02/photograph_01.png"));
/// assert_eq!(read_annotations(&folder)?.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the folder is not empty, cannot be written, or `progress` stops the drawing.
///
/// # Panics
/// As [`draw_smear`].
pub fn write_smears(
    dir: &Path,
    seed: u64,
    slides: usize,
    photographs_per_slide: usize,
    settings: &SmearSettings,
    progress: &(dyn Fn() -> ControlFlow<()> + Sync),
) -> Result<Vec<PathBuf>, SyntheticError> {
    let of_slide = |slide| (0..photographs_per_slide).map(move |number| Photograph { slide, number });
    let photographs: Vec<Photograph> = (0..slides).flat_map(of_slide).collect();
    write_whole(dir, |temporary| {
        for first in photographs.iter().filter(|photograph| photograph.number == 0) {
            std::fs::create_dir(temporary.join(first.folder())).map_err(fail(dir))?;
        }
        let draw = |photograph: &Photograph| {
            let smear = draw_smear(slide_seed(seed, photograph.slide), photograph.number, settings);
            let name = photograph.name();
            write_png(&smear.image, &temporary.join(&name)).map_err(fail(&dir.join(&name)))?;
            if progress().is_break() { Err(SyntheticError::Stopped) } else { Ok(smear.objects) }
        };
        let objects: Vec<_> = photographs.par_iter().map(draw).collect::<Result<_, _>>()?;
        let json = serde_json::to_vec(&coco(&photographs, &objects, settings)).map_err(std::io::Error::from);
        let write = |json| std::fs::write(temporary.join(ANNOTATIONS), json);
        json.and_then(write).map_err(fail(&dir.join(ANNOTATIONS)))
    })?;
    Ok(photographs.iter().map(|photograph| dir.join(photograph.name())).collect())
}

/// Returns the seed of a slide.
fn slide_seed(seed: u64, slide: usize) -> u64 {
    Random::keyed(&[seed, u64::from_le_bytes(*b"slides\0\0"), slide as u64]).next_u64()
}

fn coco(photographs: &[Photograph], objects: &[Vec<DrawnObject>], settings: &SmearSettings) -> Coco {
    let image = |(i, photograph): (usize, &Photograph)| CocoImage {
        id: i + 1,
        file_name: photograph.name(),
        width: settings.width_px,
        height: settings.height_px,
    };
    let boxes = objects.iter().enumerate().flat_map(|(i, objects)| objects.iter().map(move |object| (i + 1, object)));
    let annotation = |(i, (image_id, object)): (usize, (usize, &DrawnObject))| CocoAnnotation {
        id: i + 1,
        image_id,
        category_id: category(object),
        bbox: [object.x, object.y, object.width, object.height],
        area: object.width * object.height,
        iscrowd: 0,
    };
    Coco {
        images: photographs.iter().enumerate().map(image).collect(),
        annotations: boxes.enumerate().map(annotation).collect(),
        categories: CATEGORIES.iter().enumerate().map(|(i, name)| CocoCategory { id: i + 1, name }).collect(),
    }
}

/// Returns the number of the category of an object.
fn category(object: &DrawnObject) -> usize {
    match (object.kind, object.class) {
        (_, Some(Class::Parasitized)) => 2,
        (ObjectKind::RedCell | ObjectKind::Cluster, _) => 1,
        (ObjectKind::WhiteCell, _) => 3,
        (ObjectKind::Platelet, _) => 4,
        (ObjectKind::Artefact, _) => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::annotations::{Object, read_annotations};

    fn settings() -> SmearSettings {
        SmearSettings { width_px: 480, height_px: 320, red_cells: 14, parasitaemia: 0.3, ..SmearSettings::default() }
    }

    #[test]
    fn writes_photographs_and_boxes_that_can_be_read() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("new/smears");
        let files = write_smears(&folder, 5, 2, 2, &settings(), &|| ControlFlow::Continue(())).unwrap();
        let photographs = read_annotations(&folder).unwrap();
        assert_eq!(
            photographs.iter().map(|photograph| &photograph.path).collect::<Vec<_>>(),
            files.iter().collect::<Vec<_>>()
        );
        for (i, photograph) in photographs.iter().enumerate() {
            let drawn = draw_smear(slide_seed(5, i / 2), i % 2, &settings());
            assert_eq!(image::open(&files[i]).unwrap().to_rgb8(), drawn.image);
            assert_eq!(photograph.boxes.len(), drawn.objects.len());
            for (read, drawn) in photograph.boxes.iter().zip(&drawn.objects) {
                assert_eq!(read.object, drawn.class.map_or(Object::NotACell, Object::RedCell));
                assert_eq!(read.size, Some([drawn.width, drawn.height].map(f64::from)));
                assert_eq!(read.centre[0], f64::from(drawn.x) + f64::from(drawn.width) / 2.0);
            }
        }
    }

    #[test]
    fn leaves_nothing_when_it_is_stopped_and_keeps_what_is_there() {
        let place = tempfile::tempdir().unwrap();
        let stopped = write_smears(&place.path().join("smears"), 5, 2, 1, &settings(), &|| ControlFlow::Break(()));
        assert!(matches!(stopped, Err(SyntheticError::Stopped)));
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
        std::fs::write(place.path().join("mine.txt"), "x").unwrap();
        let refused = write_smears(place.path(), 5, 1, 1, &settings(), &|| ControlFlow::Continue(()));
        assert!(matches!(refused, Err(SyntheticError::NotEmpty { .. })));
    }
}
