//! `giemsa bench`: how fast this machine trains and predicts, compared with its arithmetic peak.

mod growth;

use crate::data::ForceArgs;
use crate::print::{print_note, print_results};
use crate::{Context, Outcome};
use giemsa::model::Recipe;
use giemsa::nn::architecture::operations;
use giemsa::nn::kernels::{InstructionSet, instruction_set, run_multiply_adds};
use giemsa::nn::{Network, StepSettings};
use rayon::prelude::*;
use serde::Serialize;
use std::hint::black_box;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

const EXAMPLES: &str = "\
Examples:
  giemsa bench
  giemsa bench --threads 1
  giemsa bench --json --instruction-set avx2
  giemsa bench --growth growth.png

Networks: keras-tutorial and compact, the recipe of the built-in model.";

/// Arguments of `giemsa bench`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct BenchArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Measure instead how time and memory grow with images, batch size, image side and threads: a table, and a plot in
    /// this file, which replaces an earlier plot.
    #[arg(long, value_name = "FILE.png", conflicts_with = "json")]
    growth: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
}

/// The measurements; times are medians.
#[derive(Serialize)]
struct Report {
    instruction_set: InstructionSet,
    threads: usize,
    /// Multiply-adds in registers, counted as two operations each, on all threads.
    peak_gflops: f64,
    /// Reading memory on all threads.
    memory_gb_per_s: f64,
    #[serde(flatten)]
    keras_tutorial: NetworkReport,
    compact: NetworkReport,
}

/// The measurements of one network.
#[derive(Serialize)]
struct NetworkReport {
    train_step: Measurement,
    inference: Vec<Measurement>,
}

#[derive(Serialize)]
struct Measurement {
    batch: usize,
    ms: f64,
    images_per_s: f64,
    /// Time of the dense arithmetic at the peak, divided by the measured time. Skipping zeros can raise it above 1.
    fraction_of_limit: f64,
}

/// Batch sizes of the inference measurements.
const INFERENCE_BATCHES: [usize; 4] = [1, 16, 100, 512];

/// Measures, and prints the report.
pub fn run(args: BenchArgs, context: &Context) -> anyhow::Result<Outcome> {
    if let Some(plot) = &args.growth {
        args.force.check(std::slice::from_ref(plot), &[])?;
        growth::run(plot, context)?;
        return Ok(Outcome::Done);
    }
    if !context.quiet && !args.json {
        print_note("Measuring for about 20 seconds. Other work on this machine distorts the results.");
    }
    let report = measure()?;
    print_results(|out| {
        if args.json { writeln!(out, "{}", serde_json::to_string(&report)?) } else { write_report(out, &report) }
    })?;
    Ok(Outcome::Done)
}

fn measure() -> anyhow::Result<Report> {
    // The peak is measured first and last: a processor that slows down in between slows down the work as well.
    let first = peak_gflops();
    let keras_tutorial = measure_network("keras-tutorial", 100, first)?;
    let compact = measure_network("compact", 64, first)?;
    Ok(Report {
        instruction_set: instruction_set(),
        threads: rayon::current_num_threads(),
        peak_gflops: first.max(peak_gflops()),
        memory_gb_per_s: memory_gb_per_s(),
        keras_tutorial,
        compact,
    })
}

/// Measures training and inference of an untrained network of a recipe.
fn measure_network(recipe: &str, train_batch: usize, peak_gflops: f64) -> anyhow::Result<NetworkReport> {
    let recipe = Recipe::load(recipe)?;
    let network = Network::new(recipe.input_shape(), &recipe.layers, 0)?;
    let per_image = operations(network.input(), network.layers())?;
    let measurement = |batch: usize, ms: f64, operations: u64| {
        let limit_ms = (operations * batch as u64) as f64 / peak_gflops / 1e6;
        Measurement { batch, ms, images_per_s: batch as f64 / ms * 1e3, fraction_of_limit: limit_ms / ms }
    };
    let step = step_ms(&mut network.clone(), train_batch, 2.5);
    Ok(NetworkReport {
        train_step: measurement(train_batch, step, per_image.step),
        inference: INFERENCE_BATCHES
            .map(|batch| measurement(batch, infer_ms(&network, batch, 1.5), per_image.forward))
            .into(),
    })
}

