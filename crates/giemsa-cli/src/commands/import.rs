//! `giemsa import`: reads a model from the file of another tool.

use crate::print::{escaped, print_line};
use crate::{Context, Outcome};
use giemsa::RESEARCH_ONLY;
use giemsa::classes::Class;
use giemsa::model::format::{self, Format, ImportSettings};
use giemsa::model::{Model, Recipe};
use giemsa::output::destination::{Replace, check_destinations};
use giemsa::smear::grouped;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  giemsa import tutorial.keras --out tutorial.safetensors
  giemsa import tutorial.weights.h5 --recipe keras-tutorial --out tutorial.safetensors
  giemsa import network.onnx --probability-of Parasitized --out network.safetensors

A recipe also supplies the preprocessing, which the files of other tools do not contain. `giemsa calibrate` fits the
temperature and chooses the threshold of an imported model.";

/// Arguments of `giemsa import`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ImportArgs {
    /// File of another tool
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Format: onnx, keras, keras-weights, legacy-h5 or safetensors-pytorch; detected by default.
    #[arg(long, value_name = "FORMAT")]
    from: Option<Format>,
    /// Recipe with the layers of the file: a built-in recipe, or the path of a .toml file.
    #[arg(long, value_name = "RECIPE")]
    recipe: Option<String>,
    /// Class whose probability the network's output is; the order of Keras makes it the second of the alphabet.
    #[arg(long, value_name = "CLASS", default_value = Class::Uninfected.name(), value_parser = parse_class)]
    probability_of: Class,
    /// Write the model to this new file.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace the file of --out if it exists.
    #[arg(long)]
    force: bool,
}

fn parse_class(name: &str) -> Result<Class, String> {
    let class = Class::ALL.into_iter().find(|class| class.name().eq_ignore_ascii_case(name));
    class.ok_or_else(|| format!("expected {}", Class::ALL.map(Class::name).join(" or ")))
}

/// Reads the file, writes the model, and prints what it is.
pub fn run(args: ImportArgs, context: &Context) -> anyhow::Result<Outcome> {
    let replace = if args.force { Replace::Any } else { Replace::Own };
    check_destinations(std::slice::from_ref(&args.out), std::slice::from_ref(&args.file), replace)?;
    let mut settings = ImportSettings::default();
    settings.recipe = args.recipe.as_deref().map(Recipe::load).transpose()?;
    settings.probability_of = args.probability_of;
    let model = format::import(&args.file, args.from, &settings)?;
    model.save(&args.out)?;
    print_line(context, &format!("{}: {}\n{RESEARCH_ONLY}", escaped(args.out.display()), description(&model)));
    Ok(Outcome::Done)
}

/// Describes an imported model in one line.
fn description(model: &Model) -> String {
    let parameters: usize = model.network.summary().iter().map(|row| row.trainable + row.non_trainable).sum();
    format!(
        "recipe {}, {} parameters, temperature {}, decision threshold {}",
        escaped(&model.recipe.name),
        grouped(parameters as u64),
        model.temperature,
        model.threshold
    )
}
