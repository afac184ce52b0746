//! The report of a count: a page on which a reader can check every infected cell, photographs with boxes, and tables.

mod boxes;
mod data;
mod figures;
mod names;
mod overlay;
mod pictures;
mod selection;

pub use super::folder::check_free_for_count as check_free;
pub use boxes::draw_boxes;

use super::ReportError;
use super::evaluation::json;
use super::folder::{CELLS, NewFolder, PAGE, PHOTOGRAPHS, SLIDES};
use super::template::render;
use crate::evaluate::provenance::Provenance;
use crate::model::CellErrors;
use crate::smear::count_report::{AgreementRow, CountReport, SettingsRow};
use crate::smear::rows::{CELL_COLUMNS, CellRow, SlideRow};
use crate::smear::{Photograph, Slide};
use data::{PageData, SlideData};
use image::RgbImage;
use names::file_names;
use pictures::{OnPage, draw_on_page, draw_pictures};
use selection::{Selection, select};
use std::collections::HashMap;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;

/// The content of a report.
#[derive(Clone, Copy, Debug)]
pub struct Count<'a> {
    /// The title of the page.
    pub title: &'a str,
    /// Lines that describe the photographs.
    pub about: &'a [String],
    /// The slides. Their photographs are read again.
    pub slides: &'a [Slide],
    /// The settings with which they were counted.
    pub settings: &'a SettingsRow,
    /// The agreement with boxes drawn by people, if there are any.
    pub agreement: Option<&'a AgreementRow>,
    /// The error rates of the model, see [`Model::error_rates`](crate::model::Model::error_rates).
    pub error_rates: Option<CellErrors>,
    /// The program, model and data.
    pub provenance: &'a Provenance,
}

/// The pictures of a slide on the page.
#[derive(Default)]
struct SlidePictures {
    /// The photographs, by index: the source of the image, or the reason why there is none. Photographs that are not shown are
    /// here only if they cannot be read.
    photographs: HashMap<usize, Result<String, String>>,
    /// The sources of the images of cells, by the indices of photograph and cell.
    cells: HashMap<(usize, usize), String>,
}

/// Writes `index.html`, `cells.csv`, `slides.json` and photographs with boxes as `photographs/*.jpg` into a folder: a new or
/// empty one, or that of an earlier count. The files appear together or not at all.
///
/// The page is self-contained: it contains the infected cells, doubtful cells and photographs, up to a number that it states.
/// Photographs are read one at a time. One that cannot be read any more is no error; the page contains the reason.
/// `each_photograph` is called once per photograph, and stops the writing if it breaks.
///
/// ```
/// use giemsa::evaluate::provenance::Provenance;
/// use giemsa::model::Model;
/// use giemsa::report::smear::{Count, write_count};
/// use giemsa::smear::count_report::SettingsRow;
/// use giemsa::smear::{CountSettings, SlideBy, count_slides, group_by_slide};
/// use std::ops::ControlFlow::Continue;
///
/// # let place = tempfile::tempdir()?;
/// # let folder = place.path().join("count");
/// let model = Model::embedded()?;
/// let settings = CountSettings::default();
/// let files = group_by_slide([Ok("slide/missing.jpg".into())], &SlideBy::Folder);
/// let mut slides = Vec::new();
/// count_slides(&model.predictor(Default::default()), files, settings, || Continue(()), |slide| {
///     slides.push(slide);
///     Continue(())
/// })?;
/// let provenance = Provenance::of_model(&model, None, "slide".as_ref())?;
/// let count = Count {
///     title: "One slide",
///     about: &[],
///     slides: &slides,
///     settings: &SettingsRow::new(settings, "folder", Default::default()),
///     agreement: None,
///     error_rates: model.error_rates,
///     provenance: &provenance,
/// };
/// write_count(&folder, &count, || Continue(()))?;
/// assert!(std::fs::read_to_string(folder.join("index.html"))?.contains("no parasitaemia"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the folder contains anything else, a file cannot be written, or `each_photograph` breaks.
pub fn write_count(
    folder: &Path,
    count: &Count<'_>,
    mut each_photograph: impl FnMut() -> ControlFlow<()>,
) -> Result<(), ReportError> {
    check_free(folder)?;
    let mut new = NewFolder::create(folder)?;
    new.add_folder(PHOTOGRAPHS)?;
    let names = file_names(count.slides);
    let mut slides = Vec::new();
    for (index, selection) in select(count.slides, count.provenance.threshold).iter().enumerate() {
        let (slide, names) = (&count.slides[index], &names[index]);
        let pictures = write_photographs(&mut new, slide, names, selection, &mut each_photograph)?;
        slides.push(SlideData::new(index, slide, Some(names), selection, pictures));
    }
    new.write_with(CELLS, |file| write_cells(file, count.slides))?;
    new.write(SLIDES, &slides_json(folder, count)?)?;
    new.write(PAGE, render_page(count, slides, false)?.as_bytes())?;
    new.publish()
}

