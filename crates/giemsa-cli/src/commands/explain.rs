//! `giemsa explain`: one picture per image, which shows where the model finds evidence.

use crate::data::{ForceArgs, print_line, print_note};
use crate::model::{load, name};
use crate::paths::PathArgs;
use crate::{Context, Outcome};
use anyhow::Context as _;
use giemsa::RESEARCH_ONLY;
use giemsa::image::decode_file;
use giemsa::model::explain::occlusion;
use giemsa::model::{Model, Prediction, SaliencyMap};
use giemsa::report::saliency::overlay_of_occlusion;
use giemsa::report::sheet::{Group, Layout, Tile, sheet};
use giemsa::report::write_png;
use image::RgbImage;
use std::collections::BTreeSet;
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
    let images: Vec<PathBuf> = args.images.expand()?.collect();
    let pictures = picture_paths(&images, &args.out);
    args.force.check(&pictures, &images.iter().chain(&args.model).cloned().collect::<Vec<_>>())?;
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    let (mut readable, mut unreadable) = (0, 0);
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
                print_line(context, &line(&prediction, path, to));
            }
            Err(error) => {
                unreadable += 1;
                print_note(format_args!("unreadable: {error}"));
            }
        }
    }
    let outcome = args.images.outcome(readable, unreadable)?;
    print_line(context, RESEARCH_ONLY);
    Ok(outcome)
}

/// Returns the path of the picture of each image.
fn picture_paths(images: &[PathBuf], out: &Path) -> Vec<PathBuf> {
    let mut taken = BTreeSet::new();
    images.iter().map(|path| out.join(free_name(path, &mut taken))).collect()
}

/// Returns the first free file name: `cell.png` for `a/cell.jpg`, then `cell-2.png` for `b/cell.png`.
fn free_name(path: &Path, taken: &mut BTreeSet<String>) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut name = format!("{stem}.png");
    let mut number = 2;
    while !taken.insert(name.clone()) {
        name = format!("{stem}-{number}.png");
        number += 1;
    }
    name
}

/// Predicts the class of an image, and writes the picture that explains it.
fn explain(model: &Model, path: &Path, image: &RgbImage, to: &Path) -> anyhow::Result<Prediction> {
    let prediction = model.predict(image)?;
    let map = occlusion(model, image)?;
    write_png(&picture(model, path, image, &prediction, &map)?, to)?;
    Ok(prediction)
}

fn line(prediction: &Prediction, path: &Path, to: &Path) -> String {
    format!(
        "{:<11}  P(Parasitized) = {:.3}  {} -> {}",
        prediction.class.name(),
        prediction.probability_parasitized,
        path.display(),
        to.display()
    )
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
        prediction.class, prediction.probability_parasitized, model.threshold
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
        let names: Vec<String> =
            ["a/x.png", "b/x.jpg", "x-2.png", "c/x.png"].map(|path| free_name(path.as_ref(), &mut taken)).to_vec();
        assert_eq!(names, ["x.png", "x-2.png", "x-2-2.png", "x-3.png"]);
    }
}
