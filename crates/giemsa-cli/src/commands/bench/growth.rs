//! How time and memory grow with the number of images, the batch size, the image side and threads: a table and a plot.

use super::{infer_ms, step_ms};
use crate::Context;
use crate::data::{bar, load};
use crate::print::print_line;
use anyhow::Context as _;
use giemsa::dataset::patients::PatientSource;
use giemsa::dataset::scan::{ClassFolders, scan_classes};
use giemsa::model::Recipe;
use giemsa::nn::{Network, Shape};
use giemsa::report::axis::{Axis, Scale, covering_log};
use giemsa::report::chart::{Chart, Mark, Series};
use giemsa::report::plot::to_image;
use giemsa::report::write_png;
use giemsa::synthetic::write_folder;
use giemsa::train::{EpochRow, Observer, Settings, State, StepReport, train};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

const BATCHES: [usize; 6] = [1, 4, 16, 64, 256, 1024];
const SIDES_PX: [usize; 4] = [32, 64, 128, 256];
/// Batch size of the measurements by image side.
const SIDE_BATCH: usize = 16;
/// Number of different synthetic cells.
const CELLS: usize = 1000;
/// Number of repetitions of the cells.
const TIMES: [usize; 3] = [1, 4, 16];
/// Duration of each measurement, in seconds.
const SECONDS: f64 = 0.7;

/// One measurement.
struct Measurement {
    work: &'static str,
    /// Number of images, batch size or image side, depending on `work`.
    size: usize,
    threads: usize,
    ms: f64,
    images: usize,
    /// Peak memory of the process so far, on Linux only.
    peak_memory_mb: Option<f64>,
}

impl Measurement {
    fn ms_per_image(&self) -> f64 {
        self.ms / self.images as f64
    }
}

/// Measures, prints the table, and writes the plot.
pub fn run(plot: &Path, context: &Context) -> anyhow::Result<()> {
    let mut rows = images(context)?;
    let all = rayon::current_num_threads();
    for threads in [1, all] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        pool.install(|| batches(threads, &mut rows))?;
    }
    sides(all, &mut rows)?;
    let context = Context { quiet: false, ..*context };
    print_line(&context, "| work | size | threads | ms | ms per image | peak memory, MB |\n|---|---|---|---|---|---|");
    for row in &rows {
        let Measurement { work, size, threads, ms, .. } = row;
        let memory = row.peak_memory_mb.map(|mb| format!("{mb:.0}")).unwrap_or_default();
        print_line(
            &context,
            &format!("| {work} | {size} | {threads} | {ms:.2} | {:.4} | {memory} |", row.ms_per_image()),
        );
    }
    write_png(&to_image(&charts(&rows), 2)?, plot)?;
    Ok(())
}

const LOADING: &str = "images: decode and resize";
const TRAINING: &str = "images: an epoch of keras-tutorial";
const BATCH_STEP: &str = "batch: a training step of keras-tutorial";
const BATCH_PREDICT: &str = "batch: inference of keras-tutorial";
const SIDE_STEP: &str = "side: a training step of compact, batch 16";
const SIDE_PREDICT: &str = "side: inference of compact, batch 16";

/// Measures loading and training on the same synthetic cells once, four and sixteen times. Runs before the other
/// measurements, as the peak memory of a process never falls.
fn images(context: &Context) -> anyhow::Result<Vec<Measurement>> {
    let folder = tempfile::tempdir()?;
    let cells = folder.path().join("cells");
    let drawing = bar(context, CELLS, "Drawing cells");
    let count = || {
        drawing.inc(1);
        std::ops::ControlFlow::Continue(())
    };
    write_folder(&cells, CELLS, 20, 0, &count).context("the temporary folder")?;
    drawing.finish_and_clear();
    let samples = scan_classes(&cells, &ClassFolders::default(), &PatientSource::FileName)?;
    let mut recipe = Recipe::load("keras-tutorial")?;
    recipe.training.epochs = 1;
    let few = load(samples.iter().take(20).cloned().collect(), &recipe.input, context)?;
    let (threads, mut rows) = (rayon::current_num_threads(), Vec::new());
    for times in TIMES {
        let images = times * CELLS;
        let measurement = |work, start: Instant| {
            let ms = start.elapsed().as_secs_f64() * 1e3;
            Measurement { work, size: images, threads, ms, images, peak_memory_mb: peak_memory_mb() }
        };
        let start = Instant::now();
        let repeated = samples.iter().cycle().take(images).cloned().collect();
        let set = load(repeated, &recipe.input, context)?;
        rows.push(measurement(LOADING, start));
        let settings = Settings { recipe: recipe.clone(), seed: 0, steps_per_epoch: None };
        let start = Instant::now();
        train(&mut State::new(&settings)?, &settings, &set, &few, None, &mut Silent)?;
        rows.push(measurement(TRAINING, start));
    }
    Ok(rows)
}

