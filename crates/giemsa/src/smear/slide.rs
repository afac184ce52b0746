//! Counts the cells of a slide.

use super::error::CountError;
use super::grouping::SlideFiles;
use super::parasitaemia::{Parasitaemia, RED_CELLS_PER_MICROLITRE, parasitaemia};
use super::photograph::{FoundObject, Photograph, find_cells_in_files};
use super::{FieldCount, ObjectKind, Verdict, centre_logits};
use crate::classes::Class;
use crate::model::{CellErrors, Logits, Model, ModelError, Predictor};
use serde::Serialize;
use std::collections::VecDeque;
use std::mem::take;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// The photographs of a slide, with their cells counted.
#[derive(Debug)]
#[non_exhaustive]
pub struct Slide {
    /// The name of the slide.
    pub name: String,
    /// Its photographs.
    pub photographs: Vec<Photograph>,
    /// The files that are no photographs of a smear or cannot be read.
    pub skipped: Vec<(PathBuf, CountError)>,
    /// What is counted on all of them.
    pub counts: Counts,
    /// By how much the logits of *Parasitized* of its cells were shifted, see [`centre_logits`].
    pub shift_logits: f32,
    /// The parasitaemia; `None` without red cells.
    pub parasitaemia: Option<Parasitaemia>,
}

/// The numbers of counted objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Single red cells, infected or not.
    pub red_cells: u64,
    /// Red cells that are classified as Parasitized.
    pub infected: u64,
    /// Red cells in clusters that cannot be separated, estimated from their area. They are not classified, and so no part of
    /// the parasitaemia.
    pub in_clusters: u64,
    /// White cells.
    pub white_cells: u64,
    /// Platelets.
    pub platelets: u64,
    /// Anything else.
    pub artefacts: u64,
}

/// Centres the logits of all cells of a slide, classifies them, and computes the parasitaemia of the counted ones.
///
/// # Errors
/// [`ModelError::NonFiniteOutput`] if a logit is not finite.
///
/// # Panics
/// If `red_cells_per_microlitre` is not a positive number.
pub fn count_slide(
    model: &Model,
    name: &str,
    mut photographs: Vec<Photograph>,
    red_cells_per_microlitre: f64,
) -> Result<Slide, ModelError> {
    let mut logits: Vec<Logits> = cells(&photographs).filter_map(|cell| cell.logits).collect();
    let shift_logits = centre_logits(model, &mut logits);
    let mut centred = logits.into_iter();
    for cell in photographs.iter_mut().flat_map(|photograph| &mut photograph.cells) {
        if cell.logits.is_some() {
            cell.prediction = centred.next().map(|logits| model.prediction(logits)).transpose()?;
        }
    }
    let mut slide = Slide {
        name: name.to_owned(),
        counts: Counts::default(),
        shift_logits,
        parasitaemia: None,
        photographs,
        skipped: Vec::new(),
    };
    slide.count(model.error_rates, red_cells_per_microlitre);
    Ok(slide)
}

/// Settings of [`count_slides`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CountSettings {
    /// The diameter of a red cell in pixels; `None` to estimate it for each photograph.
    pub cell_diameter_px: Option<f32>,
    /// Red cells per microlitre of blood, a positive number.
    pub red_cells_per_microlitre: f64,
}

impl Default for CountSettings {
    fn default() -> CountSettings {
        CountSettings { cell_diameter_px: None, red_cells_per_microlitre: RED_CELLS_PER_MICROLITRE }
    }
}

