//! `giemsa predict`: the predicted class of each image, one row per image.

use crate::exit::Fault;
use crate::hints::with_advice;
use crate::model::ModelArgs;
use crate::paths::PathArgs;
use crate::{Context, Outcome, number_of};
use anyhow::Context as _;
use clap::ValueEnum;
use giemsa::RESEARCH_ONLY;
use giemsa::classes::Class;
use giemsa::image::ImageError;
use giemsa::model::Prediction;
use giemsa::model::rows::{PredictionRow, cell, probabilities, reason};
use giemsa::output::{path_bytes, printable};
use giemsa::smear::count_if_field;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;

const EXAMPLES: &str = "\
Examples:
  giemsa predict cell.png
  giemsa predict slide/ --tta --format csv > cells.csv
  find . -name '*.png' | giemsa predict --model runs/compact-1/model.safetensors - --format jsonl

CSV columns: path, predicted, probability_parasitized, probability_uninfected, error, cell, class, reason.
JSON keys: path, predicted, probability (an object by class name), cell, class and, without a class, reason; or path, error.
The key cell is the probability that the image shows a single red cell. If it is below the model's threshold, the image is \
refused: it has no class, and the reason is \"not a red cell\". The keys predicted and class are equal.
Of a folder, the files with the extension or the content of an image are read. GIF and WebP images are listed as unreadable.

CSV contains paths unchanged. Text contains them with control characters escaped, such as \\n and \\x1b. In JSON, a path \
that is not UTF-8 has U+FFFD in place of the other bytes, and the key path_bytes contains its bytes in Base64.

A photograph of a whole field is not classified: its row has the error \"a smear photograph with about 110 cells, not one \
cell: use giemsa count\".
An unreadable image or folder has a row with the error. If there are such rows, the exit code is 5, or 3 if all \
rows are.";

/// Arguments of `giemsa predict`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct PredictArgs {
    #[command(flatten)]
    images: PathArgs,
    #[command(flatten)]
    model: ModelArgs,
    /// Give a class to every image, also if it is not a single red cell or shows a whole field
    #[arg(long)]
    any_image: bool,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// The output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Readable text.
    Text,
    /// CSV with a header.
    Csv,
    /// One JSON object per line.
    Jsonl,
}

