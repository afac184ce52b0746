//! Counts the cells of a slide.

use super::parasitaemia::{Parasitaemia, parasitaemia};
use super::photograph::{FoundObject, Photograph};
use super::{FieldCount, ObjectKind, centre_logits};
use crate::classes::Class;
use crate::model::{Logits, Model, ModelError};

/// The photographs of a slide, with their cells counted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Slide {
    /// The name of the slide.
    pub name: String,
    /// Its photographs.
    pub photographs: Vec<Photograph>,
    /// What is counted on all of them.
    pub counts: Counts,
    /// By how much the logits of *Parasitized* of its cells were shifted, see [`centre_logits`].
    pub shift_logits: f32,
    /// The parasitaemia; `None` without red cells.
    pub parasitaemia: Option<Parasitaemia>,
}

/// The numbers of counted objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    let fields: Vec<FieldCount> = photographs
        .iter()
        .map(Photograph::counts)
        .map(|counts| FieldCount { red_cells: counts.red_cells, infected: counts.infected })
        .collect();
    Ok(Slide {
        name: name.to_owned(),
        counts: Counts::of(cells(&photographs)),
        shift_logits,
        parasitaemia: parasitaemia(&fields, model.error_rates, red_cells_per_microlitre),
        photographs,
    })
}

fn cells(photographs: &[Photograph]) -> impl Iterator<Item = &FoundObject> {
    photographs.iter().flat_map(|photograph| &photograph.cells)
}

impl FoundObject {
    /// Returns whether the object is a red cell that is classified as Parasitized.
    #[must_use]
    pub fn is_infected(&self) -> bool {
        self.prediction.is_some_and(|prediction| prediction.class == Some(Class::Parasitized))
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
