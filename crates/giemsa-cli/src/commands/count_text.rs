//! The text of `giemsa count`: one row per slide, what there is to say about it below, and the totals.

use crate::number_of;
use crate::print::escaped;
use giemsa::RESEARCH_ONLY;
use giemsa::output::{path_bytes, printable};
use giemsa::smear::count_report::AgreementRow;
use giemsa::smear::{Density, Estimate, Slide, grouped, percentage};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

/// Names of slides are not padded to more than this.
const WIDEST_NAME: usize = 40;
/// The widths of the columns after the name. The last one is not padded.
const WIDTHS: [usize; 7] = [11, 9, 8, 11, 28, 28, 0];
const HEADINGS: [&str; 7] = [
    "photographs",
    "red cells",
    "infected",
    "white cells",
    "parasitaemia (95 % interval)",
    "measured",
    "shift of logits",
];

/// A table of slides, with their totals.
pub struct Table {
    name_width: usize,
    slides: usize,
    photographs: usize,
    skipped: usize,
    red_cells: u64,
    infected: u64,
}

impl Table {
    /// Creates a table for slides of these names.
    pub fn new<'a>(names: impl Iterator<Item = &'a str>) -> Table {
        let widest = names.map(|name| escaped(name).chars().count()).max().unwrap_or_default();
        let name_width = widest.clamp("slide".len(), WIDEST_NAME);
        Table { name_width, slides: 0, photographs: 0, skipped: 0, red_cells: 0, infected: 0 }
    }

    /// Writes a slide, and the heading before the first one.
    pub fn write_slide(&mut self, out: &mut impl Write, slide: &Slide) -> io::Result<()> {
        if self.slides == 0 {
            self.write_row(out, "slide", &HEADINGS.map(str::to_owned))?;
        }
        self.slides += 1;
        self.photographs += slide.photographs.len();
        self.skipped += slide.skipped.len();
        self.red_cells += slide.counts.red_cells;
        self.infected += slide.counts.infected;
        self.write_row(out, &escaped(&slide.name), &cells(slide))?;
        if let Some(parasitaemia) = &slide.parasitaemia {
            if let Some(detection) = &parasitaemia.detection {
                writeln!(out, "  {}", detection.sentence)?;
            }
            writeln!(out, "  {}", parasitaemia.sufficiency.reason)?;
            let Density { value, low, high } = parasitaemia.parasites_per_microlitre;
            let [value, low, high] = [value, low, high].map(density_text);
            let red_cells = grouped(parasitaemia.red_cells_per_microlitre.round() as u64);
            writeln!(
                out,
                "  {value} infected cells per microlitre of blood ({low} to {high}), assuming {red_cells} red cells"
            )?;
        }
        for photograph in &slide.photographs {
            for warning in &photograph.warnings {
                write_about(out, "warning", &photograph.path, &warning.to_string())?;
            }
        }
        slide.skipped.iter().try_for_each(|(path, error)| write_about(out, "not counted", path, &error.reason()))
    }

    fn write_row(&self, out: &mut impl Write, name: &str, cells: &[String; 7]) -> io::Result<()> {
        let mut row = format!("{name:<0$}", self.name_width);
        for (i, (cell, width)) in cells.iter().zip(WIDTHS).enumerate() {
            // Writing to a String does not fail. Counts are aligned to the right.
            let _ = if i < 4 { write!(row, "  {cell:>width$}") } else { write!(row, "  {cell:<width$}") };
        }
        writeln!(out, "{}", row.trim_end())
    }

    /// Writes the totals, the agreement with boxes drawn by people, and the notice.
    pub fn write_end(&self, out: &mut impl Write, threshold: f32, agreement: Option<&AgreementRow>) -> io::Result<()> {
        let skipped = if self.skipped == 0 { String::new() } else { format!(", {} not counted", self.skipped) };
        writeln!(
            out,
            "{}, {}{skipped}: {} red cells, {} infected. Decision threshold: P(Parasitized) >= {threshold:.3}.",
            number_of(self.slides, "slide"),
            number_of(self.photographs, "photograph"),
            grouped(self.red_cells),
            grouped(self.infected),
        )?;
        if let Some(agreement) = agreement {
            out.write_all(agreement_text(agreement).as_bytes())?;
        }
        writeln!(out, "{RESEARCH_ONLY}")
    }
}

fn cells(slide: &Slide) -> [String; 7] {
    let counts = slide.counts;
    let estimate = |estimate: Option<Estimate>| estimate.map_or("-".to_owned(), estimate_text);
    let parasitaemia = slide.parasitaemia.as_ref();
    [
        slide.photographs.len().to_string(),
        grouped(counts.red_cells),
        grouped(counts.infected),
        grouped(counts.white_cells),
        estimate(parasitaemia.map(|p| Estimate { value: p.value, low: p.low, high: p.high })),
        estimate(parasitaemia.map(|p| p.measured)),
        format!("{:+.2}", slide.shift_logits),
    ]
}

fn estimate_text(Estimate { value, low, high }: Estimate) -> String {
    format!("{} ({} to {})", percentage(value), percentage(low), percentage(high))
}

/// Rounds a number to two significant digits.
fn density_text(number: f64) -> String {
    let unit = 10_f64.powf((number.max(1.0).log10().floor() - 1.0).max(0.0));
    grouped(((number / unit).round() * unit) as u64)
}

/// Writes a line about a file, with the bytes of its path unchanged but for control characters.
fn write_about(out: &mut impl Write, what: &str, path: &Path, message: &str) -> io::Result<()> {
    write!(out, "  {what}: ")?;
    out.write_all(&printable(&path_bytes(path)))?;
    writeln!(out, ": {}", escaped(message))
}

/// Returns the agreement with boxes drawn by people in a few lines.
pub fn agreement_text(row: &AgreementRow) -> String {
    let agreement = &row.agreement;
    let number = |value: Option<f64>| value.map_or("undefined".to_owned(), |value| format!("{value:.3}"));
    let share = |value: Option<f64>| value.map_or("undefined".to_owned(), percentage);
    let [low, high] = agreement.limits_of_agreement.map_or([None; 2], |limits| limits.map(Some));
    let cells = |value: Option<f64>| value.map_or("undefined".to_owned(), |value| format!("{value:+.1}"));
    let without = match row.photographs_without_truth {
        0 => String::new(),
        count => format!("; {} without marked cells left out", number_of(count, "photograph")),
    };
    format!(
        "Agreement with {}: {}, {} marked cells away from the border{without}.\n  \
         Recall {}, precision {}, F1 {} at an intersection over union of 0.5.\n  \
         Count error per photograph {}. Found minus marked cells: mean {}, limits of agreement {} to {}.\n  \
         Parasitaemia of all cells, also at the border: {} found, {} marked. Sensitivity {}, specificity {} of the cells that are marked and found.\n",
        escaped(&row.truth),
        number_of(agreement.photographs, "photograph"),
        grouped(agreement.true_cells),
        number(agreement.recall),
        number(agreement.precision),
        number(agreement.f1),
        share(agreement.count_error),
        cells(agreement.mean_difference),
        cells(low),
        cells(high),
        share(agreement.found_parasitaemia),
        share(agreement.true_parasitaemia),
        number(agreement.sensitivity),
        number(agreement.specificity),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn densities_have_two_significant_digits() {
        let cases = [(0.0, "0"), (7.4, "7"), (99.6, "100"), (1_449.0, "1,400"), (193_482.0, "190,000")];
        assert!(cases.iter().all(|&(number, expected)| density_text(number) == expected));
    }
}
