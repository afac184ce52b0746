//! A case: images, their objects, and the verdicts on them. Everything here computes from what the store contains.

pub mod count;
pub mod examine;
pub mod metadata;
pub mod objects;
pub mod pictures;
pub mod review;
mod verdicts;

pub use verdicts::{CaseVerdict, Given, Verdicts};

use crate::store::{CaseRow, Database, ImageRow, StoreError};
use giemsa::model::Logits;
use giemsa::smear::Photograph;
use serde::Serialize;
use std::sync::Arc;

/// What an image shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A field of a smear.
    Photograph(Box<Photograph>),
    /// A single cell: the outputs of the network.
    Cell(Logits),
}

impl Content {
    /// Returns the name of the kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Content::Photograph(_) => "photograph",
            Content::Cell(_) => "cell",
        }
    }

    /// Returns the text that the database contains.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, StoreError> {
        let json = match self {
            Content::Photograph(photograph) => serde_json::to_string(photograph),
            Content::Cell(logits) => serde_json::to_string(logits),
        };
        json.map_err(|error| StoreError::Damaged { what: "an image".to_owned(), reason: error.to_string() })
    }
}

/// The images of a case without their files, in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct CaseImages {
    /// The photographs.
    pub photographs: Vec<CasePhotograph>,
    /// The images of single cells.
    pub cells: Vec<CaseCell>,
    /// The files that cannot be used.
    pub refused: Vec<RefusedFile>,
}

/// A photograph.
#[derive(Clone, Debug)]
pub struct CasePhotograph {
    /// The number of the image.
    pub image: i64,
    /// Its name.
    pub name: String,
    /// Its objects.
    pub photograph: Photograph,
}

/// An image of a single cell.
#[derive(Clone, Debug)]
pub struct CaseCell {
    /// The number of the image.
    pub image: i64,
    /// Its name.
    pub name: String,
    /// Width and height in pixels.
    pub size: [u32; 2],
    /// The outputs of the network.
    pub logits: Logits,
}

/// A file that cannot be used, and is not stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedFile {
    /// The number of the note about it.
    pub image: i64,
    /// Its name.
    pub name: String,
    /// Why it cannot be used.
    pub error: String,
}

impl CaseImages {
    /// Parses the images of a case.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub fn parse(rows: Vec<ImageRow>) -> Result<CaseImages, StoreError> {
        let mut images = CaseImages::default();
        for ImageRow { id: image, name, kind, error, size, content } in rows {
            let content = content.unwrap_or_default();
            let damaged = |error: serde_json::Error| StoreError::Damaged {
                what: format!("image {image}"),
                reason: error.to_string(),
            };
            match kind.as_deref() {
                Some("photograph") => {
                    let photograph = serde_json::from_str(&content).map_err(damaged)?;
                    images.photographs.push(CasePhotograph { image, name, photograph });
                }
                Some(_) => {
                    let logits = serde_json::from_str(&content).map_err(damaged)?;
                    images.cells.push(CaseCell { image, name, size, logits });
                }
                None => images.refused.push(RefusedFile { image, name, error: error.unwrap_or_default() }),
            }
        }
        Ok(images)
    }

    /// Returns left edge, upper edge, width and height of an object in pixels; `None` if there is no such object.
    #[must_use]
    pub fn frame_px(&self, image: i64, number: u32) -> Option<[u32; 4]> {
        if let Some(photograph) = self.photographs.iter().find(|photograph| photograph.image == image) {
            let found = photograph.photograph.cells.get(number.checked_sub(1)? as usize)?;
            return Some(frame_px(&found.object));
        }
        let cell = self.cells.iter().find(|cell| cell.image == image && number == 1)?;
        Some(cell.frame_px())
    }
}

impl CaseCell {
    /// Returns the box of the cell: the whole image.
    #[must_use]
    pub fn frame_px(&self) -> [u32; 4] {
        [0, 0, self.size[0], self.size[1]]
    }
}

/// Returns left edge, upper edge, width and height of an object in pixels.
pub(crate) fn frame_px(object: &giemsa::smear::Object) -> [u32; 4] {
    [object.x, object.y, object.width, object.height]
}

/// A case as it is at one moment.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its row.
    pub row: CaseRow,
    /// Its images.
    pub images: Arc<CaseImages>,
    /// The verdicts that count.
    pub verdicts: Verdicts,
}

impl Case {
    /// Reads a case.
    ///
    /// # Errors
    /// If there is no such case, or it cannot be read.
    pub fn read(database: &mut Database, id: i64) -> Result<Case, StoreError> {
        let row = database.case(id)?;
        let images = database.parsed_images(&row)?;
        let verdicts = Verdicts::of_log(&database.verdicts_of(id)?);
        Ok(Case { row, images, verdicts })
    }
}
