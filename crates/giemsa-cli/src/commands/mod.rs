//! One file per subcommand, each with its arguments (`XArgs`) and a `run` function.
//!
//! To add a subcommand, write `commands/x.rs`, add three lines here (`mod x;`, a variant of [`Command`] with a one-line
//! description, and an arm in [`Command::run`]), and add its name to a group in `help.rs`.

mod bench;
mod calibrate;
mod cells;
mod compare;
mod completions;
mod count;
mod count_text;
mod cross_validate;
mod cut;
mod demo;
mod evaluate;
mod evaluate_sites;
mod explain;
mod export;
mod fetch;
mod import;
mod info;
mod man;
mod predict;
mod pretrain;
#[cfg(feature = "serve")]
mod serve;
mod show;
mod split;
mod stats;
mod summary;
mod train;

use crate::{Context, Outcome};
use clap::Subcommand;

/// The subcommands, in the order of the help. The help prints the comments as descriptions.
#[derive(Subcommand)]
pub enum Command {
    /// Draw cells, train a model on them and write a report.
    Demo(demo::DemoArgs),
    /// Download the NIH cell images (353 MB).
    Fetch(fetch::FetchArgs),
    /// Count and measure the images of a folder.
    Stats(stats::StatsArgs),
    /// Draw a contact sheet with sample images of each class.
    Show(show::ShowArgs),
    /// Split a folder into Train and Test, by patient.
    Split(split::SplitArgs),
    /// Cut marked cells out of photographs of smears.
    Cut(cut::CutArgs),
    /// Cut all red cells out of photographs of smears.
    Cells(cells::CellsArgs),
    /// Train a network on a folder of labelled images.
    Train(train::TrainArgs),
    /// Evaluate a recipe by cross-validation over patients.
    CrossValidate(cross_validate::CrossValidateArgs),
    /// Train a model for release: cross-validated, with a model card.
    Pretrain(pretrain::PretrainArgs),
    /// Print the layers and parameters of a recipe or a model.
    Summary(summary::SummaryArgs),
    /// Compute metrics of a model on labelled images.
    Evaluate(evaluate::EvaluateArgs),
    /// Compare two models on the same labelled images.
    Compare(compare::CompareArgs),
    /// Fit the temperature and choose the decision threshold.
    Calibrate(calibrate::CalibrateArgs),
    /// Count and review smears on a page in the browser; HTTP API.
    #[cfg(feature = "serve")]
    Serve(serve::ServeArgs),
    /// Classify images with the built-in model or one of your own.
    Predict(predict::PredictArgs),
    /// Count cells on photographs of smears: parasitaemia by slide.
    Count(count::CountArgs),
    /// Draw saliency maps: where in an image the evidence is.
    Explain(explain::ExplainArgs),
    /// Print the model card of the built-in model or of a file.
    Info(info::InfoArgs),
    /// Write a model in the format of ONNX, Keras or PyTorch.
    Export(export::ExportArgs),
    /// Read a model from a file of ONNX, Keras or PyTorch.
    Import(import::ImportArgs),
    /// Time training and prediction on this machine.
    Bench(bench::BenchArgs),
    /// Print a shell completion script.
    Completions(completions::CompletionsArgs),
    /// Print or write the manual pages.
    Man(man::ManArgs),
}

impl Command {
    /// Runs the subcommand.
    pub fn run(self, context: &Context) -> anyhow::Result<Outcome> {
        match self {
            Command::Demo(args) => demo::run(args, context),
            Command::Fetch(args) => fetch::run(args, context),
            Command::Stats(args) => stats::run(args, context),
            Command::Show(args) => show::run(args, context),
            Command::Split(args) => split::run(args, context),
            Command::Cut(args) => cut::run(args, context),
            Command::Cells(args) => cells::run(args, context),
            Command::Train(args) => train::run(args, context),
            Command::CrossValidate(args) => cross_validate::run(args, context),
            Command::Pretrain(args) => pretrain::run(args, context),
            Command::Summary(args) => summary::run(args, context),
            Command::Evaluate(args) => evaluate::run(args, context),
            Command::Compare(args) => compare::run(args, context),
            Command::Calibrate(args) => calibrate::run(args, context),
            #[cfg(feature = "serve")]
            Command::Serve(args) => serve::run(args, context),
            Command::Predict(args) => predict::run(args, context),
            Command::Count(args) => count::run(args, context),
            Command::Explain(args) => explain::run(args, context),
            Command::Info(args) => info::run(args, context),
            Command::Export(args) => export::run(args, context),
            Command::Import(args) => import::run(args, context),
            Command::Bench(args) => bench::run(args, context),
            Command::Completions(args) => completions::run(args, context),
            Command::Man(args) => man::run(args, context),
        }
    }
}