fn batches(threads: usize, rows: &mut Vec<Measurement>) -> anyhow::Result<()> {
    let recipe = Recipe::load("keras-tutorial")?;
    let mut network = Network::new(recipe.input_shape(), &recipe.layers, 0)?;
    for batch in BATCHES {
        let predict = infer_ms(&network, batch, SECONDS);
        let step = step_ms(&mut network, batch, SECONDS);
        for (work, ms) in [(BATCH_PREDICT, predict), (BATCH_STEP, step)] {
            rows.push(Measurement { work, size: batch, threads, ms, images: batch, peak_memory_mb: None });
        }
    }
    Ok(())
}

fn sides(threads: usize, rows: &mut Vec<Measurement>) -> anyhow::Result<()> {
    let recipe = Recipe::load("compact")?;
    for side in SIDES_PX {
        let input = Shape { height: side, width: side, channels: 3 };
        let mut network = Network::new(input, &recipe.layers, 0)?;
        let predict = infer_ms(&network, SIDE_BATCH, SECONDS);
        let step = step_ms(&mut network, SIDE_BATCH, SECONDS);
        for (work, ms) in [(SIDE_PREDICT, predict), (SIDE_STEP, step)] {
            rows.push(Measurement { work, size: side, threads, ms, images: SIDE_BATCH, peak_memory_mb: None });
        }
    }
    Ok(())
}

/// Returns the peak memory of this process so far; `None` if the system does not report it as Linux does.
fn peak_memory_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}

/// Returns four log-log charts, on which proportional growth is a line of slope one.
fn charts(rows: &[Measurement]) -> Vec<Chart> {
    type Part = (&'static str, &'static str, &'static [&'static str], fn(&Measurement) -> f64);
    let parts: [Part; 4] = [
        ("Images: time", "ms", &[LOADING, TRAINING], |row| row.ms),
        ("Images: peak memory", "MB", &[TRAINING], |row| row.peak_memory_mb.unwrap_or(f64::NAN)),
        ("Batch: time per image", "ms", &[BATCH_PREDICT, BATCH_STEP], |row| row.ms_per_image()),
        ("Side: time per image", "ms", &[SIDE_PREDICT, SIDE_STEP], |row| row.ms_per_image()),
    ];
    parts.into_iter().map(|(title, label, works, value)| chart(title, label, works, value, rows)).collect()
}

fn chart(title: &str, label: &str, works: &[&str], value: fn(&Measurement) -> f64, rows: &[Measurement]) -> Chart {
    let mut series: Vec<Series> = Vec::new();
    for work in works {
        let of_work = || rows.iter().filter(|row| row.work == *work);
        let mut threads: Vec<usize> = of_work().map(|row| row.threads).collect();
        threads.sort_unstable();
        threads.dedup();
        for &count in &threads {
            let points = of_work().filter(|row| row.threads == count);
            let points = points.map(|row| (row.size as f64, value(row))).collect();
            let (_, short) = work.split_once(": ").unwrap_or(("", work));
            let name = match count {
                _ if threads.len() == 1 => short.to_owned(),
                1 => format!("{short}, 1 thread"),
                _ => format!("{short}, {count} threads"),
            };
            series.push(Series::new(name, points, Mark::LineAndDots));
        }
    }
    let over = |coordinate: fn(&(f64, f64)) -> f64| {
        covering_log(series.iter().flat_map(|series| &series.points).map(coordinate).collect::<Vec<_>>())
    };
    let x = Axis::new("size", over(|point| point.0)).with_scale(Scale::Log10);
    let y = Axis::new(label, over(|point| point.1)).with_scale(Scale::Log10);
    Chart::new(title, x, y, series)
}

/// Shows no progress.
struct Silent;

impl Observer for Silent {
    fn step(&mut self, _: &StepReport) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
    fn epoch(&mut self, _: &[EpochRow]) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}
