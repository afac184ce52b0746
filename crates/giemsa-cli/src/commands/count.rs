//! `giemsa count`: counts the cells on photographs of thin smears, and computes the parasitaemia of each slide.

use super::count_text;
use crate::data::bar;
use crate::exit::Fault;
use crate::model::{ModelArgs, file_of};
use crate::paths::{Input, PathArgs};
use crate::print::{escaped, print_note, print_unreadable};
use crate::slides::{SlideArgs, diameter_px};
use crate::{Context, Outcome, interrupted, number_of};
use anyhow::Context as _;
use clap::ValueEnum;
use giemsa::RESEARCH_ONLY;
use giemsa::evaluate::provenance::Provenance;
use giemsa::model::Model;
use giemsa::output::destination::is_own;
use giemsa::report::smear::{Count, check_free, write_count};
use giemsa::smear::agreement::PhotographAgreement;
use giemsa::smear::coco::Dataset;
use giemsa::smear::count_report::{AgreementRow, CountReport, SettingsRow};
use giemsa::smear::rows::{PHOTOGRAPH_COLUMNS, PhotographFigures, PhotographRow, SkippedRow, SlideRow};
use giemsa::smear::truth::Truth;
use giemsa::smear::{CountSettings, RED_CELLS_PER_MICROLITRE, Slide, SlideFiles, count_slides, group_by_slide};
use serde::Serialize;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  giemsa count slide/
  giemsa count 'slides/*/*.jpg' --format csv > photographs.csv
  giemsa count slides --slide-by patient --patient-pattern '^(P[0-9]+)' --json | jq .slides
  find slides -name '*.jpg' | giemsa count - --format jsonl > cells.jsonl
  giemsa count slides/ --out report
  giemsa count smears --truth smears/annotations.json

With --out, DIR receives index.html (the page), cells.csv (one row per object), slides.json, and the photographs with boxes.

Photographs are of Giemsa-stained thin smears, through the oil immersion objective, with single cells visible. The \
photographs of a folder are one slide, unless --slide-by says otherwise: its cells are centred and counted together. Do not \
mix patients in a slide. The photographs with boxes of an earlier report are left out.

Parasitaemia is the fraction of the red cells that are infected, with a 95 % confidence interval. The measured one is \
that of the cells classified as Parasitized. If the error rates of the model are known, it is corrected for them. \
Cells that touch the left or the upper border are found, but not counted.

CSV columns: photo, slide, width, height, cell_diameter_px, red_cells, infected, in_clusters, white_cells, platelets, \
artefacts; the measured parasitaemia of the photograph by itself and its interval (parasitaemia, parasitaemia_low, \
parasitaemia_high), the same corrected (corrected_parasitaemia, ..._low, ..._high); warnings, error.
JSON Lines keys: the same, with parasitaemia as an object of value, low and high, warnings as a list, and cells: a list \
of x, y, width, height, kind (red_cell, white_cell, platelet, cluster, artefact), counted, class and \
probability_parasitized; or photo, error. A number that is undefined is null in JSON and empty in CSV.
COCO categories: red_blood_cell, infected, white_blood_cell, platelet, cluster, artefact.
Boxes are in pixels as they are stored in the file: a rotation in the EXIF data of a photograph is ignored.

Paths are written as giemsa predict writes them; in JSON, photo_bytes has the bytes of a path that is not UTF-8 in \
Base64.

A photograph that cannot be read, or does not show a smear, has a row with the error, and the exit code is 5, or 3 if \
there is no other.";

/// Arguments of `giemsa count`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CountArgs {
    #[command(flatten)]
    photographs: PathArgs,
    #[command(flatten)]
    model: ModelArgs,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Print one JSON object: the slides, the settings, and the origin of the figures
    #[arg(long, conflicts_with = "format")]
    json: bool,
    #[command(flatten)]
    slides: SlideArgs,
    /// Diameter of a red cell in pixels [default: estimated for each photograph]
    #[arg(long, value_name = "N", value_parser = diameter_px, allow_negative_numbers = true)]
    cell_diameter_px: Option<f32>,
    /// Red cells per microlitre of blood, for the number of parasites per microlitre
    #[arg(long, value_name = "N", default_value_t = RED_CELLS_PER_MICROLITRE, value_parser = density,
        allow_negative_numbers = true)]
    red_cells_per_microlitre: f64,
    /// Write a report to check the count on: a page with the infected cells and the photographs, cells.csv and slides.json
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Boxes of all red cells, drawn by people, in the COCO format: also print how well found and marked cells agree
    #[arg(long, value_name = "FILE.json")]
    truth: Option<PathBuf>,
}

/// The output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Readable text: one row per slide.
    Text,
    /// CSV with a header: one row per photograph.
    Csv,
    /// One JSON object per photograph and line, with all cells.
    Jsonl,
    /// A COCO data set with the boxes of all cells.
    Coco,
    /// One JSON object.
    #[value(skip)]
    Json,
}