/// Returns the page of [`write_count`] by itself: it does not link to files beside it.
///
/// `pixels_of` returns the pixels of a photograph by the indices of its slide and of the photograph in it, or the reason why there
/// are none. Only photographs that the page shows are asked for.
///
/// ```
/// use giemsa::evaluate::provenance::Provenance;
/// use giemsa::model::Model;
/// use giemsa::report::smear::{Count, count_page};
/// use giemsa::smear::count_report::SettingsRow;
/// use giemsa::smear::{count_slide, find_cells};
///
/// let model = Model::embedded()?;
/// let pixels = image::RgbImage::from_pixel(640, 480, image::Rgb([230, 225, 220]));
/// let photograph = find_cells(&model.predictor(Default::default()), "field.jpg".as_ref(), &pixels, None)?;
/// let slides = [count_slide(&model, "Slide 1", vec![photograph], 5e6)?];
/// let count = Count {
///     title: "One slide",
///     about: &[],
///     slides: &slides,
///     settings: &SettingsRow::new(Default::default(), "folder", Default::default()),
///     agreement: None,
///     error_rates: model.error_rates,
///     provenance: &Provenance::of_model(&model, None, "slide".as_ref())?,
/// };
/// let page = count_page(&count, |_, _| Ok(pixels.clone()))?;
/// assert!(page.contains("field.jpg") && !page.contains("cells.csv"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If a picture cannot be drawn.
pub fn count_page(
    count: &Count<'_>,
    mut pixels_of: impl FnMut(usize, usize) -> Result<RgbImage, String>,
) -> Result<String, ReportError> {
    let mut slides = Vec::new();
    for (index, selection) in select(count.slides, count.provenance.threshold).iter().enumerate() {
        let slide = &count.slides[index];
        let mut shown = SlidePictures::default();
        for (place, photograph) in slide.photographs.iter().enumerate() {
            let cells: Vec<usize> = selection.cells_of(place).map(|place| place.cell).collect();
            let is_on_page = selection.photographs.contains(&place);
            if cells.is_empty() && !is_on_page {
                continue;
            }
            let pictures = match pixels_of(index, place) {
                Ok(pixels) => draw_on_page(&pixels, photograph, is_on_page, &cells)?,
                Err(reason) => Err(reason),
            };
            match pictures {
                Ok(pictures) => shown.add(place, cells, pictures),
                Err(reason) => drop(shown.photographs.insert(place, Err(reason))),
            }
        }
        slides.push(SlideData::new(index, slide, None, selection, shown));
    }
    render_page(count, slides, true)
}

fn render_page(count: &Count<'_>, slides: Vec<SlideData>, is_self_contained: bool) -> Result<String, ReportError> {
    render("smear.html", include_str!("smear.html"), &PageData::new(count, slides, is_self_contained)?)
}

