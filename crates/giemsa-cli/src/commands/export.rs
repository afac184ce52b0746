//! `giemsa export`: writes a model in the format of another tool.

use crate::model::{file_of, load};
use crate::print::{escaped, print_line, print_results};
use crate::{Context, Outcome};
use giemsa::RESEARCH_ONLY;
use giemsa::model::format::{Format, python_module};
use giemsa::output::destination::{Replace, check_destinations};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  giemsa export builtin --to onnx --out compact.onnx
  giemsa export runs/compact-1/model.safetensors --to keras --out compact.keras
  giemsa export builtin --to safetensors-pytorch --out compact.safetensors --print-module > network.py

docs/formats.md describes the input and the output of each format.";

/// Arguments of `giemsa export`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ExportArgs {
    /// Model file, or `builtin` for the built-in model
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Format: onnx, keras, keras-weights, legacy-h5 or safetensors-pytorch.
    #[arg(long, value_name = "FORMAT", requires = "out", required_unless_present = "print_module")]
    to: Option<Format>,
    /// Write the model to this new file.
    #[arg(long, value_name = "FILE", requires = "to")]
    out: Option<PathBuf>,
    /// Print the Python text of the PyTorch module that loads the file of safetensors-pytorch.
    #[arg(long)]
    print_module: bool,
    /// Replace the file of --out if it exists.
    #[arg(long, requires = "out")]
    force: bool,
}

/// Writes the model, prints what its input and output are, or prints the module.
pub fn run(args: ExportArgs, context: &Context) -> anyhow::Result<Outcome> {
    let model = load(Some(&args.model))?;
    if let (Some(format), Some(out)) = (args.to, &args.out) {
        let inputs: Vec<PathBuf> = file_of(Some(&args.model)).map(Path::to_owned).into_iter().collect();
        let replace = if args.force { Replace::Any } else { Replace::Own };
        check_destinations(std::slice::from_ref(out), &inputs, replace)?;
        model.export(format, out)?;
        if !args.print_module {
            let interface = format.interface(&model);
            print_line(context, &format!("{}: {interface}\n{RESEARCH_ONLY}", escaped(out.display())));
        }
    }
    if args.print_module {
        print_results(|out| write!(out, "{}", python_module(&model)))?;
    }
    Ok(Outcome::Done)
}
