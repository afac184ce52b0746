//! The data of the page's template.

use super::super::ReportError;
use super::super::bland_altman::bland_altman;
use super::super::plot::to_inline_svg;
use super::boxes::BoxKind;
use super::figures::Figures;
use super::overlay::{cell_id, overlay, photograph_id, shown_part};
use super::selection::{CellPlace, MOST_DOUBTFUL, MOST_INFECTED, MOST_PHOTOGRAPHS, Selection};
use super::{Count, PHOTOGRAPHS, SlidePictures};
use crate::evaluate::provenance::Provenance;
use crate::model::CellErrors;
use crate::output::{path_bytes, printable};
use crate::smear::agreement::PhotographAgreement;
use crate::smear::count_report::AgreementRow;
use crate::smear::{
    Counts, FEWEST_FIELDS, LARGEST_SHIFT_LOGITS, LOW_PARASITAEMIA, RED_CELLS, RED_CELLS_IF_LOW, Slide, grouped,
    percentage,
};
use serde::Serialize;
use std::path::Path;

/// The most lines in a list of warnings or skipped files.
const MOST_LINES: usize = 40;
/// The thinnest line of a box on the page, in CSS pixels.
const LINE_PX: f32 = 1.1;

#[derive(Serialize)]
pub(super) struct PageData<'a> {
    title: &'a str,
    page_style: String,
    about: &'a [String],
    slides: Vec<SlideData>,
    legend: Vec<(&'static str, &'static str)>,
    is_corrected: bool,
    error_rates: Option<CellErrors>,
    provenance: &'a Provenance,
    cell_diameter_px: Option<f32>,
    red_cells_per_microlitre: u64,
    limits: Limits,
    agreement: Option<AgreementData>,
    /// Whether there are no files beside the page.
    is_self_contained: bool,
}

/// The agreement with boxes drawn by people.
#[derive(Serialize)]
struct AgreementData {
    truth: String,
    photographs: usize,
    without_truth: usize,
    rows: Vec<(&'static str, String)>,
    chart: String,
}

/// Numbers in the text.
#[derive(Serialize)]
struct Limits {
    largest_shift: f32,
    red_cells: u64,
    red_cells_if_low: u64,
    low_parasitaemia_percent: f64,
    fewest_photographs: usize,
    infected: usize,
    doubtful: usize,
    photographs: usize,
}

#[derive(Serialize)]
pub(super) struct SlideData {
    id: String,
    name: String,
    photographs: usize,
    counts: Counts,
    figures: Option<Figures>,
    shift: String,
    warnings: Lines,
    skipped: Lines,
    infected: Vec<CellData>,
    doubtful: Vec<CellData>,
    doubtful_in_all: usize,
    fields: Vec<FieldData>,
    unreadable: usize,
}

/// The first lines of a list, and the number of further ones.
#[derive(Serialize)]
struct Lines {
    lines: Vec<Line>,
    in_all: usize,
    more: usize,
}

/// A line about a file.
#[derive(Serialize)]
struct Line {
    name: String,
    link: Option<String>,
    text: String,
}

/// A picture of a cell.
#[derive(Serialize)]
struct CellData {
    link: Option<String>,
    source: Option<String>,
    probability: String,
    photograph: usize,
    number: usize,
}

/// A photograph with its boxes.
#[derive(Serialize)]
struct FieldData {
    id: String,
    number: usize,
    name: String,
    counts: Counts,
    warnings: Vec<String>,
    width: u32,
    height: u32,
    link: Option<String>,
    source: Option<String>,
    fault: Option<String>,
    svg: String,
}

impl<'a> PageData<'a> {
    pub(super) fn new(
        count: &Count<'a>,
        slides: Vec<SlideData>,
        is_self_contained: bool,
    ) -> Result<PageData<'a>, ReportError> {
        let corrected = |slide: &Slide| slide.parasitaemia.as_ref().is_some_and(|parasitaemia| parasitaemia.corrected);
        Ok(PageData {
            title: count.title,
            page_style: include_str!("smear.css").to_owned() + &box_styles(),
            about: count.about,
            slides,
            legend: BoxKind::ALL.map(|kind| (kind.look().class, kind.look().name)).to_vec(),
            is_corrected: count.slides.iter().any(corrected),
            error_rates: count.error_rates,
            provenance: count.provenance,
            cell_diameter_px: count.settings.cell_diameter_px,
            red_cells_per_microlitre: count.settings.red_cells_per_microlitre.round() as u64,
            limits: Limits {
                largest_shift: LARGEST_SHIFT_LOGITS,
                red_cells: RED_CELLS,
                red_cells_if_low: RED_CELLS_IF_LOW,
                low_parasitaemia_percent: 100.0 * LOW_PARASITAEMIA,
                fewest_photographs: FEWEST_FIELDS,
                infected: MOST_INFECTED,
                doubtful: MOST_DOUBTFUL,
                photographs: MOST_PHOTOGRAPHS,
            },
            agreement: count.agreement.map(AgreementData::new).transpose()?,
            is_self_contained,
        })
    }
}

