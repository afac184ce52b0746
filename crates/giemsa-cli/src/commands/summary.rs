//! `giemsa summary`: the layers of a recipe or a model, in the format of Keras.

use crate::model::load;
use crate::print::print_results;
use crate::{Context, Outcome};
use giemsa::model::Recipe;
use giemsa::nn::{LayerSummary, Network};
use giemsa::smear::grouped;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  giemsa summary
  giemsa summary --recipe keras-tutorial
  giemsa summary --model runs/compact-1/model.safetensors --json";

/// Arguments of `giemsa summary`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct SummaryArgs {
    /// Built-in recipe, or the path of a .toml file.
    #[arg(long, value_name = "RECIPE", default_value = "compact", conflicts_with = "model")]
    recipe: String,
    /// Model file, or `builtin` for the built-in model.
    #[arg(long, value_name = "MODEL")]
    model: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(serde::Serialize)]
struct Summary {
    recipe: String,
    layers: Vec<LayerSummary>,
    parameters: usize,
    trainable: usize,
    non_trainable: usize,
}

/// Prints the table or the JSON.
pub fn run(args: SummaryArgs, _: &Context) -> anyhow::Result<Outcome> {
    let (recipe, network) = match &args.model {
        Some(path) => {
            let model = load(Some(path))?;
            (model.recipe, model.network)
        }
        None => {
            let recipe = Recipe::load(&args.recipe)?;
            let network = Network::new(recipe.input_shape(), &recipe.layers, 0)?;
            (recipe, network)
        }
    };
    let summary = summarise(recipe.name, network.summary());
    print_results(|out| {
        if args.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&summary)?)
        } else {
            out.write_all(table(&summary).as_bytes())
        }
    })?;
    Ok(Outcome::Done)
}

fn summarise(recipe: String, layers: Vec<LayerSummary>) -> Summary {
    let sum = |part: fn(&LayerSummary) -> usize| layers.iter().map(part).sum();
    let (trainable, non_trainable) = (sum(|layer| layer.trainable), sum(|layer| layer.non_trainable));
    Summary { recipe, layers, parameters: trainable + non_trainable, trainable, non_trainable }
}

fn table(summary: &Summary) -> String {
    let mut rows = vec![["Layer (type)".to_owned(), "Output Shape".to_owned(), "Param #".to_owned()]];
    rows.extend(summary.layers.iter().map(|layer| {
        let parameters = grouped((layer.trainable + layer.non_trainable) as u64);
        [format!("{} ({})", layer.name, layer.kind), output_shape(&layer.output), parameters]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let (first, second, third) = (width(0), width(1), width(2));
    let rule = |line: &str| line.repeat(first + second + third + 6) + "\n";
    let mut text = format!("Model: \"{}\"\n{}", summary.recipe, rule("_"));
    for (index, [layer, output, parameters]) in rows.iter().enumerate() {
        text += &format!("{layer:first$}   {output:second$}   {parameters:>third$}\n");
        if index == 0 {
            text += &rule("=");
        }
    }
    text += &rule("=");
    for (label, count) in [
        ("Total params", summary.parameters),
        ("Trainable params", summary.trainable),
        ("Non-trainable params", summary.non_trainable),
    ] {
        text += &format!("{label}: {} ({})\n", grouped(count as u64), size(count));
    }
    text
}

/// Formats an output shape as `(None, 25, 25, 16)`: the batch size is `None`, as it may be any.
fn output_shape(output: &[usize]) -> String {
    output.iter().fold("(None".to_owned(), |text, side| format!("{text}, {side}")) + ")"
}

/// Formats the memory size of f32 parameters as Keras does.
fn size(parameters: usize) -> String {
    let bytes = (parameters * size_of::<f32>()) as f64;
    match bytes {
        _ if bytes < 1024.0 => format!("{bytes:.2} B"),
        _ if bytes < 1024.0 * 1024.0 => format!("{:.2} KB", bytes / 1024.0),
        _ => format!("{:.2} MB", bytes / 1024.0 / 1024.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Keras 3 prints "1,163,545 (4.44 MB)" for the network of the tutorial.
    #[test]
    fn formats_sizes_as_keras_does() {
        assert_eq!(size(1_163_545), "4.44 MB");
        assert_eq!(size(0), "0.00 B");
    }

    #[test]
    fn the_batch_size_is_none() {
        assert_eq!(output_shape(&[25, 25, 16]), "(None, 25, 25, 16)");
        assert_eq!(output_shape(&[1]), "(None, 1)");
    }
}
