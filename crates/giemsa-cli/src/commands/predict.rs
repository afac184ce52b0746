//! `giemsa predict`: the class of each image, one row an image.

use crate::model::ModelArgs;
use crate::paths::PathArgs;
use crate::{Context, Outcome};
use anyhow::Context as _;
use clap::ValueEnum;
use giemsa::RESEARCH_ONLY;
use giemsa::classes::Class;
use giemsa::image::ImageError;
use giemsa::model::Prediction;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;

const EXAMPLES: &str = "\
Examples:
  giemsa predict cell.png
  giemsa predict slide/ --tta --format csv > cells.csv
  find . -name '*.png' | giemsa predict --model runs/compact-1/model.safetensors - --format jsonl

An image that cannot be read has a row that says why; the exit code is then 5.";

/// Arguments of `giemsa predict`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct PredictArgs {
    #[command(flatten)]
    images: PathArgs,
    #[command(flatten)]
    model: ModelArgs,
    /// How a row is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// A table with a line of names.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

/// Names the class of every image.
pub fn run(args: PredictArgs, context: &Context) -> anyhow::Result<Outcome> {
    let model = args.model.load()?;
    let paths = args.images.expand()?;
    let mut rows = Rows { format: args.format, out: BufWriter::new(io::stdout()), written: 0, unreadable: 0 };
    if args.format != Format::Text && !context.quiet {
        eprintln!("{RESEARCH_ONLY}");
    }
    rows.begin()?;
    let mut failure = None;
    let predicted =
        model.predictor(args.model.tta()).predict_files(paths, |path, result| match rows.write(path, &result) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        });
    if let Some(error) = failure {
        return Err(error).context("standard output");
    }
    predicted?;
    rows.end()?;
    Ok(if rows.unreadable > 0 { Outcome::SomeSkipped } else { Outcome::Done })
}

/// Writes rows as they come.
struct Rows<W: Write> {
    format: Format,
    out: W,
    written: u64,
    unreadable: u64,
}

/// The rows that are written before the buffer is handed on, so that a reader sees them soon.
const FLUSH_EVERY: u64 = 100;

impl<W: Write> Rows<W> {
    fn begin(&mut self) -> io::Result<()> {
        match self.format {
            Format::Csv => writeln!(self.out, "path,class,probability_parasitized,probability_uninfected,error"),
            Format::Text | Format::Jsonl => Ok(()),
        }
    }

    fn write(&mut self, path: &Path, result: &Result<Prediction, ImageError>) -> io::Result<()> {
        self.unreadable += u64::from(result.is_err());
        self.written += 1;
        let name = path.to_string_lossy();
        match self.format {
            Format::Text => write_text(&mut self.out, &name, result)?,
            Format::Csv => write_csv(&mut self.out, &name, result)?,
            Format::Jsonl => write_json(&mut self.out, &name, result)?,
        }
        if self.written.is_multiple_of(FLUSH_EVERY) { self.out.flush() } else { Ok(()) }
    }

    fn end(&mut self) -> io::Result<()> {
        if self.format == Format::Text {
            if self.unreadable > 0 {
                writeln!(self.out, "{} of {} could not be read.", self.unreadable, self.written)?;
            }
            writeln!(self.out, "{RESEARCH_ONLY}")?;
        }
        self.out.flush()
    }
}

fn write_text(out: &mut impl Write, name: &str, result: &Result<Prediction, ImageError>) -> io::Result<()> {
    match result {
        Ok(prediction) => {
            let of_class = match prediction.class {
                Class::Parasitized => prediction.probability_parasitized,
                Class::Uninfected => 1.0 - prediction.probability_parasitized,
            };
            writeln!(out, "{:<11}  {:5.1} %  {name}", prediction.class, 100.0 * of_class)
        }
        Err(error) => writeln!(out, "{:<11}  {:>7}  {error}", "unreadable", ""),
    }
}

fn write_csv(out: &mut impl Write, name: &str, result: &Result<Prediction, ImageError>) -> io::Result<()> {
    // Through a row of its own, as a CSV writer would hand every row on to the file at once.
    let mut row = csv::Writer::from_writer(Vec::new());
    match result {
        Ok(prediction) => {
            let [parasitized, uninfected] = probabilities(prediction).map(|p| p.to_string());
            row.write_record([name, prediction.class.name(), &parasitized, &uninfected, ""])?;
        }
        Err(error) => row.write_record([name, "", "", "", &error.to_string()])?,
    }
    out.write_all(&row.into_inner().map_err(|e| e.into_error())?)
}

fn write_json(out: &mut impl Write, name: &str, result: &Result<Prediction, ImageError>) -> io::Result<()> {
    let row = match result {
        Ok(prediction) => {
            let [parasitized, uninfected] = probabilities(prediction);
            serde_json::json!({
                "path": name,
                "class": prediction.class,
                "probability": { "Parasitized": parasitized, "Uninfected": uninfected },
            })
        }
        Err(error) => serde_json::json!({ "path": name, "error": error.to_string() }),
    };
    serde_json::to_writer(&mut *out, &row)?;
    out.write_all(b"\n")
}

/// Of Parasitized and of Uninfected, to seven places, which is what an f32 holds.
fn probabilities(prediction: &Prediction) -> [f64; 2] {
    let parasitized = (f64::from(prediction.probability_parasitized) * 1e7).round() / 1e7;
    [parasitized, ((1.0 - parasitized) * 1e7).round() / 1e7]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(format: Format, name: &str, result: &Result<Prediction, ImageError>) -> String {
        let mut rows = Rows { format, out: Vec::new(), written: 0, unreadable: 0 };
        rows.write(Path::new(name), result).unwrap();
        String::from_utf8(rows.out).unwrap()
    }

    fn parasitized() -> Result<Prediction, ImageError> {
        Ok(Prediction { class: Class::Parasitized, probability_parasitized: 0.975 })
    }

    fn broken() -> Result<Prediction, ImageError> {
        Err(ImageError::Empty { path: "b.png".into() })
    }

    #[test]
    fn a_row_has_the_path_the_class_and_both_probabilities() {
        assert_eq!(row(Format::Text, "a.png", &parasitized()), "Parasitized   97.5 %  a.png\n");
        assert_eq!(row(Format::Csv, "a,\"b.png", &parasitized()), "\"a,\"\"b.png\",Parasitized,0.975,0.025,\n");
        let json: serde_json::Value = serde_json::from_str(&row(Format::Jsonl, "a.png", &parasitized())).unwrap();
        let expected = serde_json::json!({"path": "a.png", "class": "Parasitized",
            "probability": {"Parasitized": 0.975, "Uninfected": 0.025}});
        assert_eq!(json, expected);
    }

    #[test]
    fn a_row_of_an_unreadable_image_has_the_path_and_the_error() {
        assert!(row(Format::Text, "b.png", &broken()).contains("b.png: the file is empty"));
        assert_eq!(row(Format::Csv, "b.png", &broken()), "b.png,,,,b.png: the file is empty\n");
        let json: serde_json::Value = serde_json::from_str(&row(Format::Jsonl, "b.png", &broken())).unwrap();
        assert_eq!(json["error"], "b.png: the file is empty");
        assert_eq!(json["path"], "b.png");
    }
}