impl AgreementData {
    fn new(row: &AgreementRow) -> Result<AgreementData, ReportError> {
        let agreement = &row.agreement;
        let decimals = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.3}"));
        let percent = |value: Option<f64>| value.map_or("–".to_owned(), percentage);
        let cells = |value: f64| format!("{value:+.1}").replace('-', "−");
        let mean = agreement.mean_difference.map_or("–".to_owned(), cells);
        let limits = agreement
            .limits_of_agreement
            .map_or("–".to_owned(), |[low, high]| format!("{} to {}", cells(low), cells(high)));
        let rows = vec![
            ("marked cells away from the border", grouped(agreement.true_cells)),
            ("recall", decimals(agreement.recall)),
            ("precision", decimals(agreement.precision)),
            ("F1", decimals(agreement.f1)),
            ("count error per photograph", percent(agreement.count_error)),
            ("found minus marked cells, mean", mean),
            ("found minus marked cells, limits of agreement", limits),
            ("parasitaemia of the found cells", percent(agreement.found_parasitaemia)),
            ("parasitaemia of the marked cells", percent(agreement.true_parasitaemia)),
            ("sensitivity on cells that are marked and found", decimals(agreement.sensitivity)),
            ("specificity on cells that are marked and found", decimals(agreement.specificity)),
        ];
        let pair = |photograph: &PhotographAgreement| (photograph.found_cells as f64, photograph.true_cells as f64);
        let pairs: Vec<_> = row.per_photograph.iter().map(|photograph| pair(&photograph.agreement)).collect();
        Ok(AgreementData {
            truth: shown(row.truth.as_bytes()),
            photographs: agreement.photographs,
            without_truth: row.photographs_without_truth,
            rows,
            chart: to_inline_svg(&bland_altman("red cells per photograph", &pairs), "Agreement of the counts")?,
        })
    }
}

/// Returns the style of the boxes of each kind.
fn box_styles() -> String {
    let style = |kind: BoxKind| {
        let look = kind.look();
        let [red, green, blue] = look.colour;
        let lengths: Vec<String> = look.dashes.iter().map(|length| format!("{}", *length as f32 * LINE_PX)).collect();
        let dashes = if lengths.is_empty() { "none".to_owned() } else { lengths.join(" ") };
        let width = look.width as f32 * LINE_PX;
        format!(
            "  .{} {{ stroke: rgb({red},{green},{blue}); stroke-width: {width:.1}px; stroke-dasharray: {dashes}; }}\n",
            look.class
        )
    };
    BoxKind::ALL.map(style).concat()
}

impl SlideData {
    /// `index` is that of the slide, and `names` are the names of the files of its photographs with boxes; `None` without such
    /// files.
    pub(super) fn new(
        index: usize,
        slide: &Slide,
        names: Option<&[String]>,
        selection: &Selection,
        pictures: SlidePictures,
    ) -> SlideData {
        let place = Place { index, slide, names, selection, pictures: &pictures };
        let cells = |cells: &[CellPlace]| cells.iter().map(|cell| place.cell(cell)).collect();
        let warning = |(photograph, warning): (usize, String)| Line {
            name: shown_name(&slide.photographs[photograph].path),
            link: place.link(photograph),
            text: warning,
        };
        let warnings = slide.photographs.iter().enumerate().flat_map(|(photograph, cells)| {
            cells.warnings.iter().map(move |warning| (photograph, warning.to_string()))
        });
        let skipped = slide.skipped.iter().map(|(path, error)| Line {
            name: shown(&path_bytes(path)),
            link: None,
            text: shown(error.reason().as_bytes()),
        });
        SlideData {
            id: format!("s{}", index + 1),
            name: shown(slide.name.as_bytes()),
            photographs: slide.photographs.len(),
            counts: slide.counts,
            figures: slide.parasitaemia.as_ref().map(Figures::new),
            shift: format!("{:+.2}", slide.shift_logits).replace('-', "−"),
            warnings: Lines::of(warnings.map(warning)),
            skipped: Lines::of(skipped),
            infected: cells(&selection.infected),
            doubtful: cells(&selection.doubtful),
            doubtful_in_all: selection.doubtful_in_all,
            fields: selection.photographs.iter().map(|&photograph| place.field(photograph)).collect(),
            unreadable: pictures.photographs.values().filter(|source| source.is_err()).count(),
        }
    }
}

