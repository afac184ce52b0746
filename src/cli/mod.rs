//! The command line: one file a subcommand, each with its arguments (`XArgs`) and a `run`.
//!
//! To add a subcommand, write `src/cli/x.rs` and add three lines here: `mod x;`, a variant of [`Command`] with a one-line
//! description, and an arm in [`Command::run`].
//!
//! Results go to standard output with `writeln!` and `?`, not `println!`: a pipe that its reader has closed then ends
//! the program quietly. Progress and notes go to standard error, and not at all with `--quiet`.

mod bench;
mod calibrate;
mod compare;
mod completions;
mod cross_validate;
mod data;
mod demo;
mod evaluate;
mod exit;
mod explain;
mod fetch;
mod info;
mod interrupt;
mod man;
mod model;
mod paths;
mod predict;
mod pretrain;
mod scores;
mod show;
mod split;
mod stats;
mod summary;
mod train;

pub use interrupt::interrupted;

use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand};
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
    #[arg(long, global = true, value_name = "SET", display_order = 1002, value_parser = instruction_sets())]
    instruction_set: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// See it all at work: draw cells, train on them, judge the result, and write a page about it.
    Demo(demo::DemoArgs),
    /// Put samples of each class of a data folder on one picture.
    Show(show::ShowArgs),
    /// Download the official cell images, verify and unpack them.
    Fetch(fetch::FetchArgs),
    /// Print the completion script of a shell.
    Completions(completions::CompletionsArgs),
    /// Print the manual page, or write those of all commands into a folder.
    Man(man::ManArgs),
    /// Measure a model on labelled images.
    Evaluate(evaluate::EvaluateArgs),
    /// Compare two models on the same labelled images.
    Compare(compare::CompareArgs),
    /// Judge a recipe on every image, each by a network that has not seen its patient.
    CrossValidate(cross_validate::CrossValidateArgs),
    /// Fit a model's temperature, and choose its decision threshold for an aim.
    Calibrate(calibrate::CalibrateArgs),
    /// Name the class of images.
    Predict(predict::PredictArgs),
    /// Show where in an image a model finds its evidence.
    Explain(explain::ExplainArgs),
    /// Print what a model is, how it was made, and how well it does.
    Info(info::InfoArgs),
    /// Make a model for use from all images at hand, with a card that says how well it does.
    Pretrain(pretrain::PretrainArgs),
    /// Print the layers of a recipe or a model, as Keras prints them.
    Summary(summary::SummaryArgs),
    /// Say what a data folder holds: counts, sizes, patients, unreadable files.
    Stats(stats::StatsArgs),
    /// Make Train and Test folders that share no patient.
    Split(split::SplitArgs),
    /// Measure how fast this machine trains and predicts, beside its limit.
    Bench(bench::BenchArgs),
    /// Train a network on labelled images.
    Train(train::TrainArgs),
}

impl Command {
    fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self {
            Command::Demo(args) => demo::run(args, context),
            Command::Show(args) => show::run(args, context),
            Command::Fetch(args) => fetch::run(args, context),
            Command::Completions(args) => completions::run(args, context),
            Command::Man(args) => man::run(args, context),
            Command::Evaluate(args) => evaluate::run(args, context),
            Command::Compare(args) => compare::run(args, context),
            Command::CrossValidate(args) => cross_validate::run(args, context),
            Command::Calibrate(args) => calibrate::run(args, context),
            Command::Predict(args) => predict::run(args, context),
            Command::Explain(args) => explain::run(args, context),
            Command::Info(args) => info::run(args, context),
            Command::Pretrain(args) => pretrain::run(args, context),
            Command::Summary(args) => summary::run(args, context),
            Command::Stats(args) => stats::run(args, context),
            Command::Split(args) => split::run(args, context),
            Command::Bench(args) => bench::run(args, context),
            Command::Train(args) => train::run(args, context),
        }
    }
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
pub fn run() -> ExitCode {
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

/// The values of `--instruction-set`.
fn instruction_sets() -> PossibleValuesParser {
    PossibleValuesParser::new(InstructionSet::ALL.map(InstructionSet::name))
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
