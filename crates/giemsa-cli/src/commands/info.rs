//! `giemsa info`: the model card of a model, or a description of a model without one.

use crate::print::print_results;
use crate::{Context, Outcome};
use giemsa::RESEARCH_ONLY;
use giemsa::model::Model;
use giemsa::output::printable_lines;

const EXAMPLES: &str = "\
Examples:
  giemsa info
  giemsa info --model runs/compact-1/model.safetensors";

/// Arguments of `giemsa info`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct InfoArgs {
    /// Model file, or `builtin` for the built-in model [default: builtin]
    #[arg(long, value_name = "MODEL")]
    model: Option<std::path::PathBuf>,
}

/// Prints the model card or the description.
pub fn run(args: InfoArgs, _: &Context) -> anyhow::Result<Outcome> {
    let model = crate::model::load(args.model.as_deref())?;
    let text = model.card.clone().map_or_else(|| description(&model), Ok)?;
    print_results(|out| write!(out, "{}", printable_lines(&text)))?;
    Ok(Outcome::Done)
}

/// Describes a model without a model card.
fn description(model: &Model) -> anyhow::Result<String> {
    let parameters: usize = model.network.summary().iter().map(|row| row.trainable + row.non_trainable).sum();
    let aim = model.threshold_aim.as_deref().unwrap_or("the default");
    Ok(format!(
        "A model of the recipe {}. It has no model card, so its performance is unknown.\n{RESEARCH_ONLY}\n\n\
         Parameters: {parameters}\nTemperature: {}\nDecision threshold: {} ({aim})\n\nRecipe:\n\n{}",
        model.recipe.name,
        model.temperature,
        model.threshold,
        model.recipe.to_toml()?
    ))
}