impl CountArgs {
    fn settings(&self) -> CountSettings {
        CountSettings {
            cell_diameter_px: self.cell_diameter_px,
            red_cells_per_microlitre: self.red_cells_per_microlitre,
        }
    }

    fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

/// Counts the cells of every slide.
pub fn run(args: CountArgs, context: &Context) -> anyhow::Result<Outcome> {
    interrupted();
    args.out.as_deref().map_or(Ok(()), check_free)?;
    let model = args.model.load()?;
    let provenance =
        Provenance::of_model(&model, file_of(args.model.model.as_deref()), Path::new(&args.photographs.names()))?;
    let by = args.slides.slide_by()?;
    let mut fault = None;
    let inputs: Vec<Input> =
        args.photographs.expand()?.map_while(|input| input.map_err(|error| fault = Some(error)).ok()).collect();
    let inputs: Vec<Input> = inputs.into_iter().filter(|input| !input.as_deref().is_ok_and(has_boxes)).collect();
    let truth = args.truth.as_deref().map(|path| read_truth(path, &inputs)).transpose()?;
    let slides = group_by_slide(inputs, &by);
    let mut results = Results::new(args.format(), BufWriter::new(io::stdout()), &model, truth, &slides);
    results.keeps_slides = args.out.is_some();
    if args.format() != Format::Text && !context.quiet {
        print_note(RESEARCH_ONLY);
    }
    let is_complete = count(&args, context, slides, &mut results)?;
    let agreement = args.truth.as_deref().and_then(|path| results.agreement(path));
    let settings = SettingsRow::new(args.settings(), args.slides.name(), args.model.tta());
    if let Some(out) = args.out.as_deref().filter(|_| results.counted > 0) {
        let count = Count {
            title: "Counted smears",
            about: &[],
            slides: &results.kept,
            settings: &settings,
            agreement: agreement.as_ref(),
            error_rates: model.error_rates,
            provenance: &provenance,
        };
        write_report(out, &count, results.counted as usize, context)?;
    }
    let report = |slides, agreement| CountReport::new(slides, provenance, settings, agreement);
    results.end(agreement, context, report).context("standard output")?;
    if let Some(fault) = fault {
        return Err(fault.into());
    }
    if !is_complete {
        let files = number_of((results.counted + results.skipped) as usize, "file");
        print_note(format_args!("interrupted after {files}; the last slide may be incomplete"));
        return Ok(Outcome::Interrupted);
    }
    Ok(args.photographs.outcome(results.counted, results.skipped)?)
}

/// Counts slides and writes each as soon as it is complete. Returns false if the user stopped it.
fn count<W: Write>(
    args: &CountArgs,
    context: &Context,
    slides: Vec<SlideFiles>,
    results: &mut Results<'_, W>,
) -> anyhow::Result<bool> {
    let files = slides.iter().map(|slide| slide.photographs.len()).sum();
    let bar = bar(context, files, "Counting cells");
    let (mut is_complete, mut failure) = (true, None);
    let predictor = results.model.predictor(args.model.tta());
    let each_photograph = || {
        bar.inc(1);
        is_complete = !interrupted();
        if is_complete { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let each_slide = |slide: Slide| match bar.suspend(|| results.write(slide)) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failure = Some(error);
            ControlFlow::Break(())
        }
    };
    let counted = count_slides(&predictor, slides, args.settings(), each_photograph, each_slide);
    bar.finish_and_clear();
    if let Some(error) = failure {
        return Err(error).context("standard output");
    }
    counted.with_context(|| args.model.name())?;
    Ok(is_complete)
}

/// Returns whether a file is a photograph with boxes of an earlier report, which is no photograph to count.
fn has_boxes(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "jpg") && is_own(path)
}

