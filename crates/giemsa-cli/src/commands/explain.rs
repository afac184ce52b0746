//! `giemsa explain`: a picture an image of where a model finds its evidence.

use crate::data::say;
use crate::model::load;
use crate::paths::PathArgs;
use crate::{Context, Outcome};
use anyhow::Context as _;
use giemsa::RESEARCH_ONLY;
use giemsa::explain::{Explanation, explain, occlusion};
use giemsa::image::decode_file;
use giemsa::model::Model;
use giemsa::report::saliency::{overlay_of_grad_cam, overlay_of_occlusion};
use giemsa::report::sheet::{Group, Layout, Tile, sheet};
use giemsa::report::write_png;
use image::RgbImage;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  giemsa explain cell.png --out evidence
  giemsa explain --model runs/compact-1/model.safetensors 'slide/*.png' --out evidence

Each picture has the image; Grad-CAM, what each place of the last convolution adds to the evidence; and occlusion, how
much of the evidence is lost when the place is covered. Orange speaks for Parasitized, blue against it. Where the two
disagree, believe occlusion: what the last convolution sees at a place comes from a wide neighbourhood of it.";

/// Arguments of `giemsa explain`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ExplainArgs {
    #[command(flatten)]
    images: PathArgs,
    /// The model file. [default: the model in the program]
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// The folder for the pictures, which is made if need be; pictures of the same name in it are replaced.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// The longer side of each part of a picture, in pixels.
const PART_PX: u32 = 256;

/// Explains image after image; those that cannot be read are listed.
pub fn run(args: ExplainArgs, context: &Context) -> anyhow::Result<Outcome> {
    crate::interrupted();
    let model = load(args.model.as_deref())?;
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    let (mut taken, mut unreadable) = (BTreeSet::new(), 0);
    for path in args.images.expand()? {
        if crate::interrupted() {
            return Ok(Outcome::Interrupted);
        }
        match decode_file(&path) {
            Ok(decoded) => {
                let image = decoded.pixels;
                let explanation = explain(&model, &image)?;
                let to = args.out.join(free_name(&path, &mut taken));
                write_png(&picture(&model, &path, &image, &explanation)?, &to)?;
                say(context, &line(&explanation, &path, &to));
            }
            Err(error) => {
                unreadable += 1;
                eprintln!("unreadable: {error}");
            }
        }
    }
    say(context, RESEARCH_ONLY);
    Ok(if unreadable == 0 { Outcome::Done } else { Outcome::SomeSkipped })
}

/// `cell.png` for `a/cell.jpg`, and `cell-2.png` for `b/cell.png` after it.
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

fn line(explanation: &Explanation, path: &Path, to: &Path) -> String {
    let prediction = explanation.prediction;
    format!(
        "{:<11}  probability of Parasitized {:.3}  {} -> {}",
        prediction.class.name(),
        prediction.probability_parasitized,
        path.display(),
        to.display()
    )
}

/// The image and its evidence side by side.
fn picture(model: &Model, path: &Path, image: &RgbImage, explanation: &Explanation) -> anyhow::Result<RgbImage> {
    let prediction = explanation.prediction;
    let tile = |image: RgbImage, lines: [&str; 2]| Tile { image, lines: lines.map(str::to_owned).to_vec() };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut tiles = vec![tile(image.clone(), [&name, RESEARCH_ONLY])];
    if let Some(evidence) = &explanation.grad_cam {
        let drawn = overlay_of_grad_cam(model, image, evidence);
        tiles.push(tile(drawn, ["Grad-CAM, last convolution", "orange: for Parasitized, blue: against"]));
    }
    let covered = overlay_of_occlusion(model, image, &occlusion(model, image));
    tiles.push(tile(covered, ["Occlusion", "orange: covered, less is for Parasitized"]));
    let title = format!(
        "{}: probability of Parasitized {:.3} (threshold {:.3})",
        prediction.class, prediction.probability_parasitized, model.threshold
    );
    let layout = Layout { columns: tiles.len(), tile_px: PART_PX };
    Ok(sheet(&[Group { title, tiles }], layout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_the_same_name_get_pictures_of_their_own() {
        let mut taken = BTreeSet::new();
        let names: Vec<String> =
            ["a/x.png", "b/x.jpg", "x-2.png", "c/x.png"].map(|path| free_name(path.as_ref(), &mut taken)).to_vec();
        assert_eq!(names, ["x.png", "x-2.png", "x-2-2.png", "x-3.png"]);
    }
}
