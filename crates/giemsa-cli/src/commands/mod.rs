//! One file per subcommand, each with its arguments (`XArgs`) and a `run` function.
//!
//! To add a subcommand, write `commands/x.rs` and add three lines here: `mod x;`, a variant of [`Command`] with a
//! one-line description, and an arm in [`Command::run`].

mod bench;
mod calibrate;
mod compare;
mod completions;
mod cross_validate;
mod demo;
mod evaluate;
mod explain;
mod fetch;
mod info;
mod man;
mod predict;
mod pretrain;
mod show;
mod split;
mod stats;
mod summary;
mod train;

use crate::{Context, Outcome};
use clap::Subcommand;

/// The subcommands.
#[derive(Subcommand)]
pub enum Command {
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
    /// Runs the subcommand.
    pub fn run(self, context: &Context) -> anyhow::Result<Outcome> {
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