impl SlidePictures {
    /// Adds the pictures of a photograph and of these cells of it.
    fn add(&mut self, photograph: usize, cells: Vec<usize>, pictures: OnPage) {
        self.photographs.extend(pictures.field.map(|source| (photograph, Ok(source))));
        self.cells.extend(cells.into_iter().map(|cell| (photograph, cell)).zip(pictures.cells));
    }
}

/// Writes the photographs of a slide with boxes, and returns the pictures for the page.
fn write_photographs(
    new: &mut NewFolder,
    slide: &Slide,
    names: &[String],
    selection: &Selection,
    each_photograph: &mut impl FnMut() -> ControlFlow<()>,
) -> Result<SlidePictures, ReportError> {
    let mut shown = SlidePictures::default();
    for (index, (photograph, name)) in slide.photographs.iter().zip(names).enumerate() {
        if each_photograph().is_break() {
            return Err(ReportError::Stopped);
        }
        let cells: Vec<usize> = selection.cells_of(index).map(|place| place.cell).collect();
        match draw_pictures(photograph, selection.photographs.contains(&index), &cells)? {
            Ok(pictures) => {
                new.write(&format!("{PHOTOGRAPHS}/{name}"), &pictures.annotated)?;
                shown.add(index, cells, pictures.on_page);
            }
            Err(reason) => {
                shown.photographs.insert(index, Err(reason));
            }
        }
    }
    Ok(shown)
}

/// Writes one row per object.
fn write_cells(file: &mut dyn Write, slides: &[Slide]) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(file);
    writer.write_record(CELL_COLUMNS)?;
    for slide in slides {
        for (photo_number, Photograph { path, cells, .. }) in (1..).zip(&slide.photographs) {
            for (cell_number, found) in (1..).zip(cells) {
                writer.write_record(CellRow::new(found).record(&slide.name, path, [photo_number, cell_number]))?;
            }
        }
    }
    writer.flush()
}

fn slides_json(folder: &Path, count: &Count<'_>) -> Result<Vec<u8>, ReportError> {
    let slides = count.slides.iter().map(|slide| SlideRow::new(slide, count.error_rates)).collect();
    let (provenance, settings) = (count.provenance.clone(), count.settings.clone());
    json(&CountReport::new(slides, provenance, settings, count.agreement.cloned()), &folder.join(SLIDES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Logits, Model};
    use crate::smear::{CountSettings, FoundObject, Object, ObjectKind, count_slide, find_cells};
    use image::Rgb;

    /// On a page of very many slides, there is no place for the pictures of the last ones.
    #[test]
    fn a_slide_without_pictures_does_not_look_like_one_without_infected_cells() {
        let model = Model::embedded().unwrap();
        let empty = RgbImage::from_pixel(320, 240, Rgb([230, 225, 220]));
        let mut photograph = find_cells(&model.predictor(Default::default()), "a.png".as_ref(), &empty, None).unwrap();
        photograph.cells.push(FoundObject {
            object: Object::new([50, 60, 70, 80], ObjectKind::RedCell, 1),
            is_counted: true,
            logits: Some(Logits { class: -9.0, red_cell: Some(9.0) }),
            prediction: None,
            verdict: None,
        });
        let slides = [count_slide(&model, "s1", vec![photograph], 5e6).unwrap()];
        let names = file_names(&slides);
        let selection = Selection { doubtful_in_all: 3, ..Selection::default() };
        let data = SlideData::new(0, &slides[0], Some(&names[0]), &selection, SlidePictures::default());
        let provenance = Provenance::of_model(&model, None, "slides".as_ref()).unwrap();
        let count = Count {
            title: "Slides",
            about: &[],
            slides: &slides,
            settings: &SettingsRow::new(CountSettings::default(), "folder", Default::default()),
            agreement: None,
            error_rates: None,
            provenance: &provenance,
        };
        let text = render_page(&count, vec![data], false).unwrap();
        for words in
            ["0 of 1 are shown, and 1 more are in cells.csv", "The 0 nearest of 3", "0 of 1 are shown, those with"]
        {
            assert!(text.contains(words), "{words}");
        }
    }
}
