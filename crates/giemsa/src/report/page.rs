//! A self-contained HTML page about a training run, without scripts and network access.

use super::jpeg::jpeg_source;
use super::plot::to_inline_svg;
use super::template::render;
use super::{ReportError, curves::curves, png_bytes};
use crate::evaluate::counts::Counts;
use crate::train::EpochRow;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::RgbImage;
use serde::Serialize;

/// An image on the page.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The pixels.
    pub image: RgbImage,
    /// The alternative text.
    pub alt: String,
    /// The caption; the first line is bold.
    pub lines: Vec<String>,
}

/// The JPEG quality of photographs on the page.
const PHOTOGRAPH_QUALITY: u8 = 80;

/// The size of pictures on the page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// Small, several in a row.
    #[default]
    Cell,
    /// As wide as the page.
    Photograph,
}

/// Images under a heading.
#[derive(Clone, Debug)]
pub struct Gallery {
    /// The heading.
    pub title: String,
    /// A sentence below the heading.
    pub text: String,
    /// The size of the images.
    pub size: Size,
    /// The images, in reading order.
    pub pictures: Vec<Picture>,
}

/// The content of the page.
#[derive(Clone, Debug)]
pub struct Page<'a> {
    /// The title.
    pub title: &'a str,
    /// A notice at the top, such as the origin of the images.
    pub notice: &'a str,
    /// Paragraphs that describe the run.
    pub about: &'a [String],
    /// The confusion matrix on the held-out patients, from which the metrics are computed.
    pub counts: Counts,
    /// The number of held-out patients.
    pub patients: usize,
    /// The epochs of the run.
    pub history: &'a [EpochRow],
    /// An example image with its prediction.
    pub example: &'a Picture,
    /// Further images, such as errors and samples.
    pub galleries: &'a [Gallery],
    /// Suggested commands, each with a description.
    pub commands: &'a [(String, String)],
}

/// The data of the template.
#[derive(Serialize)]
struct Data<'a> {
    title: &'a str,
    notice: &'a str,
    about: &'a [String],
    counts: Counts,
    patients: usize,
    images: u64,
    metrics: Vec<(&'static str, String, &'static str)>,
    curves: Vec<String>,
    example: PictureData<'a>,
    galleries: Vec<GalleryData<'a>>,
    commands: &'a [(String, String)],
}

#[derive(Serialize)]
struct PictureData<'a> {
    source: String,
    alt: &'a str,
    lines: &'a [String],
}

#[derive(Serialize)]
struct GalleryData<'a> {
    title: &'a str,
    text: &'a str,
    is_wide: bool,
    pictures: Vec<PictureData<'a>>,
}

/// Creates the page.
///
/// # Errors
/// If a chart cannot be drawn, or an image has no pixels.
pub fn page(page: &Page<'_>) -> Result<String, ReportError> {
    let data = Data {
        title: page.title,
        notice: page.notice,
        about: page.about,
        counts: page.counts,
        patients: page.patients,
        images: page.counts.images(),
        metrics: metrics(&page.counts),
        curves: curve_svgs(page.history)?,
        example: picture(page.example)?,
        galleries: page.galleries.iter().map(gallery).collect::<Result<_, ReportError>>()?,
        commands: page.commands,
    };
    render("page.html", include_str!("page.html"), &data)
}

/// Returns name, value and description of the metrics; the value of an undefined metric is a dash.
fn metrics(counts: &Counts) -> Vec<(&'static str, String, &'static str)> {
    let percent =
        |fraction: Option<f64>| fraction.map_or("–".to_owned(), |fraction| format!("{:.1} %", 100.0 * fraction));
    vec![
        ("Accuracy", percent(counts.accuracy()), "of all cells are classified correctly"),
        ("Sensitivity", percent(counts.sensitivity()), "of parasitized cells are classified as Parasitized"),
        ("Specificity", percent(counts.specificity()), "of uninfected cells are classified as Uninfected"),
    ]
}

fn gallery(gallery: &Gallery) -> Result<GalleryData<'_>, ReportError> {
    let is_wide = gallery.size == Size::Photograph;
    let data = if is_wide { photograph } else { picture };
    let pictures = gallery.pictures.iter().map(data).collect::<Result<_, ReportError>>()?;
    Ok(GalleryData { title: &gallery.title, text: &gallery.text, is_wide, pictures })
}

/// Photographs are large: they are compressed with losses.
fn photograph(picture: &Picture) -> Result<PictureData<'_>, ReportError> {
    let source = jpeg_source(&picture.image, PHOTOGRAPH_QUALITY)?;
    Ok(PictureData { source, alt: &picture.alt, lines: &picture.lines })
}

fn picture(picture: &Picture) -> Result<PictureData<'_>, ReportError> {
    let source = format!("data:image/png;base64,{}", STANDARD.encode(png_bytes(&picture.image)?));
    Ok(PictureData { source, alt: &picture.alt, lines: &picture.lines })
}

/// Draws loss and accuracy, with the last values in the alternative texts.
fn curve_svgs(history: &[EpochRow]) -> Result<Vec<String>, ReportError> {
    let last_values = |value: &dyn Fn(&EpochRow) -> (f64, f64)| {
        let last = history
            .last()
            .map(value)
            .map(|(training, validation)| format!("; in the last epoch {training:.3} and {validation:.3}"));
        last.unwrap_or_default()
    };
    let ends = [last_values(&|row| (row.loss, row.val_loss)), last_values(&|row| (row.acc, row.val_acc))];
    let svg = |(chart, end): (&super::chart::Chart, String)| {
        let epochs = history.len();
        to_inline_svg(chart, &format!("{} of training and validation over {epochs} epochs{end}.", chart.title))
    };
    curves(history).iter().zip(ends).map(svg).collect()
}
