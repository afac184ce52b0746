//! A page about one training run: one file that needs no other, no script and no network.

use super::plot::{Plot, to_svg};
use super::{ReportError, curves::curves, png_bytes};
use crate::evaluate::counts::Counts;
use crate::train::EpochRow;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::RgbImage;
use minijinja::value::Serde;
use serde::Serialize;

/// An image on the page.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Shown as large as it is, or smaller.
    pub image: RgbImage,
    /// For those who cannot see it.
    pub alt: String,
    /// Below it; the first line is printed bold.
    pub lines: Vec<String>,
}

/// Images under a heading.
#[derive(Clone, Debug)]
pub struct Gallery {
    /// Above them.
    pub title: String,
    /// A sentence below the heading.
    pub text: String,
    /// In reading order.
    pub pictures: Vec<Picture>,
}

/// What is on the page.
#[derive(Clone, Debug)]
pub struct Page<'a> {
    /// Its title.
    pub title: &'a str,
    /// What the reader must not overlook, such as where the images are from.
    pub notice: &'a str,
    /// What was done, a paragraph each.
    pub about: &'a [String],
    /// What came out; the figures are worked out from them.
    pub counts: Counts,
    /// Patients that were evaluated on.
    pub patients: usize,
    /// The epochs of the run.
    pub history: &'a [EpochRow],
    /// One image and what the model says of it.
    pub named: &'a Picture,
    /// Mistakes, samples.
    pub galleries: &'a [Gallery],
    /// What the reader may type next, with what it does.
    pub commands: &'a [(String, String)],
}

/// What the template fills in.
#[derive(Serialize)]
struct Data<'a> {
    title: &'a str,
    notice: &'a str,
    research_only: &'static str,
    about: &'a [String],
    counts: Counts,
    patients: usize,
    figures: Vec<(&'static str, String, &'static str)>,
    curves: Vec<String>,
    epochs: usize,
    last: Option<&'a EpochRow>,
    named: PictureData<'a>,
    galleries: Vec<GalleryData<'a>>,
    commands: &'a [(String, String)],
    version: &'static str,
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
    pictures: Vec<PictureData<'a>>,
}

/// The text of the page.
///
/// # Errors
/// When a plot cannot be drawn or an image has no pixels.
pub fn page(page: &Page<'_>) -> Result<String, ReportError> {
    let data = Data {
        title: page.title,
        notice: page.notice,
        research_only: crate::RESEARCH_ONLY,
        about: page.about,
        counts: page.counts,
        patients: page.patients,
        figures: figures(&page.counts),
        curves: curves(page.history).0.iter().map(svg).collect::<Result<_, _>>()?,
        epochs: page.history.len(),
        last: page.history.last(),
        named: picture(page.named)?,
        galleries: page.galleries.iter().map(gallery).collect::<Result<_, ReportError>>()?,
        commands: page.commands,
        version: env!("CARGO_PKG_VERSION"),
    };
    let mut environment = minijinja::Environment::new();
    environment.add_template("page.html", include_str!("page.html"))?;
    Ok(environment.get_template("page.html")?.render(Serde(&data))?)
}

/// Name, value and meaning of the figures that follow from the counts; a dash where one is undefined.
fn figures(counts: &Counts) -> Vec<(&'static str, String, &'static str)> {
    let percent = |share: Option<f64>| share.map_or("–".to_owned(), |share| format!("{:.1} %", 100.0 * share));
    vec![
        ("Accuracy", percent(counts.accuracy()), "of all cells named rightly"),
        ("Sensitivity", percent(counts.sensitivity()), "of the parasitized cells found"),
        ("Specificity", percent(counts.specificity()), "of the uninfected cells left alone"),
    ]
}

fn gallery(gallery: &Gallery) -> Result<GalleryData<'_>, ReportError> {
    let pictures = gallery.pictures.iter().map(picture).collect::<Result<_, ReportError>>()?;
    Ok(GalleryData { title: &gallery.title, text: &gallery.text, pictures })
}

fn picture(picture: &Picture) -> Result<PictureData<'_>, ReportError> {
    let source = data_uri("image/png", &png_bytes(&picture.image)?);
    Ok(PictureData { source, alt: &picture.alt, lines: &picture.lines })
}

fn svg(plot: &impl Plot) -> Result<String, ReportError> {
    Ok(data_uri("image/svg+xml", to_svg(plot)?.as_bytes()))
}

fn data_uri(kind: &str, bytes: &[u8]) -> String {
    format!("data:{kind};base64,{}", STANDARD.encode(bytes))
}