/// Measures the arithmetic peak on all threads: the best of a few short runs.
fn peak_gflops() -> f64 {
    let set = instruction_set();
    let round = || {
        let start = Instant::now();
        let operations: u64 = rayon::broadcast(|_| run_multiply_adds(set, 4_000_000)).into_iter().sum();
        operations as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    (0..8).map(|_| round()).fold(0.0, f64::max)
}

/// Measures the memory bandwidth on all threads: the best of a few passes over more memory than fits any cache.
fn memory_gb_per_s() -> f64 {
    let buffer = vec![1_u64; 32 << 20];
    let pass = || {
        let start = Instant::now();
        let sum: u64 = buffer.par_chunks(1 << 20).map(|part| part.iter().fold(0, |sum, v| sum ^ v)).sum();
        black_box(sum);
        (buffer.len() * size_of::<u64>()) as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    (0..5).map(|_| pass()).fold(0.0, f64::max)
}

/// Returns the median time of `work`, in milliseconds, over about `seconds`.
fn median_ms(seconds: f64, mut work: impl FnMut()) -> f64 {
    for _ in 0..3 {
        work();
    }
    let (start, mut times) = (Instant::now(), Vec::new());
    while times.len() < 5 || start.elapsed().as_secs_f64() < seconds {
        let lap = Instant::now();
        work();
        times.push(lap.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Returns reproducible pixel values in 0..=1.
fn pixels(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i.wrapping_mul(2_654_435_761) >> 7 & 255) as f32 / 255.0).collect()
}

/// Returns the median time of a training step on a batch, in milliseconds.
fn step_ms(network: &mut Network, batch: usize, seconds: f64) -> f64 {
    let (inputs, samples) = (pixels(batch * network.input().len()), (0..batch as u64).collect::<Vec<_>>());
    let targets: Vec<f32> = (0..batch * network.outputs()).map(|i| (i % 2) as f32).collect();
    let settings = StepSettings { learning_rate: 1e-3, weight_decay: 0.0, label_smoothing: 0.0, seed: 0, epoch: 0 };
    median_ms(seconds, || {
        black_box(network.train_step(&inputs, &targets, &samples, &settings));
    })
}

/// Returns the median time of predicting a batch, in milliseconds.
fn infer_ms(network: &Network, batch: usize, seconds: f64) -> f64 {
    let inputs = pixels(batch * network.input().len());
    median_ms(seconds, || {
        black_box(network.predict(&inputs));
    })
}

fn write_report(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let Report { instruction_set, threads, peak_gflops, memory_gb_per_s, .. } = report;
    writeln!(out, "{} on {threads} threads", instruction_set.name())?;
    writeln!(out, "peak: {peak_gflops:.0} GFLOP/s, memory: {memory_gb_per_s:.1} GB/s\n")?;
    writeln!(out, "{:<40} {:>10} {:>12} {:>8}", "", "ms", "images/s", "of peak")?;
    for (name, network) in [("keras-tutorial", &report.keras_tutorial), ("compact", &report.compact)] {
        let steps = std::iter::once(("training step", &network.train_step));
        for (work, row) in steps.chain(network.inference.iter().map(|row| ("inference", row))) {
            let work = format!("{name}: {work}, batch {}", row.batch);
            let percent = 100.0 * row.fraction_of_limit;
            writeln!(out, "{work:<40} {:>10.3} {:>12.0} {percent:>7.0}%", row.ms, row.images_per_s)?;
        }
    }
    writeln!(
        out,
        "\nThe last column compares with dense arithmetic at the peak. A step that skips zeros can exceed it."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let row = |batch| Measurement { batch, ms: 8.0, images_per_s: batch as f64 / 8e-3, fraction_of_limit: 0.5 };
        let network = |batch| NetworkReport { train_step: row(batch), inference: vec![row(1), row(512)] };
        Report {
            instruction_set: InstructionSet::Plain,
            threads: 2,
            peak_gflops: 400.0,
            memory_gb_per_s: 20.0,
            keras_tutorial: network(100),
            compact: network(64),
        }
    }

    #[test]
    fn text_has_one_row_per_measurement_of_both_networks() {
        let mut text = Vec::new();
        write_report(&mut text, &report()).unwrap();
        let text = String::from_utf8(text).unwrap();
        for row in [
            "keras-tutorial: training step, batch 100",
            "compact: training step, batch 64",
            "compact: inference, batch 512",
        ] {
            assert!(text.contains(row), "{text}");
        }
        assert_eq!(text.lines().filter(|line| line.ends_with("50%")).count(), 6, "{text}");
    }

    #[test]
    fn json_contains_the_built_in_models_recipe() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["train_step"]["batch"], 100);
        assert_eq!(json["compact"]["train_step"]["batch"], 64);
        assert_eq!(json["compact"]["inference"][1]["images_per_s"], 64_000.0);
    }
}
