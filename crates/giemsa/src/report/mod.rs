//! Plots and pages people look at.
//!
//! A plot implements [`plot::Plot`] once and is had as PNG or SVG; [`chart::Chart`] is the line and scatter chart that
//! most plots are. [`sheet`] lays images out under a title a class, and [`page`] puts it all on one page.

pub mod chart;
pub mod cross_validation;
pub mod curves;
pub mod evaluation;
mod evaluation_plots;
pub mod model_card;
pub mod page;
pub mod plot;
pub mod saliency;
pub mod sheet;

/// A picture or page that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A file cannot be written.
    #[error("{path}: {source}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The plot cannot be drawn.
    #[error("cannot draw {title}: {reason}")]
    Draw {
        /// Which plot.
        title: String,
        /// What the drawing library says.
        reason: String,
    },
    /// The page's template and what is put into it do not fit.
    #[error("cannot write the page: {0}")]
    Page(#[from] minijinja::Error),
    /// An image cannot be encoded.
    #[error("cannot encode an image as PNG: {0}")]
    Encode(#[from] image::ImageError),
}

/// An image as the bytes of a PNG file.
///
/// # Errors
/// When it has no pixels.
pub fn png_bytes(image: &image::RgbImage) -> Result<Vec<u8>, ReportError> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

/// Writes an image as a PNG file that appears whole or not at all.
///
/// # Errors
/// When the image has no pixels, or the file cannot be written.
pub fn write_png(image: &image::RgbImage, path: &std::path::Path) -> Result<(), ReportError> {
    let bytes = png_bytes(image)?;
    crate::files::write_whole(path, |file| file.write_all(&bytes))
        .map_err(|source| ReportError::Write { path: path.display().to_string(), source })
}