/// Predicts the class of every image.
pub fn run(args: PredictArgs, context: &Context) -> anyhow::Result<Outcome> {
    let model = args.model.load()?;
    let mut fault = None;
    let inputs = args.images.expand()?.map_while(|input| input.map_err(|error| fault = Some(error)).ok());
    let mut rows = Rows::new(args.format, BufWriter::new(io::stdout()));
    if args.format != Format::Text && !context.quiet {
        crate::print::print_note(RESEARCH_ONLY);
    }
    let mut failure = None;
    let predictor = model.predictor(args.model.tta());
    let predictor = if args.any_image { predictor } else { predictor.refusing_fields(count_if_field) };
    let predicted = predictor.predict_files(inputs, |path, mut result| {
        if let (Ok(prediction), true) = (&mut result, args.any_image) {
            prediction.class = Some(prediction.class_of_any_image);
        }
        match rows.write(path, &result) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    if let Some(error) = failure {
        return Err(error).context("standard output");
    }
    predicted.with_context(|| args.model.name())?;
    rows.end(model.threshold).context("standard output")?;
    if let Some(fault) = fault {
        return Err(fault.into());
    }
    if rows.readable() == 0 && rows.fields > 0 {
        return Err(Fault::Data("no image shows a single cell".to_owned()).into());
    }
    Ok(args.images.outcome(rows.readable(), rows.unreadable + rows.fields)?)
}

/// Writes one row per image, and counts them.
struct Rows<W: Write> {
    format: Format,
    out: W,
    parasitized: u64,
    uninfected: u64,
    refused: u64,
    /// Photographs of whole fields.
    fields: u64,
    unreadable: u64,
}

/// The columns of CSV. The class is also in the column `predicted`, as in earlier versions.
const COLUMNS: [&str; 8] =
    ["path", "predicted", "probability_parasitized", "probability_uninfected", "error", "cell", "class", "reason"];

/// Rows after which the buffer is flushed, so that a reader of a pipe receives them soon.
const FLUSH_EVERY: u64 = 100;

impl<W: Write> Rows<W> {
    fn new(format: Format, out: W) -> Rows<W> {
        Rows { format, out, parasitized: 0, uninfected: 0, refused: 0, fields: 0, unreadable: 0 }
    }

    fn readable(&self) -> u64 {
        self.parasitized + self.uninfected + self.refused
    }

    fn count(&self) -> u64 {
        self.readable() + self.fields + self.unreadable
    }

    fn write(&mut self, path: &Path, result: &Result<Prediction, ImageError>) -> io::Result<()> {
        if self.count() == 0 && self.format == Format::Csv {
            writeln!(self.out, "{}", COLUMNS.join(","))?;
        }
        *match result.as_ref().map(|prediction| prediction.class) {
            Ok(Some(Class::Parasitized)) => &mut self.parasitized,
            Ok(Some(Class::Uninfected)) => &mut self.uninfected,
            Ok(None) => &mut self.refused,
            Err(ImageError::SeveralCells { .. }) => &mut self.fields,
            Err(_) => &mut self.unreadable,
        } += 1;
        // The path has a column of its own.
        let is_field = matches!(result, Err(ImageError::SeveralCells { .. }));
        let result = result.as_ref().map_err(|error| with_advice(error.reason(), error));
        match self.format {
            Format::Text => {
                write_text(&mut self.out, path, result, if is_field { "whole field" } else { "unreadable" })?
            }
            Format::Csv => write_csv(&mut self.out, path, result)?,
            Format::Jsonl => write_json(&mut self.out, path, result)?,
        }
        if self.count().is_multiple_of(FLUSH_EVERY) { self.out.flush() } else { Ok(()) }
    }

    fn end(&mut self, threshold: f32) -> io::Result<()> {
        if self.format == Format::Text && self.count() > 0 {
            let images = number_of(self.count() as usize, "image");
            let Rows { parasitized, uninfected, .. } = self;
            let others =
                [(self.refused, "not a red cell"), (self.fields, "of a whole field"), (self.unreadable, "unreadable")];
            let others: String = others
                .iter()
                .filter(|(number, _)| *number > 0)
                .map(|(number, what)| format!(", {number} {what}"))
                .collect();
            writeln!(
                self.out,
                "{images}: {parasitized} Parasitized, {uninfected} Uninfected{others}. \
                 Decision threshold: P(Parasitized) >= {threshold:.3}.\n{RESEARCH_ONLY}",
            )?;
        }
        self.out.flush()
    }
}

/// Writes a row of text. `without_class` takes the place of the class if there is an error.
fn write_text(
    out: &mut impl Write,
    path: &Path,
    result: Result<&Prediction, String>,
    without_class: &str,
) -> io::Result<()> {
    match &result {
        Ok(prediction) => {
            let class = prediction.class.map_or("not a cell", Class::name);
            write!(out, "{class:<11}  P(Parasitized) = {:.3}  ", prediction.probability_parasitized)?;
        }
        Err(_) => write!(out, "{without_class:<11}  {:22}  ", "")?,
    }
    out.write_all(&printable(&path_bytes(path)))?;
    if let Err(reason) = result {
        out.write_all(b": ")?;
        out.write_all(&printable(reason.as_bytes()))?;
    }
    out.write_all(b"\n")
}

fn write_csv(out: &mut impl Write, path: &Path, result: Result<&Prediction, String>) -> io::Result<()> {
    // One writer per row: a CSV writer over `out` would flush every row to the file.
    let mut row = csv::Writer::from_writer(Vec::new());
    row.write_field(path_bytes(path))?;
    match result {
        Ok(prediction) => {
            let [parasitized, uninfected] = probabilities(prediction).map(|p| p.to_string());
            let class = prediction.class.map_or("", Class::name);
            let cell = cell(prediction).map_or(String::new(), |p| p.to_string());
            row.write_record([class, &parasitized, &uninfected, "", &cell, class, reason(prediction).unwrap_or("")])?;
        }
        Err(reason) => row.write_record(["", "", "", &reason, "", "", ""])?,
    }
    out.write_all(&row.into_inner().map_err(|e| e.into_error())?)
}

fn write_json(out: &mut impl Write, path: &Path, result: Result<&Prediction, String>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &PredictionRow::new(path, result))?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use giemsa::model::{Logits, Model};

    fn row(format: Format, path: impl AsRef<Path>, result: &Result<Prediction, ImageError>) -> Vec<u8> {
        let mut rows = Rows::new(format, Vec::new());
        rows.write(path.as_ref(), result).unwrap();
        rows.out
    }

    fn text(format: Format, path: &str, result: &Result<Prediction, ImageError>) -> String {
        String::from_utf8(row(format, path, result)).unwrap()
    }

    /// P(Parasitized) = 0.975: the sigmoid of the logit -ln(0.975 / 0.025) is 0.025.
    fn parasitized() -> Result<Prediction, ImageError> {
        let mut model = Model::embedded().unwrap();
        (model.temperature, model.threshold) = (1.0, 0.5);
        Ok(model.prediction(Logits { class: -39_f32.ln(), red_cell: None }).unwrap())
    }

    /// A probability of a red cell of 0.025, below the threshold.
    fn refused() -> Result<Prediction, ImageError> {
        let mut model = Model::embedded().unwrap();
        model.red_cell_threshold = 0.5;
        Ok(model.prediction(Logits { class: 0.0, red_cell: Some(-39_f32.ln()) }).unwrap())
    }

    fn broken() -> Result<Prediction, ImageError> {
        let error = giemsa::image::decode_bytes(b"", Path::new("b.png")).unwrap_err();
        assert!(error.to_string().starts_with("b.png: "), "{error}");
        Err(error)
    }

    const HEADER: &str = "path,predicted,probability_parasitized,probability_uninfected,error,cell,class,reason\n";

    #[test]
    fn a_row_contains_path_class_and_probability() {
        assert_eq!(text(Format::Text, "a.png", &parasitized()), "Parasitized  P(Parasitized) = 0.975  a.png\n");
        let expected = format!("{HEADER}\"a,\"\"b.png\",Parasitized,0.975,0.025,,,Parasitized,\n");
        assert_eq!(text(Format::Csv, "a,\"b.png", &parasitized()), expected);
        let json: serde_json::Value = serde_json::from_slice(&row(Format::Jsonl, "a.png", &parasitized())).unwrap();
        let expected = serde_json::json!({"path": "a.png", "predicted": "Parasitized",
            "probability": {"Parasitized": 0.975, "Uninfected": 0.025}, "cell": null, "class": "Parasitized"});
        assert_eq!(json, expected);
    }

    #[test]
    fn a_refused_image_has_a_reason_and_no_class() {
        assert_eq!(text(Format::Text, "a.png", &refused()), "not a cell   P(Parasitized) = 0.500  a.png\n");
        let expected = format!("{HEADER}a.png,,0.5,0.5,,0.025,,not a red cell\n");
        assert_eq!(text(Format::Csv, "a.png", &refused()), expected);
        let json: serde_json::Value = serde_json::from_slice(&row(Format::Jsonl, "a.png", &refused())).unwrap();
        let expected = serde_json::json!({"path": "a.png", "predicted": null, "cell": 0.025, "class": null,
            "reason": "not a red cell", "probability": {"Parasitized": 0.5, "Uninfected": 0.5}});
        assert_eq!(json, expected);
    }

    #[test]
    fn a_row_of_an_unreadable_image_contains_the_path_once_and_the_error() {
        let reason = broken().unwrap_err().reason();
        assert!(!reason.contains("b.png"), "{reason}");
        let line = text(Format::Text, "b.png", &broken());
        assert!(line.starts_with("unreadable   ") && line.ends_with(&format!("  b.png: {reason}\n")), "{line}");
        let csv_row = row(Format::Csv, "b.png", &broken());
        let mut csv = csv::Reader::from_reader(&csv_row[..]);
        let record = csv.records().next().unwrap().unwrap();
        assert_eq!(record.iter().collect::<Vec<_>>(), ["b.png", "", "", "", &reason, "", "", ""]);
        let json: serde_json::Value = serde_json::from_slice(&row(Format::Jsonl, "b.png", &broken())).unwrap();
        assert_eq!(json, serde_json::json!({"path": "b.png", "error": reason}));
    }

    #[cfg(unix)]
    #[test]
    fn text_and_csv_contain_paths_that_are_not_utf8_unchanged() {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(b"d\xff.png"));
        for result in [parasitized(), Err(giemsa::image::decode_bytes(b"", path).unwrap_err())] {
            for format in [Format::Text, Format::Csv] {
                let row = row(format, path, &result);
                assert!(row.windows(6).any(|bytes| bytes == b"d\xff.png"), "{row:?}");
                assert!(!String::from_utf8_lossy(&row).replacen('\u{fffd}', "", 1).contains('\u{fffd}'), "{row:?}");
            }
        }
    }

    #[test]
    fn the_closing_line_contains_totals_and_threshold() {
        let mut rows = Rows::new(Format::Text, Vec::new());
        rows.write(Path::new("a.png"), &parasitized()).unwrap();
        rows.write(Path::new("b.png"), &broken()).unwrap();
        rows.end(0.653).unwrap();
        let text = String::from_utf8(rows.out).unwrap();
        let expected =
            "2 images: 1 Parasitized, 0 Uninfected, 1 unreadable. Decision threshold: P(Parasitized) >= 0.653.";
        assert!(text.contains(expected), "{text}");
    }
}
