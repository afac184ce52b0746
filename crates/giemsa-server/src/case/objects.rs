//! The objects of a case, as rows of JSON.

use super::count::{CountedCase, CountedCell};
use super::{Case, CaseCell, CaseImages};
use giemsa::classes::Class;
use giemsa::model::rows;
use giemsa::smear::rows::{PhotographFigures, WarningRow};
use giemsa::smear::{Counts, Estimate, FoundObject, ObjectKind, Verdict};
use serde::Serialize;

/// An object on a photograph, or a single cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Object {
    /// The image.
    pub image: i64,
    /// Its number in the image, from 1.
    pub number: u32,
    /// Left edge in pixels.
    pub x: u32,
    /// Upper edge in pixels.
    pub y: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// What it is, with the verdict applied.
    pub kind: ObjectKind,
    /// Whether it is in the counting frame.
    pub counted: bool,
    /// The class of a red cell, with the verdict applied.
    pub class: Option<Class>,
    /// The computed probability that it is infected; `None` for what the model does not take for a red cell.
    pub probability_parasitized: Option<f32>,
    /// The verdict of a reviewer.
    pub verdict: Option<Verdict>,
}

impl Object {
    fn of_photograph(image: i64, number: u32, found: &FoundObject) -> Object {
        Object {
            image,
            number,
            x: found.object.x,
            y: found.object.y,
            width: found.object.width,
            height: found.object.height,
            kind: found.object.kind,
            counted: found.is_counted,
            class: found.class(),
            probability_parasitized: found.prediction.map(|prediction| prediction.probability_parasitized),
            verdict: found.verdict,
        }
    }

    fn of_cell(cell: &CaseCell, counted: &CountedCell) -> Object {
        Object {
            image: cell.image,
            number: 1,
            x: 0,
            y: 0,
            width: cell.size[0],
            height: cell.size[1],
            kind: if counted.class.is_some() { ObjectKind::RedCell } else { ObjectKind::Artefact },
            counted: true,
            class: counted.class,
            probability_parasitized: Some(counted.prediction.probability_parasitized),
            verdict: counted.verdict,
        }
    }

    /// Returns left edge, upper edge, width and height in pixels.
    #[must_use]
    pub fn frame_px(&self) -> [u32; 4] {
        [self.x, self.y, self.width, self.height]
    }
}

/// Returns the objects of photographs.
pub fn of_photographs<'a>(images: &'a CaseImages, counted: &'a CountedCase) -> impl Iterator<Item = Object> + 'a {
    images.photographs.iter().zip(&counted.slide.photographs).flat_map(|(stored, photograph)| {
        (1..).zip(&photograph.cells).map(|(number, found)| Object::of_photograph(stored.image, number, found))
    })
}

/// Returns the single cells.
pub fn of_cells<'a>(images: &'a CaseImages, counted: &'a CountedCase) -> impl Iterator<Item = Object> + 'a {
    images.cells.iter().zip(&counted.cells).map(|(cell, counted)| Object::of_cell(cell, counted))
}

/// Returns all objects.
pub fn objects<'a>(images: &'a CaseImages, counted: &'a CountedCase) -> impl Iterator<Item = Object> + 'a {
    of_photographs(images, counted).chain(of_cells(images, counted))
}

/// A photograph without its objects.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhotoRow {
    /// The image.
    pub image: i64,
    /// Its name.
    pub name: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The numbers of its objects, with verdicts.
    pub counts: Counts,
    /// Doubts about it.
    pub warnings: Vec<WarningRow>,
    /// The fraction of its red cells that are infected, as counted; `None` without red cells.
    pub parasitaemia: Option<Estimate>,
}

/// Returns the photographs of a case.
#[must_use]
pub fn photo_rows(case: &Case, counted: &CountedCase) -> Vec<PhotoRow> {
    let row = |(stored, photograph): (&super::CasePhotograph, &giemsa::smear::Photograph)| {
        let figures = PhotographFigures::new(photograph, &case.row.name, None);
        PhotoRow {
            image: stored.image,
            name: stored.name.clone(),
            width: figures.width,
            height: figures.height,
            counts: figures.counts,
            warnings: figures.warnings,
            parasitaemia: figures.parasitaemia,
        }
    };
    case.images.photographs.iter().zip(&counted.slide.photographs).map(row).collect()
}

/// A single cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SingleCellRow {
    /// The image.
    pub image: i64,
    /// Its name.
    pub name: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The class, with the verdict applied.
    pub class: Option<Class>,
    /// Why the model gives no class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The computed probability that it is infected.
    pub probability_parasitized: f64,
    /// The computed probability that it is a single red cell; `None` if the model has no output for it.
    pub cell: Option<f64>,
    /// The verdict of a reviewer.
    pub verdict: Option<Verdict>,
}

/// Returns the single cells of a case.
#[must_use]
pub fn single_cell_rows(case: &Case, counted: &CountedCase) -> Vec<SingleCellRow> {
    let row = |(stored, cell): (&CaseCell, &CountedCell)| SingleCellRow {
        image: stored.image,
        name: stored.name.clone(),
        width: stored.size[0],
        height: stored.size[1],
        class: cell.class,
        reason: rows::reason(&cell.prediction).filter(|_| cell.class.is_none()),
        probability_parasitized: rows::probabilities(&cell.prediction)[0],
        cell: rows::cell(&cell.prediction),
        verdict: cell.verdict,
    };
    case.images.cells.iter().zip(&counted.cells).map(row).collect()
}
