//! `giemsa show`: samples of each class as a picture.

use crate::data::say;
use crate::terminal::print_image;
use crate::{Context, Outcome};
use anyhow::bail;
use giemsa::dataset::DatasetError;
use giemsa::dataset::scan::{ClassFolder, scan_any_classes};
use giemsa::image::{ImageError, decode_file};
use giemsa::random::Random;
use giemsa::report::sheet::{Group, Layout, Tile, sheet};
use giemsa::report::write_png;
use image::RgbImage;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  giemsa show cell_images
  giemsa show cell_images --per-class 40 --seed 7 --out cells.png";

/// Arguments of `giemsa show`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ShowArgs {
    /// A folder of class folders of any names.
    dir: PathBuf,
    /// Images of each class.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1000))]
    per_class: u16,
    /// The picture; a PNG file that is there is replaced.
    #[arg(long, value_name = "FILE.png", default_value = "sheet.png")]
    out: PathBuf,
    /// Which images are chosen follows from this number.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// Draws the sheet, and shows it where it can.
pub fn run(args: ShowArgs, context: &Context) -> anyhow::Result<Outcome> {
    refuse_to_replace_others(&args.out)?;
    let mut unreadable = Vec::new();
    let mut groups = Vec::new();
    for (number, class) in scan_any_classes(&args.dir)?.iter().enumerate() {
        let key = [args.seed, u64::from_le_bytes(*b"showing\0"), number as u64];
        groups.push(samples(class, args.per_class.into(), &mut Random::keyed(&key), &mut unreadable));
    }
    for error in &unreadable {
        eprintln!("unreadable: {error}");
    }
    if groups.iter().all(|group| group.tiles.is_empty()) {
        let (path, expected) = (args.dir.display().to_string(), "images that can be read".to_owned());
        return Err(DatasetError::Content { path, expected, found: "none".to_owned() }.into());
    }
    let picture = sheet(&groups, Layout::default())?;
    write_png(&picture, &args.out)?;
    preview(&picture, context);
    say(context, &format!("Wrote {} ({} x {} pixels).", args.out.display(), picture.width(), picture.height()));
    Ok(if unreadable.is_empty() { Outcome::Done } else { Outcome::SomeSkipped })
}

/// A mistyped path must not cost a file.
fn refuse_to_replace_others(out: &Path) -> anyhow::Result<()> {
    const PNG: [u8; 8] = *b"\x89PNG\r\n\x1a\n";
    let mut first = [0; 8];
    match std::fs::File::open(out).and_then(|mut file| file.read_exact(&mut first)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Ok(()) if first == PNG => Ok(()),
        _ => bail!("{}: expected a new file or a PNG file to replace, found something else", out.display()),
    }
}

/// So many images of a class at random, by name; those that cannot be read make room for others.
fn samples(class: &ClassFolder, count: usize, random: &mut Random, unreadable: &mut Vec<ImageError>) -> Group {
    let mut files: Vec<&PathBuf> = class.files.iter().collect();
    random.shuffle(&mut files);
    let mut chosen: Vec<(&PathBuf, RgbImage)> = Vec::new();
    for path in files {
        if chosen.len() == count {
            break;
        }
        match decode_file(path) {
            Ok(decoded) => chosen.push((path, decoded.pixels)),
            Err(error) => unreadable.push(error),
        }
    }
    chosen.sort_by_key(|(path, _)| *path);
    let tile = |(path, image): (&PathBuf, RgbImage)| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let size = format!("{} x {}", image.width(), image.height());
        Tile { image, lines: vec![name, size] }
    };
    let (shown, all) = (chosen.len(), class.files.len());
    Group { title: format!("{}: {shown} of {all}", class.name), tiles: chosen.into_iter().map(tile).collect() }
}

/// Prints the sheet on the terminal if standard output is one. A failure is ignored, since the file is written.
fn preview(picture: &RgbImage, context: &Context) {
    if !context.quiet && std::io::stdout().is_terminal() {
        let _ = print_image(picture);
    }
}