/// Writes the report. It is written also after Ctrl-C, of the photographs that are finished.
fn write_report(out: &Path, count: &Count<'_>, photographs: usize, context: &Context) -> anyhow::Result<()> {
    let bar = bar(context, photographs, "Writing the report");
    let written = write_count(out, count, || {
        bar.inc(1);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    written?;
    if !context.quiet {
        print_note(format_args!("Report: {}", escaped(out.join("index.html").display())));
    }
    Ok(())
}

/// Reads the boxes, and checks that there are some of the photographs before their cells are counted.
fn read_truth(path: &Path, inputs: &[Input]) -> anyhow::Result<Truth> {
    let truth = Truth::read(path)?;
    if !inputs.is_empty() && !inputs.iter().flatten().any(|photograph| truth.contains(photograph)) {
        return Err(Fault::Data(format!("{}: has no boxes of any of the photographs", path.display())).into());
    }
    Ok(truth)
}

/// Writes the slides, and keeps what is written at the end.
struct Results<'a, W: Write> {
    format: Format,
    out: W,
    model: &'a Model,
    truth: Option<Truth>,
    text: count_text::Table,
    /// The photographs, for COCO.
    photographs: Vec<PhotographRow>,
    /// The slides, for JSON.
    slides: Vec<SlideRow>,
    /// Whether the slides are kept, for the report.
    keeps_slides: bool,
    kept: Vec<Slide>,
    agreements: Vec<(PathBuf, PhotographAgreement)>,
    counted: u64,
    skipped: u64,
}

impl<'a, W: Write> Results<'a, W> {
    fn new(format: Format, out: W, model: &'a Model, truth: Option<Truth>, slides: &[SlideFiles]) -> Results<'a, W> {
        let text = count_text::Table::new(slides.iter().map(|slide| &slide.name[..]));
        let (photographs, slides, agreements) = (Vec::new(), Vec::new(), Vec::new());
        let (keeps_slides, kept) = (false, Vec::new());
        Results {
            format,
            out,
            model,
            truth,
            text,
            photographs,
            slides,
            keeps_slides,
            kept,
            agreements,
            counted: 0,
            skipped: 0,
        }
    }

    fn write(&mut self, slide: Slide) -> io::Result<()> {
        self.write_rows(&slide)?;
        if self.keeps_slides {
            self.kept.push(slide);
        }
        Ok(())
    }

    fn write_rows(&mut self, slide: &Slide) -> io::Result<()> {
        if let Some(truth) = &self.truth {
            let agreements = slide.photographs.iter().map(|p| Some((p.path.clone(), truth.compare(p)?)));
            self.agreements.extend(agreements.flatten());
        }
        let is_first = self.counted + self.skipped == 0;
        self.counted += slide.photographs.len() as u64;
        self.skipped += slide.skipped.len() as u64;
        let error_rates = self.model.error_rates;
        let photographs = slide.photographs.iter().map(|p| PhotographRow::new(p, &slide.name, error_rates));
        match self.format {
            Format::Text => self.text.write_slide(&mut self.out, slide)?,
            Format::Csv => write_csv(&mut self.out, slide, self.model, is_first)?,
            Format::Jsonl => {
                photographs.into_iter().try_for_each(|row| write_line(&mut self.out, &row))?;
                let skipped = slide.skipped.iter().map(|(path, error)| SkippedRow::new(path, error));
                skipped.into_iter().try_for_each(|row| write_line(&mut self.out, &row))?;
            }
            Format::Coco => {
                self.photographs.extend(photographs);
                slide.skipped.iter().for_each(|(_, error)| print_unreadable(error));
            }
            Format::Json => self.slides.push(SlideRow::new(slide, error_rates)),
        }
        self.out.flush()
    }

    fn agreement(&mut self, truth: &Path) -> Option<AgreementRow> {
        let agreements = std::mem::take(&mut self.agreements);
        let without_truth = self.counted as usize - agreements.len();
        (!agreements.is_empty()).then(|| AgreementRow::new(truth, agreements, without_truth))
    }

    /// Writes what concerns all slides. `report` makes the report of JSON.
    fn end(
        &mut self,
        agreement: Option<AgreementRow>,
        context: &Context,
        report: impl FnOnce(Vec<SlideRow>, Option<AgreementRow>) -> CountReport,
    ) -> io::Result<()> {
        if self.counted + self.skipped == 0 {
            return self.out.flush();
        }
        match (self.format, &agreement) {
            (Format::Text, _) => self.text.write_end(&mut self.out, self.model.threshold, agreement.as_ref())?,
            (Format::Json, _) => {
                let report = report(std::mem::take(&mut self.slides), agreement);
                writeln!(self.out, "{}", serde_json::to_string_pretty(&report)?)?;
            }
            (_, Some(agreement)) if !context.quiet => print_note(count_text::agreement_text(agreement).trim_end()),
            _ => {}
        }
        if self.format == Format::Coco {
            write_line(&mut self.out, &Dataset::of(&self.photographs))?;
        }
        self.out.flush()
    }
}

/// Writes a value as one line of JSON.
fn write_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

fn write_csv(out: &mut impl Write, slide: &Slide, model: &Model, with_header: bool) -> io::Result<()> {
    let mut rows = csv::Writer::from_writer(Vec::new());
    if with_header {
        rows.write_record(PHOTOGRAPH_COLUMNS)?;
    }
    for photograph in &slide.photographs {
        rows.write_record(PhotographFigures::new(photograph, &slide.name, model.error_rates).record())?;
    }
    for (path, error) in &slide.skipped {
        rows.write_record(SkippedRow::new(path, error).record(&slide.name))?;
    }
    out.write_all(&rows.into_inner().map_err(|error| error.into_error())?)
}

fn density(text: &str) -> Result<f64, String> {
    let density = text.parse().ok().filter(|density: &f64| *density > 0.0 && density.is_finite());
    density.ok_or_else(|| "expected a positive number".to_owned())
}
