//! Counted photographs and slides as rows of JSON and CSV.
//!
//! The keys of the JSON objects are the names of the fields. Boxes are in pixels of the file as it is stored, so a rotation in
//! its EXIF data is not applied.

use super::interval::{Estimate, FieldCount, infected_fraction};
use super::parasitaemia::Parasitaemia;
use super::slide::Slide;
use super::{CountError, Counts, FoundObject, ObjectKind, Photograph, Warning, correct};
use crate::classes::Class;
use crate::model::CellErrors;
use crate::model::rows::rounded;
use crate::output::{base64_unless_utf8, path_bytes};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// What is counted on a photograph.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PhotographFigures {
    /// The file. A path that is not UTF-8 has U+FFFD in place of the other bytes, and the key `photo_bytes` contains all its
    /// bytes in Base64.
    #[serde(flatten, serialize_with = "serialize_photo")]
    pub photo: PathBuf,
    /// The name of its slide.
    pub slide: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The diameter of a red cell in pixels; `None` if there are no cells.
    pub cell_diameter_px: Option<f32>,
    /// The numbers of counted objects.
    #[serde(flatten)]
    pub counts: Counts,
    /// Fraction of the red cells of this photograph that are classified as Parasitized, as measured; `None` without red cells.
    pub parasitaemia: Option<Estimate>,
    /// The same, corrected for the errors of the model; `None` if they are unknown.
    pub corrected_parasitaemia: Option<Estimate>,
    /// Doubts about the photograph.
    pub warnings: Vec<WarningRow>,
}

/// A photograph with its cells.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PhotographRow {
    /// The figures.
    #[serde(flatten)]
    pub figures: PhotographFigures,
    /// What was found, from top to bottom, also what is not counted.
    pub cells: Vec<CellRow>,
}

/// An object on a photograph.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CellRow {
    /// Left edge in pixels.
    pub x: u32,
    /// Upper edge in pixels.
    pub y: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// What it is.
    pub kind: ObjectKind,
    /// Whether it is counted: objects that touch the left or the upper border are not.
    pub counted: bool,
    /// The class of a red cell; `None` for anything else.
    pub class: Option<Class>,
    /// The probability that a red cell is infected; `None` for anything else.
    pub probability_parasitized: Option<f64>,
}

/// A doubt about a photograph, with its text.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WarningRow {
    /// The doubt, with the number behind it.
    #[serde(flatten)]
    pub warning: Warning,
    /// The same in words.
    pub message: String,
}

/// A file that is no photograph of a smear or cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SkippedRow {
    /// The file.
    #[serde(flatten, serialize_with = "serialize_photo")]
    pub photo: PathBuf,
    /// The reason, without the path.
    pub error: String,
}

/// A slide, without the boxes of its cells.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SlideRow {
    /// The name.
    pub name: String,
    /// The numbers of counted objects on all photographs.
    pub counts: Counts,
    /// By how much the logits of *Parasitized* of its cells were shifted.
    pub shift_logits: f32,
    /// The parasitaemia; `None` without red cells.
    pub parasitaemia: Option<Parasitaemia>,
    /// The smallest parasitaemia that is detected with these cells; `None` if the errors of the model are unknown, or none is
    /// detected.
    pub limit_of_detection: Option<f64>,
    /// The photographs that were counted.
    pub photographs: Vec<PhotographFigures>,
    /// The files that were not.
    pub skipped: Vec<SkippedRow>,
}

/// The columns of [`PhotographFigures::record`] and [`SkippedRow::record`].
pub const PHOTOGRAPH_COLUMNS: [&str; 19] = [
    "photo",
    "slide",
    "width",
    "height",
    "cell_diameter_px",
    "red_cells",
    "infected",
    "in_clusters",
    "white_cells",
    "platelets",
    "artefacts",
    "parasitaemia",
    "parasitaemia_low",
    "parasitaemia_high",
    "corrected_parasitaemia",
    "corrected_parasitaemia_low",
    "corrected_parasitaemia_high",
    "warnings",
    "error",
];

/// The columns of [`CellRow::record`].
pub const CELL_COLUMNS: [&str; 12] = [
    "slide",
    "photo",
    "photo_number",
    "cell_number",
    "x",
    "y",
    "width",
    "height",
    "kind",
    "counted",
    "class",
    "probability_parasitized",
];

impl PhotographFigures {
    /// Returns the figures of a photograph of a slide. `error_rates` are those of the model.
    #[must_use]
    pub fn new(photograph: &Photograph, slide: &str, error_rates: Option<CellErrors>) -> PhotographFigures {
        let counts = photograph.counts();
        let field = FieldCount { red_cells: counts.red_cells, infected: counts.infected };
        let measured = infected_fraction(&[field]).map(|(measured, _)| measured);
        let message = |&warning: &Warning| WarningRow { warning, message: warning.to_string() };
        PhotographFigures {
            photo: photograph.path.clone(),
            slide: slide.to_owned(),
            width: photograph.width_px,
            height: photograph.height_px,
            cell_diameter_px: Some(photograph.cell_diameter_px).filter(|diameter| *diameter > 0.0),
            counts,
            parasitaemia: measured,
            corrected_parasitaemia: measured.zip(error_rates).and_then(|(measured, errors)| correct(measured, errors)),
            warnings: photograph.warnings.iter().map(message).collect(),
        }
    }

