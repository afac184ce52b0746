//! The command line program: reads arguments, shows progress and prints results. The library does the work.
//!
//! Results go to standard output with `writeln!` and `?` instead of `println!`, so that a closed pipe ends the program
//! without an error message. Progress and notes go to standard error, and `--quiet` turns them off. `println!` and
//! `eprintln!` would panic if the stream is closed or full.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod commands;
mod data;
mod exit;
mod help;
mod hints;
mod interrupt;
mod model;
mod paths;
mod predictions;
mod print;
mod slides;
mod terminal;

pub use interrupt::interrupted;

use clap::builder::PossibleValuesParser;
use clap::{FromArgMatches, Parser};
use commands::Command;
use giemsa::nn::kernels::{self, InstructionSet};
use std::io::IsTerminal;
use std::num::NonZero;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  giemsa demo                                          # needs no data
  giemsa predict giemsa-demo/cells/Parasitized         # classify the cells that the demo drew
  giemsa count slide/                                  # count the cells on photographs of a smear
  giemsa fetch                                         # download the NIH images
  giemsa train data/cell_images --out run
  giemsa predict --model run/model.safetensors cell.png

Exit codes: 0 success, 1 failure, 2 usage error, 3 unusable data, 4 unusable model file, \
5 success but some inputs were skipped (they are listed), 130 interrupted.";

/// Train, evaluate and run small neural networks that classify red blood cell images as malaria-parasitized or
/// uninfected.
#[derive(Parser)]
#[command(name = "giemsa", version, after_help = EXAMPLES, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Print only results and errors.
    #[arg(long, short, global = true, display_order = 1000)]
    quiet: bool,

    /// Number of threads, at most four per core [default: one per core; results are identical]
    #[arg(long, global = true, value_name = "N", display_order = 1001, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,

    /// Vector instructions to use [default: the best available]
    #[arg(long, global = true, value_name = "SET", display_order = 1002, value_parser = instruction_sets())]
    instruction_set: Option<String>,
}

/// Global options, passed to every subcommand.
pub struct Context {
    /// Print only results and errors: no progress, no notes.
    pub quiet: bool,
    /// Whether text on standard output may be coloured: it is a terminal, and `NO_COLOR` is not set.
    pub colour: bool,
}

/// How a subcommand ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was done.
    Done,
    /// Some inputs could not be used; the subcommand has listed them.
    SomeSkipped,
    /// The user stopped the subcommand; what was done until then is saved.
    Interrupted,
}

/// Parses the command line, runs the subcommand, prints errors, and returns the exit code.
fn main() -> ExitCode {
    hide_panics_of_image_decoders();
    let matches = help::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let context = Context { quiet: cli.quiet, colour: colour_wanted() && std::io::stdout().is_terminal() };
    let engine = set_threads(cli.threads, &context).and_then(|()| set_instructions(cli.instruction_set.as_deref()));
    let result = engine.and_then(|()| cli.command.run(&context));
    exit::code_after(result)
}

/// Prints no message of a panic while an image is decoded: the library converts it to an error of that image.
fn hide_panics_of_image_decoders() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !giemsa::image::is_decoding() {
            report(panic);
        }
    }));
}

/// Returns false if `NO_COLOR` is set and not empty (<https://no-color.org>).
fn colour_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The largest number of threads per core. More would only take memory.
const MAX_THREADS_PER_CORE: usize = 4;

/// Sets the size of rayon's global thread pool; by default rayon starts it when it is first used.
fn set_threads(threads: Option<u16>, context: &Context) -> anyhow::Result<()> {
    if let Some(threads) = threads.map(usize::from) {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let used = threads.min(MAX_THREADS_PER_CORE * cores);
        if used < threads && !context.quiet {
            crate::print::print_note(format_args!(
                "note: using {used} threads, {MAX_THREADS_PER_CORE} per core, instead of {threads}"
            ));
        }
        rayon::ThreadPoolBuilder::new().num_threads(used).build_global()?;
    }
    Ok(())
}

/// Returns the values of `--instruction-set`.
fn instruction_sets() -> PossibleValuesParser {
    PossibleValuesParser::new(InstructionSet::ALL.map(InstructionSet::name))
}

/// Selects an instruction set by its name.
fn set_instructions(name: Option<&str>) -> anyhow::Result<()> {
    if let Some(set) = name.and_then(InstructionSet::from_name) {
        anyhow::ensure!(kernels::force(set), "this processor does not support {}", set.name());
    }
    Ok(())
}

/// Formats a count with its noun, in the plural unless the count is one.
fn number_of(n: usize, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_the_singular_for_one() {
        assert_eq!([0, 1, 2].map(|n| number_of(n, "patient")), ["0 patients", "1 patient", "2 patients"]);
    }
}
