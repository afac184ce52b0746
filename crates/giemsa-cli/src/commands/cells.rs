//! `giemsa cells`: cuts the red cells out of photographs of smears.

use crate::data::bar;
use crate::exit::Fault;
use crate::paths::PathArgs;
use crate::print::{escaped, print_line, print_results, print_unreadable};
use crate::slides::{SlideArgs, diameter_px};
use crate::{Context, Outcome, interrupted, number_of};
use anyhow::anyhow;
use giemsa::dataset::DatasetError;
use giemsa::smear::truth::Truth;
use giemsa::smear::{
    CellImageError, CellImageSettings, CellImages, CountError, TruthCounts, group_by_slide, write_cell_images,
};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  giemsa cells smears --out cells
  giemsa cells smears --out cells --truth smears/annotations.json
  giemsa cells 'smears/slide_01/*.png' --out crops --no-mask --cell-diameter-px 60

The cells are found without a model. Those that the border of a photograph cuts and those in clusters are left out. The images \
are named SLIDE_PHOTO_cell_N.png; in SLIDE and PHOTO, characters other than A-Z, a-z and 0-9 become -. So the slide is the \
part before the first underscore, and takes the place of the patient with --patient-pattern '^([^_]+)_' of split, \
train and evaluate. Slides that are named as C33 need no pattern.

With --truth, the output has the class folders Parasitized and Uninfected, and NotACell for objects that are marked as a white \
cell, a platelet or an artefact. A found cell belongs to the box that it overlaps by half (intersection over union), or to the \
centre that lies in it if only centres are marked.

The exit code is 5 if some photographs cannot be read or show no smear, and 3 if there is no image to write.";

/// Arguments of `giemsa cells`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CellsArgs {
    #[command(flatten)]
    photographs: PathArgs,
    /// Output folder, new or empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Keep what surrounds a cell, instead of making it black as in the NIH images
    #[arg(long)]
    no_mask: bool,
    #[command(flatten)]
    slides: SlideArgs,
    /// Diameter of a red cell in pixels [default: estimated for each photograph]
    #[arg(long, value_name = "N", value_parser = diameter_px)]
    cell_diameter_px: Option<f32>,
    /// Boxes in the COCO format, which sort the cells into class folders; names of photographs are relative to its folder
    #[arg(long, value_name = "FILE.json")]
    truth: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: CellsArgs, context: &Context) -> anyhow::Result<Outcome> {
    // From now on, Ctrl-C removes what is written.
    interrupted();
    let truth = args.truth.as_deref().map(Truth::read).transpose()?;
    let photographs = args.photographs.expand()?.collect::<Result<Vec<_>, Fault>>()?;
    if photographs.is_empty() {
        return Ok(args.photographs.outcome(0, 0)?);
    }
    let bar = bar(context, photographs.len(), "Cutting cells");
    let slides = group_by_slide(photographs, &args.slides.slide_by()?);
    let slide_count = slides.len();
    let mut settings = CellImageSettings::default();
    settings.mask = !args.no_mask;
    settings.cell_diameter_px = args.cell_diameter_px;
    let written = write_cell_images(slides, &args.out, truth.as_ref(), settings, &|| {
        bar.inc(1);
        if interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish_and_clear();
    let cells = match written {
        Ok(cells) => cells,
        Err(CellImageError::Stopped) => return Ok(Outcome::Interrupted),
        Err(error) => return Err(explained(error)),
    };
    list_skipped(&cells.skipped);
    print_results(|out| write_counts(out, &cells, slide_count))?;
    if cells.truth.is_some() {
        let folder = escaped(args.out.display());
        print_line(context, &format!("To train on them: giemsa train {folder} --patient-pattern '^([^_]+)_'"));
    }
    Ok(if cells.skipped.is_empty() { Outcome::Done } else { Outcome::SomeSkipped })
}

/// Lists the photographs that an error is about, and returns it as one with an exit code.
fn explained(error: CellImageError) -> anyhow::Error {
    match error {
        // The output folder is not the data, whose errors have an exit code of their own.
        CellImageError::Dataset(error @ DatasetError::OutputNotEmpty { .. }) => {
            anyhow!("{error}; choose another one")
        }
        CellImageError::Dataset(error) => error.into(),
        error => {
            if let CellImageError::NoCells { skipped, .. } = &error {
                list_skipped(skipped);
            }
            Fault::Data(error.to_string()).into()
        }
    }
}

fn list_skipped(skipped: &[(PathBuf, CountError)]) {
    skipped.iter().for_each(|(_, error)| print_unreadable(error));
}

fn write_counts(out: &mut dyn Write, cells: &CellImages, slides: usize) -> io::Result<()> {
    let [images, photographs, slides] = [(cells.images, "image"), (cells.photographs, "photograph"), (slides, "slide")]
        .map(|(n, thing)| number_of(n, thing));
    writeln!(out, "{images} of cells on {photographs} of {slides}")?;
    if let Some(truth) = &cells.truth {
        write_truth(out, truth)?;
    }
    if cells.cut_by_border > 0 {
        writeln!(out, "Left out: {} that a border cuts", number_of(cells.cut_by_border, "red cell"))?;
    }
    Ok(())
}

fn write_truth(out: &mut dyn Write, truth: &TruthCounts) -> io::Result<()> {
    truth.images.iter().try_for_each(|(class, &count)| writeln!(out, "{class}: {}", number_of(count, "image")))?;
    if truth.cells_without_box > 0 {
        writeln!(out, "Left out: {} without a box", number_of(truth.cells_without_box, "red cell"))?;
    }
    if truth.photographs_without_boxes > 0 {
        let photographs = number_of(truth.photographs_without_boxes, "photograph");
        writeln!(out, "Left out: {photographs} that the file of boxes does not list")?;
    }
    let missing: BTreeMap<_, _> = truth.boxes_without_image.iter().filter(|(_, boxes)| **boxes > 0).collect();
    if !missing.is_empty() {
        let by_class: Vec<String> = missing.iter().map(|(class, boxes)| format!("{boxes} {class}")).collect();
        writeln!(out, "Boxes without an image, because no whole single cell was found: {}", by_class.join(", "))?;
    }
    Ok(())
}