/// Counts slides, and passes each of them to `each_slide` as soon as it is complete, in their order. `each_photograph` is
/// called once per file. If it breaks, the slide in work is passed on with the photographs that are finished, and the count
/// ends; if `each_slide` breaks, the count ends at once.
///
/// The pixels of a few photographs per thread are in memory at once, and the cells of one slide.
///
/// ```
/// use giemsa::model::Model;
/// use giemsa::smear::{CountSettings, SlideBy, count_slides, group_by_slide};
/// use std::ops::ControlFlow::Continue;
///
/// let model = Model::embedded()?;
/// let slides = group_by_slide([Ok("slide/missing.jpg".into())], &SlideBy::Folder);
/// count_slides(&model.predictor(Default::default()), slides, CountSettings::default(), || Continue(()), |slide| {
///     assert_eq!((&slide.name[..], slide.skipped.len()), ("slide", 1));
///     assert!(slide.parasitaemia.is_none());
///     Continue(())
/// })?;
/// # Ok::<(), giemsa::model::ModelError>(())
/// ```
///
/// # Errors
/// [`ModelError::NonFiniteOutput`] if an output of the network is not finite.
///
/// # Panics
/// If the red cells per microlitre are not a positive number.
pub fn count_slides(
    predictor: &Predictor<'_>,
    slides: Vec<SlideFiles>,
    settings: CountSettings,
    mut each_photograph: impl FnMut() -> ControlFlow<()>,
    mut each_slide: impl FnMut(Slide) -> ControlFlow<()>,
) -> Result<(), ModelError> {
    let mut left: VecDeque<(String, usize)> =
        slides.iter().map(|slide| (slide.name.clone(), slide.photographs.len())).collect();
    let paths = slides.into_iter().flat_map(|slide| slide.photographs);
    let (mut photographs, mut skipped) = (Vec::new(), Vec::new());
    find_cells_in_files(predictor, paths, settings.cell_diameter_px, |path, result| {
        match result {
            Ok(photograph) => photographs.push(photograph),
            Err(error) => skipped.push((path, error)),
        }
        let mut flow = each_photograph();
        let is_complete = left.front().is_none_or(|(_, files)| photographs.len() + skipped.len() == *files);
        if is_complete || flow.is_break() {
            let (name, _) = left.pop_front().unwrap_or_default();
            let mut slide =
                count_slide(predictor.model(), &name, take(&mut photographs), settings.red_cells_per_microlitre)?;
            slide.skipped = take(&mut skipped);
            if each_slide(slide).is_break() {
                flow = ControlFlow::Break(());
            }
        }
        Ok(flow)
    })
}

impl Slide {
    /// Counts the objects by their classes, and computes the parasitaemia. `error_rates` are those of the classes.
    pub(super) fn count(&mut self, error_rates: Option<CellErrors>, red_cells_per_microlitre: f64) {
        let field = |counts: Counts| FieldCount { red_cells: counts.red_cells, infected: counts.infected };
        let fields: Vec<FieldCount> = self.photographs.iter().map(|photograph| field(photograph.counts())).collect();
        self.counts = Counts::of(cells(&self.photographs));
        self.parasitaemia = parasitaemia(&fields, error_rates, red_cells_per_microlitre);
    }
}

fn cells(photographs: &[Photograph]) -> impl Iterator<Item = &FoundObject> {
    photographs.iter().flat_map(|photograph| &photograph.cells)
}

impl FoundObject {
    /// Returns whether the object is a red cell that is classified as Parasitized.
    #[must_use]
    pub fn is_infected(&self) -> bool {
        self.class() == Some(Class::Parasitized)
    }

    /// Returns the class of a red cell: that of a reviewer, else the predicted one; `None` for anything else.
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        let predicted = self.prediction.and_then(|prediction| prediction.class);
        let class = self.verdict.and_then(Verdict::class).or(predicted);
        class.filter(|_| self.object.kind == ObjectKind::RedCell)
    }

    /// Returns the computed probability that a red cell is infected; `None` for anything else.
    #[must_use]
    pub fn probability_parasitized(&self) -> Option<f32> {
        let prediction = self.prediction.filter(|_| self.object.kind == ObjectKind::RedCell);
        prediction.map(|prediction| prediction.probability_parasitized)
    }
}

impl Photograph {
    /// Returns the numbers of counted objects.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts::of(&self.cells)
    }
}

impl Counts {
    fn of<'a>(cells: impl IntoIterator<Item = &'a FoundObject>) -> Counts {
        let mut counts = Counts::default();
        for cell in cells.into_iter().filter(|cell| cell.is_counted) {
            match cell.object.kind {
                ObjectKind::RedCell => {
                    counts.red_cells += 1;
                    counts.infected += u64::from(cell.is_infected());
                }
                ObjectKind::Cluster => counts.in_clusters += u64::from(cell.object.cells),
                ObjectKind::WhiteCell => counts.white_cells += 1,
                ObjectKind::Platelet => counts.platelets += 1,
                ObjectKind::Artefact => counts.artefacts += 1,
            }
        }
        counts
    }
}
