//! Charts, contact sheets, model cards and HTML pages.
//!
//! A [`chart::Chart`] describes a chart, and [`plot`] renders charts as PNG or SVG. [`sheet`] draws a contact sheet of
//! images. [`page`], [`evaluation`] and [`smear`] write self-contained HTML pages with a common style sheet, [`STYLE`].

pub mod axis;
pub mod bland_altman;
pub mod chart;
pub mod cross_validation;
pub mod curves;
pub mod evaluation;
mod evaluation_charts;
pub mod folder;
mod jpeg;
mod legend;
pub mod model_card;
pub mod page;
pub mod plot;
pub mod saliency;
pub mod sheet;
pub mod smear;
mod template;

use crate::output::destination::SOFTWARE;

/// The style sheet of all pages: their colours for light and dark, and the looks of text, tables and figures.
pub const STYLE: &str = include_str!("style.css");

/// An error of a report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A file cannot be written.
    #[error("{}: {source}", path.display())]
    Write {
        /// The file.
        path: std::path::PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The folder for a report contains other files.
    #[error("{}: expected a new or empty folder, or an earlier report, found other files in it", path.display())]
    FolderInUse {
        /// The folder.
        path: std::path::PathBuf,
    },
    /// A chart cannot be drawn.
    #[error("cannot draw {title}: {reason}")]
    Draw {
        /// The title of the chart.
        title: String,
        /// The message of the drawing library.
        reason: String,
    },
    /// A template cannot be rendered.
    #[error("cannot write the page: {0}")]
    Page(#[from] minijinja::Error),
    /// An image cannot be encoded.
    #[error("cannot encode an image as PNG: {0}")]
    Encode(#[from] png::EncodingError),
    /// An image cannot be encoded.
    #[error("cannot encode an image as JPEG: {0}")]
    EncodeJpeg(#[from] image::ImageError),
    /// The writing was stopped.
    #[error("stopped before the report was complete")]
    Stopped,
}

/// Encodes an image as PNG, with the name of this software in its metadata.
///
/// # Errors
/// If it has no pixels.
pub fn png_bytes(image: &image::RgbImage) -> Result<Vec<u8>, ReportError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, image.width(), image.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Fast);
    encoder.set_filter(png::Filter::Adaptive);
    encoder.add_text_chunk("Software".to_owned(), SOFTWARE.to_owned())?;
    let mut writer = encoder.write_header()?;
    writer.write_image_data(image.as_raw())?;
    writer.finish()?;
    Ok(bytes)
}

/// Writes an image as a PNG file atomically.
///
/// # Errors
/// If the image has no pixels, or the file cannot be written.
pub fn write_png(image: &image::RgbImage, path: &std::path::Path) -> Result<(), ReportError> {
    write_file(path, &png_bytes(image)?)
}

/// Writes a file atomically.
fn write_file(path: &std::path::Path, bytes: &[u8]) -> Result<(), ReportError> {
    crate::output::write_atomically(path, |file| file.write_all(bytes)).map_err(write_error(path))
}

/// Adds the path to an error.
fn write_error(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> ReportError + use<> {
    let path = path.to_owned();
    |source| ReportError::Write { path, source }
}
