//! `giemsa explain`: one picture per image, which shows where the model finds evidence.

use crate::data::ForceArgs;
use crate::exit::Fault;
use crate::model::{load, name};
use crate::paths::{Input, PathArgs};
use crate::print::{print_line, print_unreadable};
use crate::{Context, Outcome};
use anyhow::Context as _;
use giemsa::RESEARCH_ONLY;
use giemsa::image::decode_file;
use giemsa::model::explain::occlusion;
use giemsa::model::{Model, Prediction, SaliencyMap};
use giemsa::output::{path_bytes, path_from_bytes, printable};
use giemsa::report::saliency::overlay_of_occlusion;
use giemsa::report::sheet::{Group, Layout, Tile, sheet};
use giemsa::report::write_png;
use image::RgbImage;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  giemsa explain cell.png --out evidence
  giemsa explain --model runs/compact-1/model.safetensors 'slide/*.png' --out evidence

Each picture shows the image and its occlusion map: by how much the evidence for Parasitized falls when a place is \
covered with the mean colour of the cell. Orange is evidence for Parasitized, blue against it.";

/// Arguments of `giemsa explain`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ExplainArgs {
    #[command(flatten)]
    images: PathArgs,
    /// Model file, or `builtin` for the built-in model [default: builtin]
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Folder for the pictures, created if needed; earlier pictures are replaced
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    force: ForceArgs,
}

/// The longer side of each tile of a picture, in pixels.
const TILE_PX: u32 = 256;

/// Explains the prediction for every image, and lists the images that cannot be read.
pub fn run(args: ExplainArgs, context: &Context) -> anyhow::Result<Outcome> {
    crate::interrupted();
    let model = load(args.model.as_deref())?;
    let inputs = args.images.expand()?.collect::<Result<Vec<Input>, Fault>>()?;
    let (mut readable, mut unreadable) = (0, 0);
    let mut images = Vec::new();
    for input in inputs {
        match input {
            Ok(path) => images.push(path),
            Err(error) => {
                unreadable += 1;
                print_unreadable(error);
            }
        }
    }
    let pictures = picture_paths(&images, &args.out);
    args.force.check(&pictures, &images.iter().chain(&args.model).cloned().collect::<Vec<_>>())?;
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    for (path, to) in images.iter().zip(&pictures) {
        if crate::interrupted() {
            return Ok(Outcome::Interrupted);
        }
        match decode_file(path) {
            Ok(decoded) => {
                readable += 1;
                let prediction = explain(&model, path, &decoded.pixels, to).with_context(|| {
                    format!("cannot explain {} with {}", path.display(), name(args.model.as_deref()))
                })?;
                print_row(context, &prediction, path, to);
            }
            Err(error) => {
                unreadable += 1;
                print_unreadable(error);
            }
        }
    }
    let outcome = args.images.outcome(readable, unreadable)?;
    print_line(context, RESEARCH_ONLY);
    Ok(outcome)
}

/// The longest stem of a picture's name. With a number and the extension, the name fits into the 255 bytes of a file system.
const MAX_STEM_BYTES: usize = 230;

/// Returns the path of the picture of each image.
fn picture_paths(images: &[PathBuf], out: &Path) -> Vec<PathBuf> {
    let mut taken = BTreeSet::new();
    images.iter().map(|path| out.join(free_name(path, &mut taken))).collect()
}

/// Returns the first free file name: `cell.png` for `a/cell.jpg`, then `cell-2.png` for `b/cell.png`.
fn free_name(path: &Path, taken: &mut BTreeSet<PathBuf>) -> PathBuf {
    let stem = path_bytes(path.file_stem().unwrap_or_default().as_ref()).into_owned();
    // Bytes 10xxxxxx continue a character of UTF-8.
    let is_boundary = |end: &usize| stem.get(*end).is_none_or(|byte| byte & 0xc0 != 0x80);
    let end = (0..=stem.len().min(MAX_STEM_BYTES)).rev().find(is_boundary).unwrap_or_default();
    let name = |suffix: String| path_from_bytes([&stem[..end], suffix.as_bytes()].concat());
    let mut free = name(".png".to_owned());
    let mut number = 2;
    while !taken.insert(free.clone()) {
        free = name(format!("-{number}.png"));
        number += 1;
    }
    free
}

/// Predicts the class of an image, and writes the picture that explains it.
fn explain(model: &Model, path: &Path, image: &RgbImage, to: &Path) -> anyhow::Result<Prediction> {
    let prediction = model.predict(image)?;
    let map = occlusion(model, image)?;
    write_png(&picture(model, path, image, &prediction, &map)?, to)?;
    Ok(prediction)
}

/// Prints the prediction for an image, and the name of its picture; a closed pipe does not stop the work.
fn print_row(context: &Context, prediction: &Prediction, path: &Path, to: &Path) {
    if context.quiet {
        return;
    }
    let probability = prediction.probability_parasitized;
    let mut row =
        format!("{:<11}  P(Parasitized) = {probability:.3}  ", prediction.class_of_any_image.name()).into_bytes();
    row.extend_from_slice(&printable(&path_bytes(path)));
    row.extend_from_slice(b" -> ");
    row.extend_from_slice(&printable(&path_bytes(to)));
    row.push(b'\n');
    let _ = io::stdout().write_all(&row);
}

/// Draws the image and its occlusion map side by side.
fn picture(
    model: &Model,
    path: &Path,
    image: &RgbImage,
    prediction: &Prediction,
    map: &SaliencyMap,
) -> anyhow::Result<RgbImage> {
    let tile = |image: RgbImage, lines: [&str; 2]| Tile { image, lines: lines.map(str::to_owned).to_vec() };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let tiles = vec![
        tile(image.clone(), [&name, RESEARCH_ONLY]),
        tile(
            overlay_of_occlusion(model, image, map),
            ["Occlusion map", "evidence for Parasitized: orange for, blue against"],
        ),
    ];
    let title = format!(
        "{}: P(Parasitized) = {:.3}, threshold {:.3}",
        prediction.class_of_any_image, prediction.probability_parasitized, model.threshold
    );
    let layout = Layout { columns: tiles.len(), tile_px: TILE_PX };
    Ok(sheet(&[Group { title, tiles }], layout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_images_with_the_same_name_are_numbered() {
        let mut taken = BTreeSet::new();
        let names = ["a/x.png", "b/x.jpg", "x-2.png", "c/x.png"].map(|path| free_name(path.as_ref(), &mut taken));
        assert_eq!(names, ["x.png", "x-2.png", "x-2-2.png", "x-3.png"].map(PathBuf::from));
    }

    #[test]
    fn the_names_of_pictures_of_images_with_long_names_are_shortened_and_numbered() {
        let mut taken = BTreeSet::new();
        let mut free = |path: &str| free_name(path.as_ref(), &mut taken).into_os_string().into_string().unwrap();
        let (ascii, wide) = ("a".repeat(251) + ".png", "€".repeat(83) + ".png");
        assert_eq!(free(&ascii), "a".repeat(230) + ".png");
        assert_eq!(free(&ascii), "a".repeat(230) + "-2.png");
        // 76 characters of three bytes are 228 bytes.
        assert_eq!(free(&wide), "€".repeat(76) + ".png");
    }
}
