//! The command line program: reads arguments, shows progress and prints results; the library does the work.
//!
//! Results go to standard output with `writeln!` and `?`, not `println!`, so that a closed pipe ends the program quietly.
//! Progress and notes go to standard error, and not at all with `--quiet`.

mod commands;
mod data;
mod exit;
mod interrupt;
mod model;
mod paths;
mod scores;
mod terminal;

pub use interrupt::interrupted;

use clap::Parser;
use commands::Command;
use giemsa::nn::kernels::{self, InstructionSet};
use std::io::IsTerminal;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  giemsa demo
  giemsa fetch
  giemsa train data/cell_images --out run
  giemsa predict --model run/model.safetensors cell.png
  giemsa completions bash > ~/.local/share/bash-completion/completions/giemsa
  giemsa man --out ~/.local/share/man/man1

Exit codes: 0 done, 1 failed, 2 usage, 3 the data is at fault, 4 the model file is at fault,
5 done but some inputs were skipped (they are listed), 130 interrupted.

For research use only, not for diagnosis.";

/// Trains, judges and runs small neural networks that tell malaria-parasitized red blood cells from healthy ones.
#[derive(Parser)]
#[command(name = "giemsa", version, after_help = EXAMPLES, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Say nothing but results and errors.
    #[arg(long, short, global = true, display_order = 1000)]
    quiet: bool,

    /// Compute with N threads instead of one a core; results do not depend on it.
    #[arg(long, global = true, value_name = "N", display_order = 1001, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,

    /// Compute with these vector instructions instead of the best that the processor has.
    #[arg(long, global = true, value_name = "SET", display_order = 1002, value_parser = ["plain", "avx2", "avx512"])]
    instruction_set: Option<String>,
}

/// What holds for every subcommand.
#[allow(dead_code)]
pub struct Context {
    /// Say nothing but results and errors: no progress, no notes.
    pub quiet: bool,
    /// Whether text on standard output may carry colour: it is a terminal, and `NO_COLOR` is not set.
    pub colour: bool,
}

/// How a subcommand that did not fail ended.
#[allow(dead_code)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it is done.
    Done,
    /// Done, but inputs that could not be used were skipped; the subcommand has listed them.
    SomeSkipped,
    /// Stopped by the user; what was done until then is saved.
    Interrupted,
}

/// Parses the command line, runs it, prints the error chain, and gives the exit code.
fn main() -> ExitCode {
    let cli = Cli::parse();
    let context = Context { quiet: cli.quiet, colour: colour_wanted() && std::io::stdout().is_terminal() };
    let engine = set_threads(cli.threads).and_then(|()| set_instructions(cli.instruction_set.as_deref()));
    let result = engine.and_then(|()| cli.command.run(&context));
    exit::code_after(result)
}

/// False where the user has set `NO_COLOR` to anything but nothing (<https://no-color.org>).
fn colour_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Sizes rayon's global pool; without a wish rayon starts it itself, and only when it is needed.
fn set_threads(threads: Option<u16>) -> anyhow::Result<()> {
    if let Some(threads) = threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global()?;
    }
    Ok(())
}

/// Forces the instruction set that was asked for.
fn set_instructions(name: Option<&str>) -> anyhow::Result<()> {
    let wanted = InstructionSet::ALL.into_iter().find(|set| Some(set.name()) == name);
    if let Some(set) = wanted {
        anyhow::ensure!(kernels::force(set), "this processor has no {}", set.name());
    }
    Ok(())
}

/// A number of things, as people write it.
fn number_of(n: usize, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn one_of_a_thing_is_no_plural() {
        assert_eq!([0, 1, 2].map(|n| number_of(n, "patient")), ["0 patients", "1 patient", "2 patients"]);
    }

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example_and_a_description_of_one_line() {
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:") && help.contains(&format!("giemsa {name}")), "{name}: {help}");
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty() && about.len() < 100 && !about.contains('\n'), "{name}: {about}");
        }
    }
}
