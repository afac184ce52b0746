//! `giemsa show`: draws random images of each class as a contact sheet.

use crate::data::ForceArgs;
use crate::print::{escaped, print_line, print_unreadable};
use crate::terminal::print_image;
use crate::{Context, Outcome};
use clap::builder::{PathBufValueParser, TypedValueParser};
use giemsa::dataset::DatasetError;
use giemsa::dataset::scan::{ClassFolder, scan_any_classes};
use giemsa::dataset::selection::{SelectedImages, select_images};
use giemsa::report::sheet::{Group, Layout, Tile, sheet};
use giemsa::report::write_png;
use image::RgbImage;
use std::io::IsTerminal;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  giemsa show data/cell_images
  giemsa show data/cell_images --per-class 40 --seed 7 --out cells.png";

/// Arguments of `giemsa show`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ShowArgs {
    /// Folder of class folders of any names
    dir: PathBuf,
    /// Images per class
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1000))]
    per_class: u16,
    /// Contact sheet; replaces an earlier one
    #[arg(long, value_name = "FILE.png", default_value = "sheet.png", value_parser = PathBufValueParser::new().try_map(png_path))]
    out: PathBuf,
    /// Seed of the random selection
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    force: ForceArgs,
}

/// Rejects the extension of another image format.
fn png_path(path: PathBuf) -> Result<PathBuf, &'static str> {
    match path.extension() {
        Some(extension) if !extension.eq_ignore_ascii_case("png") => Err("expected a name that ends in .png"),
        _ => Ok(path),
    }
}

/// Draws the contact sheet, and shows it if the terminal can.
pub fn run(args: ShowArgs, context: &Context) -> anyhow::Result<Outcome> {
    let classes = scan_any_classes(&args.dir)?;
    let images: Vec<PathBuf> = classes.iter().flat_map(|class| &class.files).cloned().collect();
    args.force.check(std::slice::from_ref(&args.out), &images)?;
    let mut unreadable = Vec::new();
    let mut groups = Vec::new();
    for (number, class) in classes.iter().enumerate() {
        let selected = select_images(class, args.per_class.into(), args.seed, number as u64);
        groups.push(group(class, &selected));
        unreadable.extend(selected.unreadable);
    }
    unreadable.iter().for_each(print_unreadable);
    if groups.iter().all(|group| group.tiles.is_empty()) {
        return Err(DatasetError::NoReadableImages { path: args.dir }.into());
    }
    let picture = sheet(&groups, Layout::default())?;
    write_png(&picture, &args.out)?;
    preview(&picture, context);
    print_line(
        context,
        &format!("Wrote {} ({} x {} pixels).", escaped(args.out.display()), picture.width(), picture.height()),
    );
    Ok(if unreadable.is_empty() { Outcome::Done } else { Outcome::SomeSkipped })
}

/// Labels the selected images of a class with name and size.
fn group(class: &ClassFolder, selected: &SelectedImages) -> Group {
    let tile = |(path, image): &(PathBuf, RgbImage)| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let size = format!("{} x {}", image.width(), image.height());
        Tile { image: image.clone(), lines: vec![name, size] }
    };
    let (shown, all) = (selected.images.len(), class.files.len());
    Group { title: format!("{}: {shown} of {all}", class.label()), tiles: selected.images.iter().map(tile).collect() }
}

/// Prints the sheet on the terminal if standard output is one. A failure is ignored, since the file is written.
fn preview(picture: &RgbImage, context: &Context) {
    if !context.quiet && std::io::stdout().is_terminal() {
        let _ = print_image(picture);
    }
}