    /// Returns the row of CSV, with the columns [`PHOTOGRAPH_COLUMNS`]. The path has its bytes unchanged.
    #[must_use]
    pub fn record(&self) -> Vec<Vec<u8>> {
        let Counts { red_cells, infected, in_clusters, white_cells, platelets, artefacts } = self.counts;
        let mut fields = vec![path_bytes(&self.photo).into_owned(), self.slide.clone().into_bytes()];
        fields.extend([self.width, self.height].map(|side| side.to_string().into_bytes()));
        fields.push(text_of(self.cell_diameter_px));
        let numbers = [red_cells, infected, in_clusters, white_cells, platelets, artefacts];
        fields.extend(numbers.map(|number| number.to_string().into_bytes()));
        for estimate in [self.parasitaemia, self.corrected_parasitaemia] {
            let ends: [fn(Estimate) -> f64; 3] = [|e| e.value, |e| e.low, |e| e.high];
            fields.extend(ends.map(|end| text_of(estimate.map(end))));
        }
        let messages: Vec<&str> = self.warnings.iter().map(|warning| &warning.message[..]).collect();
        fields.extend([messages.join("; ").into_bytes(), Vec::new()]);
        fields
    }
}

impl PhotographRow {
    /// Returns the row of a photograph of a slide. `error_rates` are those of the model.
    ///
    /// ```
    /// use giemsa::model::Model;
    /// use giemsa::smear::rows::PhotographRow;
    /// use giemsa::smear::{count_slide, find_cells};
    ///
    /// let model = Model::embedded()?;
    /// let empty = image::RgbImage::from_pixel(640, 480, image::Rgb([230, 225, 220]));
    /// let photograph = find_cells(&model.predictor(Default::default()), "a.png".as_ref(), &empty, None)?;
    /// let slide = count_slide(&model, "s1", vec![photograph], 5e6)?;
    /// let row = PhotographRow::new(&slide.photographs[0], &slide.name, model.error_rates);
    /// assert!(row.cells.is_empty() && row.figures.parasitaemia.is_none());
    /// let json = serde_json::to_value(&row)?;
    /// assert_eq!((&json["photo"], &json["red_cells"]), (&"a.png".into(), &0.into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(photograph: &Photograph, slide: &str, error_rates: Option<CellErrors>) -> PhotographRow {
        PhotographRow {
            figures: PhotographFigures::new(photograph, slide, error_rates),
            cells: photograph.cells.iter().map(CellRow::new).collect(),
        }
    }
}

impl CellRow {
    /// Returns the row of an object whose slide has been counted.
    #[must_use]
    pub fn new(found: &FoundObject) -> CellRow {
        CellRow {
            x: found.object.x,
            y: found.object.y,
            width: found.object.width,
            height: found.object.height,
            kind: found.object.kind,
            counted: found.is_counted,
            class: found.class(),
            probability_parasitized: found.probability_parasitized().map(|probability| rounded(probability.into())),
        }
    }

    /// Returns the row of CSV, with the columns [`CELL_COLUMNS`]. The numbers are those of the photograph in the slide and of the
    /// cell in the photograph, from 1.
    #[must_use]
    pub fn record(&self, slide: &str, photo: &Path, [photo_number, cell_number]: [usize; 2]) -> Vec<Vec<u8>> {
        let mut fields = vec![slide.into(), path_bytes(photo).into_owned()];
        fields.extend([photo_number, cell_number].map(|number| number.to_string().into_bytes()));
        fields.extend([self.x, self.y, self.width, self.height].map(|side| side.to_string().into_bytes()));
        fields.extend([self.kind.name(), if self.counted { "true" } else { "false" }].map(|text| text.into()));
        fields.extend([self.class.map_or("", Class::name).into(), text_of(self.probability_parasitized)]);
        fields
    }
}

impl SkippedRow {
    /// Returns the row of a file that was skipped.
    #[must_use]
    pub fn new(path: &Path, error: &CountError) -> SkippedRow {
        SkippedRow { photo: path.to_owned(), error: error.reason() }
    }

    /// Returns the row of CSV, with the columns [`PHOTOGRAPH_COLUMNS`]; `slide` is the name of the slide.
    #[must_use]
    pub fn record(&self, slide: &str) -> Vec<Vec<u8>> {
        let mut fields = vec![Vec::new(); PHOTOGRAPH_COLUMNS.len()];
        fields[0] = path_bytes(&self.photo).into_owned();
        fields[1] = slide.into();
        if let Some(last) = fields.last_mut() {
            *last = self.error.clone().into_bytes();
        }
        fields
    }
}

