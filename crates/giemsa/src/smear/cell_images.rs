//! Cuts the red cells out of photographs, into a folder of images that training reads.

use super::box_matching::match_boxes;
use super::cell_names::name_stems;
use super::error::CountError;
use super::grouping::SlideFiles;
use super::segment::{Segmentation, segment};
use super::truth::Truth;

use super::{ObjectKind, is_whole};
use crate::classes::Class;
use crate::dataset::DatasetError;
use crate::dataset::annotations::{Object, ObjectBox};
use crate::dataset::cut::write_png;
use crate::dataset::sites::NOT_A_CELL;
use crate::dataset::split_folders::write_new_folder;
use crate::image::decode_file;
use crate::input::InputError;
use image::RgbImage;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Settings of [`write_cell_images`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct CellImageSettings {
    /// Whether everything outside a cell is black, as in the NIH images.
    pub mask: bool,
    /// The diameter of a red cell in pixels; `None` to estimate it for each photograph.
    pub cell_diameter_px: Option<f32>,
}

impl Default for CellImageSettings {
    /// Returns settings for images as those of the NIH data set.
    fn default() -> CellImageSettings {
        CellImageSettings { mask: true, cell_diameter_px: None }
    }
}

/// The images of cells that were written.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CellImages {
    /// Images that were written.
    pub images: usize,
    /// Photographs that they are of.
    pub photographs: usize,
    /// Red cells that a border cuts, and which are left out.
    pub cut_by_border: usize,
    /// How the cells agree with boxes drawn by people; `None` without boxes.
    pub truth: Option<TruthCounts>,
    /// Files that cannot be read or show no smear.
    pub skipped: Vec<(PathBuf, CountError)>,
}

/// How found cells agree with boxes drawn by people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TruthCounts {
    /// Images by class folder.
    pub images: BTreeMap<&'static str, usize>,
    /// Whole red cells without a box, which are left out.
    pub cells_without_box: usize,
    /// Boxes without an image, by class folder: of objects that were not found or that a border cuts.
    pub boxes_without_image: BTreeMap<&'static str, usize>,
    /// Photographs that are not in the file of boxes, and are left out.
    pub photographs_without_boxes: usize,
}

/// Images of cells that cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CellImageError {
    /// The folder cannot be written, or the boxes cannot be used.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The caller stopped the work.
    #[error("stopped before all photographs were read")]
    Stopped,
    /// There is nothing to write.
    #[error("no images of cells: {reason}")]
    NoCells {
        /// Why there are none.
        reason: &'static str,
        /// Files that cannot be read or show no smear.
        skipped: Vec<(PathBuf, CountError)>,
    },
}

/// Finds the red cells on the photographs of slides, and writes those that no border cuts to `out/SLIDE_PHOTO_cell_N.png`. The
/// folder appears complete or not at all. `progress` is called once per photograph, from any thread; `Break` stops the work.
///
/// With `truth`, the images are in the folders of their classes, `Parasitized` and `Uninfected`. Objects that people marked as something else are in
/// `NotACell`. Objects without a box are left out.
///
/// The part of the names before the first underscore is the slide: cells of one slide look alike, as those of a patient, and
/// belong to the same part of a split. One photograph per thread is in memory at once.
///
/// ```
/// use giemsa::smear::{SlideBy, group_by_slide, write_cell_images};
/// use std::ops::ControlFlow::Continue;
/// # let place = tempfile::tempdir()?;
/// # let out = place.path().join("cells");
/// let slides = group_by_slide([Ok("slide_01/missing.jpg".into())], &SlideBy::Folder);
/// let nothing = write_cell_images(slides, &out, None, Default::default(), &|| Continue(())).unwrap_err();
/// assert_eq!(nothing.to_string(), "no images of cells: no photograph can be read");
/// assert!(!out.exists());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// If the folder is not empty or cannot be written, there are no images to write, or `progress` stops the work.
pub fn write_cell_images(
    slides: Vec<SlideFiles>,
    out: &Path,
    truth: Option<&Truth>,
    settings: CellImageSettings,
    progress: &(dyn Fn() -> ControlFlow<()> + Sync),
) -> Result<CellImages, CellImageError> {
    let stems: Vec<String> = name_stems(&slides).into_iter().flatten().collect();
    let files: Vec<_> = slides.into_iter().flat_map(|slide| slide.photographs).zip(stems).collect();
    write_new_folder(out, |folder| {
        let writer = CellWriter { folder, out, settings, truth };
        writer.create_class_folders()?;
        let one = |(photograph, stem): (Result<PathBuf, InputError>, String)| {
            let written = writer.write(photograph, &stem);
            if progress().is_break() { Err(CellImageError::Stopped) } else { written }
        };
        let written: Vec<CellImages> = files.into_par_iter().map(one).collect::<Result<_, _>>()?;
        let mut all = CellImages { truth: truth.map(|_| TruthCounts::default()), ..CellImages::default() };
        written.into_iter().for_each(|of_photograph| all.add(of_photograph));
        check_any(all)
    })
}

