//! `giemsa bench`: how fast this machine trains and predicts, beside what it could do at the most.

mod growth;

use super::{Context, Outcome};
use giemsa::model::Recipe;
use giemsa::nn::architecture::operations;
use giemsa::nn::kernels::{InstructionSet, instruction_set, run_multiply_adds};
use giemsa::nn::{Activation, LayerSpec, Network, Shape, StepSettings};
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
  giemsa bench --growth growth.png";

/// How to print it.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct BenchArgs {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Measure instead how cost grows with images, batch, side and threads: a table, and a plot in this file.
    #[arg(long, value_name = "FILE.png", conflicts_with = "json")]
    growth: Option<PathBuf>,
}

/// What was measured; times are medians.
#[derive(Serialize)]
struct Report {
    instruction_set: InstructionSet,
    threads: usize,
    /// Multiply-adds in registers, two operations each, on all threads.
    peak_gflops: f64,
    /// Reading memory, on all threads.
    memory_gb_per_s: f64,
    train_step: Step,
    inference: Vec<Inference>,
    deep_step: Step,
}

#[derive(Serialize)]
struct Step {
    batch: usize,
    ms: f64,
    /// Of the time that the dense arithmetic would take at the peak, over the time taken; skipping zeros can bring it
    /// above 1.
    share_of_limit: f64,
}

#[derive(Serialize)]
struct Inference {
    batch: usize,
    ms: f64,
    images_per_s: f64,
    share_of_limit: f64,
}

/// Runs it.
pub fn run(args: BenchArgs, context: &Context) -> anyhow::Result<Outcome> {
    if let Some(plot) = &args.growth {
        growth::run(plot, context)?;
        return Ok(Outcome::Done);
    }
    if !context.quiet && !args.json {
        eprintln!("measuring for about 15 seconds; other work on this machine spoils the figures");
    }
    let recipe = Recipe::load("seed")?;
    let report = measure(&recipe.layers, recipe.input.side_px)?;
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &report)?;
        writeln!(out)?;
    } else {
        write_report(&mut out, &report)?;
    }
    Ok(Outcome::Done)
}

fn measure(seed: &[LayerSpec], side: usize) -> anyhow::Result<Report> {
    let input = Shape { height: side, width: side, channels: 3 };
    let network = Network::new(input, seed, 0)?;
    let deep_input = Shape { height: 64, width: 64, channels: 3 };
    // The peak is measured first and last: a processor that slows down between the two slows the work as well.
    let first = peak_gflops();
    let train_step = step(network.clone(), 100, 2.0, first)?;
    let inference = [1, 100, 512].map(|batch| infer(&network, batch, first));
    let deep_step = step(Network::new(deep_input, &deep_layers(), 0)?, 64, 3.0, first)?;
    Ok(Report {
        instruction_set: instruction_set(),
        threads: rayon::current_num_threads(),
        peak_gflops: first.max(peak_gflops()),
        memory_gb_per_s: memory_gb_per_s(),
        train_step,
        inference: inference.into_iter().collect::<anyhow::Result<_>>()?,
        deep_step,
    })
}

/// A deeper network than the seed's: eight 3x3 convolutions with batch normalisation, 212 thousand parameters.
fn deep_layers() -> Vec<LayerSpec> {
    let conv = |filters| LayerSpec::Conv2d { filters, kernel: 3, batch_norm: true, activation: Activation::Relu };
    let mut layers = Vec::new();
    for filters in [16, 32, 64] {
        layers.extend([conv(filters), conv(filters), LayerSpec::MaxPooling2d {}]);
    }
    layers.extend([conv(96), conv(96), LayerSpec::GlobalAveragePooling2d {}]);
    layers.push(LayerSpec::Dense { units: 1, activation: Activation::Sigmoid });
    layers
}

/// The best of a few short runs on all threads.
fn peak_gflops() -> f64 {
    let set = instruction_set();
    let round = || {
        let start = Instant::now();
        let operations: u64 = rayon::broadcast(|_| run_multiply_adds(set, 4_000_000)).into_iter().sum();
        operations as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    (0..8).map(|_| round()).fold(0.0, f64::max)
}

/// The best of a few passes over more memory than any cache holds.
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

/// The median time of `work`, in milliseconds, over about `seconds`.
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

fn pixels(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i.wrapping_mul(2_654_435_761) >> 7 & 255) as f32 / 255.0).collect()
}

/// The median time of a step on a batch of random images, in milliseconds.
fn step_ms(network: &mut Network, batch: usize, seconds: f64) -> f64 {
    let (inputs, samples) = (pixels(batch * network.input().len()), (0..batch as u64).collect::<Vec<_>>());
    let targets: Vec<f32> = (0..batch).map(|i| (i % 2) as f32).collect();
    let settings = StepSettings { learning_rate: 1e-3, weight_decay: 0.0, label_smoothing: 0.0, seed: 0, epoch: 0 };
    median_ms(seconds, || {
        black_box(network.train_step(&inputs, &targets, &samples, &settings));
    })
}

/// The median time of a prediction, in milliseconds.
fn infer_ms(network: &Network, batch: usize, seconds: f64) -> f64 {
    let inputs = pixels(batch * network.input().len());
    median_ms(seconds, || {
        black_box(network.predict(&inputs));
    })
}

fn step(mut network: Network, batch: usize, seconds: f64, peak: f64) -> anyhow::Result<Step> {
    let ms = step_ms(&mut network, batch, seconds);
    let limit_ms = (operations(network.input(), network.layers())?.step * batch as u64) as f64 / peak / 1e6;
    Ok(Step { batch, ms, share_of_limit: limit_ms / ms })
}

fn infer(network: &Network, batch: usize, peak: f64) -> anyhow::Result<Inference> {
    let ms = infer_ms(network, batch, 1.5);
    let limit_ms = (operations(network.input(), network.layers())?.forward * batch as u64) as f64 / peak / 1e6;
    Ok(Inference { batch, ms, images_per_s: batch as f64 / ms * 1e3, share_of_limit: limit_ms / ms })
}

fn write_report(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let Report { instruction_set, threads, peak_gflops, memory_gb_per_s, .. } = report;
    writeln!(out, "{} on {threads} threads", instruction_set.name())?;
    writeln!(out, "peak: {peak_gflops:.0} GFLOP/s, memory: {memory_gb_per_s:.1} GB/s\n")?;
    writeln!(out, "{:<28} {:>10} {:>12} {:>16}", "work", "ms", "images/s", "share of limit")?;
    let mut row = |work: String, batch: usize, ms: f64, share: f64| {
        let rate = batch as f64 / ms * 1e3;
        writeln!(out, "{work:<28} {ms:>10.3} {rate:>12.0} {:>15.0}%", share * 100.0)
    };
    let Step { batch, ms, share_of_limit } = report.train_step;
    row(format!("seed: step, batch {batch}"), batch, ms, share_of_limit)?;
    for &Inference { batch, ms, share_of_limit, .. } in &report.inference {
        row(format!("seed: predict, batch {batch}"), batch, ms, share_of_limit)?;
    }
    let Step { batch, ms, share_of_limit } = report.deep_step;
    row(format!("deeper: step, batch {batch}"), batch, ms, share_of_limit)?;
    writeln!(out, "\nThe limit is the dense arithmetic at the peak; a step that skips zeros can pass it.")
}
