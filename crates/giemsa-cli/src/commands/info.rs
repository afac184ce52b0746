//! `giemsa info`: the model card, or, where a model has none, what its file says of it.

use crate::{Context, Outcome};
use giemsa::RESEARCH_ONLY;
use giemsa::model::Model;
use std::io::Write;

const EXAMPLES: &str = "\
Examples:
  giemsa info
  giemsa info --model runs/compact-1/model.safetensors";

/// Arguments of `giemsa info`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct InfoArgs {
    /// The model file. [default: the model in the program]
    #[arg(long, value_name = "FILE")]
    model: Option<std::path::PathBuf>,
}

/// Prints it.
pub fn run(args: InfoArgs, _: &Context) -> anyhow::Result<Outcome> {
    let model = crate::model::load(args.model.as_deref())?;
    let text = model.card.clone().map_or_else(|| without_card(&model), Ok)?;
    write!(std::io::stdout(), "{text}")?;
    Ok(Outcome::Done)
}

/// What can be said of any model.
fn without_card(model: &Model) -> anyhow::Result<String> {
    let parameters: usize = model.network.summary().iter().map(|row| row.trainable + row.non_trainable).sum();
    let aim = model.threshold_aim.as_deref().unwrap_or("none stated");
    Ok(format!(
        "A model of the recipe {}, without a model card: how it was judged is not known.\n{RESEARCH_ONLY}\n\n\
         Parameters: {parameters}\nTemperature: {}\nThreshold: {} (aim: {aim})\n\nThe recipe:\n\n{}",
        model.recipe.name,
        model.temperature,
        model.threshold,
        model.recipe.to_toml()?
    ))
}