impl SlideRow {
    /// Returns the row of a slide.
    #[must_use]
    pub fn new(slide: &Slide, error_rates: Option<CellErrors>) -> SlideRow {
        let detection = slide.parasitaemia.as_ref().and_then(|parasitaemia| parasitaemia.detection.as_ref());
        let figures = |photograph| PhotographFigures::new(photograph, &slide.name, error_rates);
        SlideRow {
            name: slide.name.clone(),
            counts: slide.counts,
            shift_logits: slide.shift_logits,
            parasitaemia: slide.parasitaemia.clone(),
            limit_of_detection: detection.and_then(|detection| detection.limit.limit_of_detection),
            photographs: slide.photographs.iter().map(figures).collect(),
            skipped: slide.skipped.iter().map(|(path, error)| SkippedRow::new(path, error)).collect(),
        }
    }
}

/// Serialises a path as the key `photo`, as [`serialize_path`](crate::output::serialize_path) does as the key `path`.
pub(super) fn serialize_photo<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Photo<'a> {
        photo: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        photo_bytes: Option<String>,
    }
    Photo { photo: path.to_string_lossy(), photo_bytes: base64_unless_utf8(path) }.serialize(serializer)
}

/// Returns the text of a number, empty if there is none.
fn text_of(number: Option<impl ToString>) -> Vec<u8> {
    number.map_or(Vec::new(), |number| number.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;
    use crate::smear::{Object, count_slide, find_cells};
    use image::{Rgb, RgbImage};
    use serde_json::{Value, json};

    /// A slide of one empty photograph, in which a red cell and a platelet are then found.
    fn slide(path: &str) -> (Model, Slide) {
        let model = Model::embedded().unwrap();
        let empty = RgbImage::from_pixel(320, 240, Rgb([230, 225, 220]));
        let mut photograph = find_cells(&model.predictor(Default::default()), path.as_ref(), &empty, None).unwrap();
        let found = |kind, logits| FoundObject {
            object: Object::new([50, 60, 70, 80], kind, 1),
            is_counted: true,
            logits,
            prediction: None,
            verdict: None,
        };
        let infected = crate::model::Logits { class: -9.0, red_cell: Some(9.0) };
        photograph.cells = vec![found(ObjectKind::RedCell, Some(infected)), found(ObjectKind::Platelet, None)];
        let slide = count_slide(&model, "s1", vec![photograph], 5e6).unwrap();
        (model, slide)
    }

    #[test]
    fn only_red_cells_have_a_class() {
        let (model, slide) = slide("a,b.png");
        let row = PhotographRow::new(&slide.photographs[0], &slide.name, model.error_rates);
        let json: Value = serde_json::to_value(&row).unwrap();
        assert_eq!((&json["photo"], &json["slide"], &json["infected"]), (&json!("a,b.png"), &json!("s1"), &json!(1)));
        assert_eq!((&json["cell_diameter_px"], &json["parasitaemia"]["value"]), (&Value::Null, &json!(1.0)));
        let [red, platelet] = &row.cells[..] else { panic!("{row:?}") };
        assert!(red.class == Some(Class::Parasitized) && red.probability_parasitized > Some(0.9), "{red:?}");
        let expected = json!({"x": 50, "y": 60, "width": 70, "height": 80, "kind": "platelet", "counted": true,
            "class": null, "probability_parasitized": null});
        assert_eq!(serde_json::to_value(platelet).unwrap(), expected);
    }

    #[test]
    fn records_have_a_field_per_column() {
        let (model, slide) = slide("a.png");
        let row = PhotographRow::new(&slide.photographs[0], &slide.name, model.error_rates);
        let record = row.figures.record();
        let field = |name| {
            let place = PHOTOGRAPH_COLUMNS.iter().position(|column| *column == name).unwrap();
            String::from_utf8(record[place].clone()).unwrap()
        };
        assert_eq!(record.len(), PHOTOGRAPH_COLUMNS.len());
        assert_eq!([field("red_cells"), field("platelets"), field("parasitaemia")], ["1", "1", "1"]);
        assert_eq!([field("cell_diameter_px"), field("error")], ["", ""]);
        assert!(field("warnings").contains("no red cells"), "{}", field("warnings"));
        assert_eq!(row.cells[0].record("s1", "a.png".as_ref(), [1, 1]).len(), CELL_COLUMNS.len());
        let skipped = SkippedRow { photo: "b.png".into(), error: "broken".to_owned() }.record("s1");
        assert_eq!((skipped.len(), &skipped[18][..]), (PHOTOGRAPH_COLUMNS.len(), &b"broken"[..]));
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_utf8_keeps_its_bytes() {
        let photo = crate::output::path_from_bytes(b"a\xff.png".to_vec());
        let row = SkippedRow { photo, error: "broken".to_owned() };
        let expected = json!({"photo": "a\u{fffd}.png", "photo_bytes": "Yf8ucG5n", "error": "broken"});
        assert_eq!(serde_json::to_value(&row).unwrap(), expected);
        assert_eq!(row.record("s")[0], b"a\xff.png");
    }
}
