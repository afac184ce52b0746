//! `giemsa cut`: cuts marked cells out of photographs of smears.

use crate::data::bar;
use crate::print::print_results;
use crate::{Context, Outcome, number_of};
use anyhow::bail;
use giemsa::dataset::DatasetError;
use giemsa::dataset::annotations::read_annotations;
use giemsa::dataset::cut::{CutSettings, cut_objects};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  giemsa cut smears/bccd --out sites/bccd --margins 0,0.1,0.3 --fields 3
  giemsa cut smears/bangkok --out sites/bangkok --diameter-px 52

The folder contains photographs and annotations.json, boxes in the COCO format of the categories red_blood_cell, infected, \
white_blood_cell and platelet. The output has the class folders Parasitized, Uninfected and NotACell.";

/// Arguments of `giemsa cut`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CutArgs {
    /// Folder of photographs with annotations.json
    dir: PathBuf,
    /// Output folder, new or empty
    #[arg(long, value_name = "OUT")]
    out: PathBuf,
    /// Margins around the boxes, as fractions of their size: successive red cells take them in turn, other objects all
    #[arg(long, value_name = "F,...", value_delimiter = ',', default_value = "0", value_parser = margin)]
    margins: Vec<f64>,
    /// Diameter of a red cell, for cells of which only the centre is marked [default: the median of the boxes]
    #[arg(long, value_name = "PX", value_parser = diameter)]
    diameter_px: Option<f64>,
    /// Windows per photograph that show several cells at once, in NotACell
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=1000))]
    fields: u16,
    /// Seed of the windows
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// Runs the command.
pub fn run(args: CutArgs, context: &Context) -> anyhow::Result<Outcome> {
    let mut settings = CutSettings::default();
    settings.margins = args.margins;
    settings.diameter_px = args.diameter_px;
    settings.fields = args.fields.into();
    settings.seed = args.seed;
    let bar = bar(context, read_annotations(&args.dir)?.len(), "Cutting photographs");
    let cut = cut_objects(&args.dir, &args.out, &settings, &|| bar.inc(1));
    bar.finish_and_clear();
    let images = match cut {
        // The output folder is not the data, whose errors have an exit code of their own.
        Err(error @ DatasetError::OutputNotEmpty { .. }) => bail!("{error}; choose another one"),
        cut => cut?,
    };
    images.unreadable.iter().for_each(crate::print::print_unreadable);
    print_results(|out| {
        images.counts.iter().try_for_each(|(class, &count)| writeln!(out, "{class}: {}", number_of(count, "image")))
    })?;
    Ok(if images.unreadable.is_empty() { Outcome::Done } else { Outcome::SomeSkipped })
}

fn margin(text: &str) -> Result<f64, String> {
    let margin = text.parse().ok().filter(|margin| (0.0..=10.0).contains(margin));
    margin.ok_or_else(|| "expected a number in 0..=10".to_owned())
}

fn diameter(text: &str) -> Result<f64, String> {
    let diameter = text.parse().ok().filter(|diameter| (1.0..=10_000.0).contains(diameter));
    diameter.ok_or_else(|| "expected a number of pixels in 1..=10000".to_owned())
}