/// Returns the images, or an error if there are none.
fn check_any(all: CellImages) -> Result<CellImages, CellImageError> {
    let without_boxes = all.truth.as_ref().map_or(0, |truth| truth.photographs_without_boxes);
    let reason = match () {
        () if all.images > 0 => return Ok(all),
        () if all.photographs == 0 && without_boxes > 0 => "none of the photographs is in the file of boxes",
        () if all.photographs == 0 => "no photograph can be read",
        () if all.truth.as_ref().is_some_and(|truth| truth.cells_without_box > 0) => "no cell has a box",
        () => "no whole red cell was found",
    };
    Err(CellImageError::NoCells { reason, skipped: all.skipped })
}

/// Writes the cells of photographs into a folder that is not complete.
struct CellWriter<'a> {
    folder: &'a Path,
    /// The final name of the folder, for errors.
    out: &'a Path,
    settings: CellImageSettings,
    truth: Option<&'a Truth>,
}

impl CellWriter<'_> {
    fn create_class_folders(&self) -> Result<(), DatasetError> {
        let names = self.truth.iter().flat_map(|_| Class::ALL.map(Class::name));
        names.into_iter().try_for_each(|name| self.create_folder(name))
    }

    fn create_folder(&self, name: &str) -> Result<(), DatasetError> {
        let failed = |source| DatasetError::Write { path: self.out.join(name), source };
        fs::create_dir_all(self.folder.join(name)).map_err(failed)
    }

    /// Writes the cells of a photograph. `stem` is the beginning of their names.
    fn write(&self, photograph: Result<PathBuf, InputError>, stem: &str) -> Result<CellImages, CellImageError> {
        let skipped = |path, error| Ok(CellImages { skipped: vec![(path, error)], ..CellImages::default() });
        let path = match photograph {
            Ok(path) => path,
            Err(error) => return skipped(error.path().to_owned(), CountError::Image(error.into())),
        };
        let boxes = match self.truth {
            None => None,
            Some(truth) => match truth.boxes_of(&path) {
                Some(boxes) => Some(boxes),
                None => {
                    let truth = TruthCounts { photographs_without_boxes: 1, ..TruthCounts::default() };
                    return Ok(CellImages { truth: Some(truth), ..CellImages::default() });
                }
            },
        };
        let pixels = match decode_file(&path) {
            Ok(decoded) => decoded.pixels,
            Err(error) => return skipped(path, error.into()),
        };
        let found = segment(&pixels, self.settings.cell_diameter_px);
        match super::plausibility::check(&found, &pixels) {
            Ok(()) => Ok(self.write_found(&found, &pixels, boxes, stem)?),
            Err(reason) => skipped(path.clone(), CountError::NotASmear { path, reason }),
        }
    }

    fn write_found(
        &self,
        found: &Segmentation,
        pixels: &RgbImage,
        boxes: Option<&[ObjectBox]>,
        stem: &str,
    ) -> Result<CellImages, DatasetError> {
        let matched = boxes.map(|boxes| boxes_of_objects(&found.objects, boxes));
        let mut cells = CellImages { photographs: 1, truth: boxes.map(TruthCounts::of_boxes), ..CellImages::default() };
        for (i, object) in found.objects.iter().enumerate() {
            let is_red = object.kind == ObjectKind::RedCell;
            if !is_whole(object, found.field_of_view, pixels.dimensions(), found.cell_diameter_px) {
                cells.cut_by_border += usize::from(is_red);
                continue;
            }
            let marked = boxes.zip(matched.as_ref()).map(|(boxes, matched)| Some(boxes[matched[i]?].object));
            let Some(class_folder) = class_folder(is_red, marked) else {
                cells.truth.iter_mut().for_each(|truth| truth.cells_without_box += usize::from(is_red));
                continue;
            };
            if class_folder == NOT_A_CELL {
                self.create_folder(NOT_A_CELL)?;
            }
            let name = Path::new(class_folder).join(format!("{stem}_cell_{}.png", i + 1));
            write_png(&found.cut(pixels, i, self.settings.mask), &self.folder.join(&name))
                .map_err(|source| DatasetError::Write { path: self.out.join(&name), source })?;
            cells.images += 1;
            cells.truth.iter_mut().for_each(|truth| truth.move_to_images(class_folder));
        }
        Ok(cells)
    }
}

