//! The count of a case.

use super::{Case, frame_px};
use giemsa::classes::Class;
use giemsa::model::{Model, ModelError, Prediction};
use giemsa::smear::{Counts, ObjectKind, Parasitaemia, Slide, Verdict, count_slide, review_slide};
use serde::Serialize;

/// A case whose objects have classes.
#[derive(Debug)]
pub struct CountedCase {
    /// The photographs.
    pub slide: Slide,
    /// The single cells.
    pub cells: Vec<CountedCell>,
    /// The decision threshold.
    pub threshold: f32,
}

/// A single cell with its class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CountedCell {
    /// The prediction, at the threshold of the model.
    pub prediction: Prediction,
    /// The class: that of the reviewer, or else the predicted one; `None` if it is no cell.
    pub class: Option<Class>,
    /// The verdict of a reviewer.
    pub verdict: Option<Verdict>,
}

/// What is counted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Count {
    /// The numbers of objects on the photographs.
    pub counts: Counts,
    /// The parasitaemia of the photographs; `None` without red cells.
    pub parasitaemia: Option<Parasitaemia>,
    /// The numbers of single cells.
    pub cells: CellCounts,
    /// The objects with a verdict.
    pub reviewed: u64,
    /// Those of the counted infected red cells and parasitized single cells that have a verdict.
    pub infected_reviewed: u64,
    /// The objects on which a reviewer could not decide.
    pub unsure: u64,
    /// The smallest parasitaemia that is detected with these cells; `None` if it is unknown.
    pub limit_of_detection: Option<f64>,
}

/// The numbers of single cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CellCounts {
    /// Infected ones.
    pub parasitized: u64,
    /// Healthy ones.
    pub uninfected: u64,
    /// Images that show no single cell.
    pub not_a_cell: u64,
}

/// Counts a case by the model, at its own threshold, without verdicts.
///
/// # Errors
/// If a logit is not finite.
pub fn computed(case: &Case, model: &Model) -> Result<CountedCase, ModelError> {
    count(case, model, model.threshold, false)
}

/// Counts a case with its verdicts. `threshold` is `None` for the one that is stored.
///
/// # Errors
/// If a logit is not finite.
pub fn current(case: &Case, model: &Model, threshold: Option<f32>) -> Result<CountedCase, ModelError> {
    count(case, model, threshold.or(case.row.threshold).unwrap_or(model.threshold), true)
}

fn count(case: &Case, model: &Model, threshold: f32, with_verdicts: bool) -> Result<CountedCase, ModelError> {
    let images = &case.images;
    let verdict = |image, frame| case.verdicts.verdict(image, frame).filter(|_| with_verdicts);
    let photographs = images.photographs.iter().map(|photograph| photograph.photograph.clone()).collect();
    let mut slide = count_slide(model, &case.row.name, photographs, case.row.red_cells_per_microlitre)?;
    review_slide(model, &mut slide, threshold, |photograph, object| {
        let photograph = &images.photographs[photograph];
        verdict(photograph.image, frame_px(&photograph.photograph.cells[object].object))
    });
    let cells = images.cells.iter().map(|cell| {
        let prediction = model.prediction(cell.logits)?;
        let verdict = verdict(cell.image, cell.frame_px());
        Ok(CountedCell { prediction, class: class(&prediction, verdict, threshold), verdict })
    });
    Ok(CountedCase { cells: cells.collect::<Result<_, ModelError>>()?, slide, threshold })
}

/// Returns the class of a single cell.
fn class(prediction: &Prediction, verdict: Option<Verdict>, threshold: f32) -> Option<Class> {
    match verdict {
        Some(Verdict::NotACell) => None,
        Some(Verdict::Parasitized | Verdict::Uninfected) => verdict.and_then(Verdict::class),
        Some(Verdict::Unsure) | None => {
            prediction.class.map(|_| Class::decide(prediction.probability_parasitized, threshold))
        }
    }
}

impl CountedCase {
    /// Returns the numbers.
    #[must_use]
    pub fn count(&self) -> Count {
        let found = || self.slide.photographs.iter().flat_map(|photograph| &photograph.cells);
        let is_infected = |cell: &&CountedCell| cell.class == Some(Class::Parasitized);
        let number = |of: fn(Option<Verdict>) -> bool| {
            let objects = found().filter(|found| of(found.verdict)).count();
            (objects + self.cells.iter().filter(|cell| of(cell.verdict)).count()) as u64
        };
        let infected_on_photographs = found()
            .filter(|found| found.is_counted && found.object.kind == ObjectKind::RedCell && found.is_infected())
            .filter(|found| found.verdict.is_some());
        let infected_cells = self.cells.iter().filter(is_infected).filter(|cell| cell.verdict.is_some());
        let detection = self.slide.parasitaemia.as_ref().and_then(|parasitaemia| parasitaemia.detection.as_ref());
        Count {
            counts: self.slide.counts,
            parasitaemia: self.slide.parasitaemia.clone(),
            cells: self.cell_counts(),
            reviewed: number(|verdict| verdict.is_some()),
            infected_reviewed: (infected_on_photographs.count() + infected_cells.count()) as u64,
            unsure: number(|verdict| verdict == Some(Verdict::Unsure)),
            limit_of_detection: detection.and_then(|detection| detection.limit.limit_of_detection),
        }
    }

    fn cell_counts(&self) -> CellCounts {
        let mut counts = CellCounts::default();
        for cell in &self.cells {
            match cell.class {
                Some(Class::Parasitized) => counts.parasitized += 1,
                Some(Class::Uninfected) => counts.uninfected += 1,
                None => counts.not_a_cell += 1,
            }
        }
        counts
    }
}