/// A slide and what is shown of it.
struct Place<'a> {
    index: usize,
    slide: &'a Slide,
    names: Option<&'a [String]>,
    selection: &'a Selection,
    pictures: &'a SlidePictures,
}

impl Place<'_> {
    fn is_unreadable(&self, photograph: usize) -> bool {
        self.pictures.photographs.get(&photograph).is_some_and(Result::is_err)
    }

    /// Returns the link to the file of a photograph with boxes; `None` if there is none.
    fn file(&self, photograph: usize) -> Option<String> {
        let names = self.names.filter(|_| !self.is_unreadable(photograph))?;
        Some(format!("{PHOTOGRAPHS}/{}", names[photograph]))
    }

    /// Returns the link to a photograph: on the page, or else to its file.
    fn link(&self, photograph: usize) -> Option<String> {
        let is_shown = self.selection.photographs.contains(&photograph);
        if is_shown { Some(format!("#{}", photograph_id(self.index, photograph))) } else { self.file(photograph) }
    }

    fn cell(&self, place: &CellPlace) -> CellData {
        let &CellPlace { photograph, cell, probability } = place;
        let has_box = matches!(self.pictures.photographs.get(&photograph), Some(Ok(_)));
        let on_page = || format!("#{}", cell_id(self.index, photograph, cell));
        CellData {
            link: if has_box { Some(on_page()) } else { self.link(photograph) },
            source: self.pictures.cells.get(&(photograph, cell)).cloned(),
            probability: probability.map_or("reviewer".to_owned(), |probability| format!("{probability:.3}")),
            photograph: photograph + 1,
            number: cell + 1,
        }
    }

    fn field(&self, index: usize) -> FieldData {
        let photograph = &self.slide.photographs[index];
        let id = photograph_id(self.index, index);
        let picture = self.pictures.photographs.get(&index);
        let [_, _, width, height] = shown_part(photograph);
        FieldData {
            number: index + 1,
            name: shown_name(&photograph.path),
            counts: photograph.counts(),
            warnings: photograph.warnings.iter().map(ToString::to_string).collect(),
            width,
            height,
            link: self.file(index),
            source: picture.and_then(|picture| picture.as_ref().ok()).cloned(),
            fault: picture.and_then(|picture| picture.as_ref().err()).map(|reason| shown(reason.as_bytes())),
            svg: overlay(photograph, &id),
            id,
        }
    }
}

impl Lines {
    fn of(lines: impl Iterator<Item = Line>) -> Lines {
        let mut lines: Vec<Line> = lines.collect();
        let in_all = lines.len();
        lines.truncate(MOST_LINES);
        Lines { more: in_all - lines.len(), lines, in_all }
    }
}

/// Returns a text without characters that could change the direction of the text around it.
fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(&printable(text)).into_owned()
}

fn shown_name(path: &Path) -> String {
    shown(&path_bytes(Path::new(path.file_name().unwrap_or(path.as_os_str()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut_and_say_so() {
        let line = |i: usize| Line { name: i.to_string(), link: None, text: String::new() };
        let lines = Lines::of((0..100).map(line));
        assert_eq!((lines.lines.len(), lines.in_all, lines.more), (MOST_LINES, 100, 60));
        assert_eq!(Lines::of((0..3).map(line)).more, 0);
    }

    #[test]
    fn every_kind_of_box_has_a_style() {
        let styles = box_styles();
        assert!(BoxKind::ALL.iter().all(|kind| styles.contains(&format!(".{} {{", kind.look().class))));
        assert!(styles.contains("stroke-dasharray: none"));
    }

    #[test]
    fn names_cannot_change_the_direction_of_text() {
        assert_eq!(shown_name("a/\u{202e}b.jpg".as_ref()), "\\u{202e}b.jpg");
    }
}