/// Returns the class folder of an object; `None` if it is left out. `marked` is what people marked it as, if there are boxes.
fn class_folder(is_red: bool, marked: Option<Option<Object>>) -> Option<&'static str> {
    match marked {
        None => is_red.then_some(""),
        Some(Some(Object::RedCell(class))) => is_red.then_some(class.name()),
        // Such an image teaches a model what to refuse, whatever it looked like to the segmentation.
        Some(Some(Object::NotACell)) => Some(NOT_A_CELL),
        Some(None) => None,
    }
}

/// Returns the index of the box of each object; `None` for an object without one.
fn boxes_of_objects(objects: &[super::Object], boxes: &[ObjectBox]) -> Vec<Option<usize>> {
    let marked: Vec<_> = boxes.iter().map(ObjectBox::frame_px).collect();
    let found: Vec<_> = objects.iter().map(super::Object::frame_px).collect();
    let mut matched = vec![None; objects.len()];
    match_boxes(&marked, &found).into_iter().for_each(|(marked, object)| matched[object] = Some(marked));
    matched
}

impl TruthCounts {
    /// Returns the counts of a photograph before its images are written.
    fn of_boxes(boxes: &[ObjectBox]) -> TruthCounts {
        let mut counts = TruthCounts::default();
        for marked in boxes {
            *counts.boxes_without_image.entry(marked.object.folder()).or_default() += 1;
        }
        counts
    }

    /// Counts the image of a box.
    fn move_to_images(&mut self, class_folder: &'static str) {
        *self.images.entry(class_folder).or_default() += 1;
        self.boxes_without_image.entry(class_folder).and_modify(|boxes| *boxes -= 1);
    }

    /// Adds the counts of another photograph.
    fn add(&mut self, other: TruthCounts) {
        self.cells_without_box += other.cells_without_box;
        self.photographs_without_boxes += other.photographs_without_boxes;
        other.images.into_iter().for_each(|(folder, n)| *self.images.entry(folder).or_default() += n);
        for (folder, boxes) in other.boxes_without_image {
            *self.boxes_without_image.entry(folder).or_default() += boxes;
        }
    }
}

impl CellImages {
    /// Adds the images of another photograph.
    fn add(&mut self, other: CellImages) {
        self.images += other.images;
        self.photographs += other.photographs;
        self.cut_by_border += other.cut_by_border;
        self.skipped.extend(other.skipped);
        if let (Some(all), Some(truth)) = (&mut self.truth, other.truth) {
            all.add(truth);
        }
    }
}
