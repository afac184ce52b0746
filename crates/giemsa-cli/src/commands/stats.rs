//! `giemsa stats`: statistics of a data folder.

use crate::print::{escaped, print_results};
use crate::{Context, Outcome};
use giemsa::dataset::patients::PatientSource;
use giemsa::dataset::scan::scan_any_classes;
use giemsa::dataset::statistics::{ClassStatistics, Range, Statistics, measure};
use giemsa::output::{path_bytes, printable};
use std::io::{self, Write};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  giemsa stats data/cell_images
  giemsa stats data/cell_images --json | jq .classes

A folder with Train and Test folders has one row per part and class.";

/// Arguments of `giemsa stats`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct StatsArgs {
    /// Folder of class folders of any names
    dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: StatsArgs, context: &Context) -> anyhow::Result<Outcome> {
    let classes = scan_any_classes(&args.dir)?;
    let files = classes.iter().map(|class| class.files.len()).sum::<usize>();
    let bar = crate::data::bar(context, files, "Reading images");
    let statistics = measure(&classes, &PatientSource::FileName, &|| bar.inc(1));
    bar.finish_and_clear();
    print_results(|out| {
        if args.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&statistics)?)
        } else {
            write_table(out, &statistics)
        }
    })?;
    Ok(if statistics.unreadable.is_empty() { Outcome::Done } else { Outcome::SomeSkipped })
}

fn write_table(out: &mut dyn Write, statistics: &Statistics) -> io::Result<()> {
    let shown = || statistics.classes.iter().chain([&statistics.all]);
    let width = shown().map(|class| escaped(class.label()).chars().count()).max().unwrap_or(0).max(5);
    let (heights, widths) = ("height (px)", "width (px)");
    writeln!(out, "{:width$}  {:>7}  {heights:>26}  {widths:>26}", "", "")?;
    let columns = format!("{:>9} {:>7} {:>7}", "mean", "max", "min");
    writeln!(out, "{:width$}  {:>7}  {columns}  {columns}", "class", "images")?;
    for class in shown() {
        let range = |range: &Range| format!("{:>9.1} {:>7} {:>8}", range.mean, range.max, range.min);
        let ClassStatistics { images, height, width: class_width, .. } = class;
        writeln!(out, "{:width$}  {images:>7}  {}  {}", escaped(class.label()), range(height), range(class_width))?;
    }
    let modes: Vec<String> = statistics.colour_modes.iter().map(|(mode, n)| format!("{} {n}", mode.name())).collect();
    writeln!(out, "\npatients: {}", statistics.patients)?;
    if statistics.without_patient > 0 {
        writeln!(out, "images of unknown patients: {}", statistics.without_patient)?;
    }
    writeln!(out, "colour modes: {}", modes.join(", "))?;
    if !statistics.unreadable.is_empty() {
        writeln!(out, "unreadable: {}", statistics.unreadable.len())?;
    }
    for unreadable in &statistics.unreadable {
        out.write_all(b"  ")?;
        out.write_all(&printable(&path_bytes(&unreadable.path)))?;
        writeln!(out, ": {}", escaped(&unreadable.error))?;
    }
    Ok(())
}
