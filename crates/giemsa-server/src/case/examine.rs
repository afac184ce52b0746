//! Finds out what a file shows.

use super::Content;
use super::metadata::without_metadata;
use crate::models::ServedModel;
use crate::store::NewImage;
use giemsa::image::{ImageError, decode_bytes};
use giemsa::model::ModelError;
use giemsa::report::ReportError;
use giemsa::smear::{CountError, count_if_field, find_cells};
use image::RgbImage;
use serde::Deserialize;
use std::path::Path;

/// An image with a longer side than this is taken for a photograph of a smear. Those of the NIH's single cells are at most 394
/// pixels long.
const LONGEST_CELL_PX: u32 = 400;

/// What the client takes its files for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It depends on their size.
    #[default]
    Auto,
    /// Photographs of smears.
    Photograph,
    /// Images of single cells.
    Cell,
}

/// A file that has been examined.
#[derive(Clone, Debug)]
pub enum Examined {
    /// It can be stored.
    Usable(Box<NewImage>),
    /// It cannot be used, for this reason.
    Refused(String),
}

/// A computation that failed.
#[derive(Debug, thiserror::Error)]
pub enum ExamineError {
    /// The model computed something that is not a number.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The image cannot be encoded.
    #[error(transparent)]
    Encode(#[from] ReportError),
}

/// Decodes a file, and finds its cells or computes the logits of its one cell. `cell_pixels` is the most pixels of the image of a
/// cell.
///
/// # Errors
/// If the model computes something that is not a number.
pub fn examine(
    model: &ServedModel,
    name: &str,
    bytes: &[u8],
    kind: Kind,
    cell_pixels: u64,
) -> Result<Examined, ExamineError> {
    let pixels = match decode_bytes(bytes, Path::new(name)) {
        Ok(decoded) => decoded.pixels,
        Err(error) => return Ok(Examined::Refused(error.reason())),
    };
    let content = match content(model, name, &pixels, kind, cell_pixels)? {
        Ok(content) => content,
        Err(reason) => return Ok(Examined::Refused(reason)),
    };
    let file = without_metadata(bytes, &pixels)?;
    let size = [pixels.width(), pixels.height()];
    Ok(Examined::Usable(Box::new(NewImage { name: name.to_owned(), content, size, file })))
}

/// Computes the content of an image; the reason if it cannot be used.
///
/// # Errors
/// If the model computes something that is not a number.
pub fn content(
    model: &ServedModel,
    name: &str,
    pixels: &RgbImage,
    kind: Kind,
    cell_pixels: u64,
) -> Result<Result<Content, String>, ModelError> {
    let longer_px = pixels.width().max(pixels.height());
    let is_photograph = kind == Kind::Photograph || kind == Kind::Auto && longer_px > LONGEST_CELL_PX;
    let predictor = model.model.predictor(Default::default());
    if is_photograph {
        return match find_cells(&predictor, Path::new(name), pixels, None) {
            Ok(photograph) => Ok(Ok(Content::Photograph(Box::new(photograph)))),
            Err(CountError::Model(error)) => Err(error),
            Err(error) => Ok(Err(error.reason())),
        };
    }
    let (width, height) = pixels.dimensions();
    if u64::from(width) * u64::from(height) > cell_pixels {
        return Ok(Err(format!("{width}x{height} pixels, more than an image of one cell may have")));
    }
    if let Some(cells) = count_if_field(pixels) {
        return Ok(Err(ImageError::SeveralCells { path: name.into(), cells }.reason()));
    }
    let logits = predictor.logits_of_images(std::slice::from_ref(pixels))?;
    Ok(logits.first().map(|logits| Content::Cell(*logits)).ok_or_else(|| "no cell".to_owned()))
}
