//! Verdicts of a reviewer, and the count that they correct.

use super::parasitaemia::RED_CELLS_PER_MICROLITRE;
use super::{ObjectKind, Slide};
use crate::classes::Class;
use crate::model::Model;
use serde::{Deserialize, Serialize};

/// What a reviewer calls an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// An infected red cell.
    Parasitized,
    /// A healthy red cell.
    Uninfected,
    /// No single red cell.
    NotACell,
    /// The reviewer cannot decide: the object stays what it was computed to be.
    Unsure,
}

impl Verdict {
    /// All verdicts.
    pub const ALL: [Verdict; 4] = [Verdict::Parasitized, Verdict::Uninfected, Verdict::NotACell, Verdict::Unsure];

    /// Returns the name in files, such as `not_a_cell`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Parasitized => "parasitized",
            Verdict::Uninfected => "uninfected",
            Verdict::NotACell => "not_a_cell",
            Verdict::Unsure => "unsure",
        }
    }

    /// Returns the verdict of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Verdict> {
        Verdict::ALL.into_iter().find(|verdict| verdict.name() == name)
    }

    /// Returns the class of a red cell; `None` for the other verdicts.
    #[must_use]
    pub fn class(self) -> Option<Class> {
        match self {
            Verdict::Parasitized => Some(Class::Parasitized),
            Verdict::Uninfected => Some(Class::Uninfected),
            Verdict::NotACell | Verdict::Unsure => None,
        }
    }
}

/// Classifies the red cells of a counted slide again at another threshold, replaces the classes of objects by the verdicts of a
/// reviewer, and counts them.
///
/// `verdict_of` returns the verdict on an object by the indices of its photograph and of the object in it. An object that a
/// reviewer calls Parasitized or Uninfected becomes a red cell, and one that is no cell an artefact. Whether an object is counted
/// depends on its place only.
///
/// The parasitaemia is corrected for the error rates of the model only while its classes are those of the model's own threshold,
/// without verdicts.
///
/// ```
/// use giemsa::model::Model;
/// use giemsa::smear::{RED_CELLS_PER_MICROLITRE, Verdict, count_slide, review_slide};
///
/// let model = Model::embedded()?;
/// let mut slide = count_slide(&model, "slide", Vec::new(), RED_CELLS_PER_MICROLITRE)?;
/// review_slide(&model, &mut slide, model.threshold, |photograph, object| (object == 7).then_some(Verdict::Uninfected));
/// assert_eq!(slide.counts.infected, 0);
/// # Ok::<(), giemsa::model::ModelError>(())
/// ```
pub fn review_slide(
    model: &Model,
    slide: &mut Slide,
    threshold: f32,
    verdict_of: impl Fn(usize, usize) -> Option<Verdict>,
) {
    let mut reviewed = false;
    for (photograph_index, photograph) in slide.photographs.iter_mut().enumerate() {
        for (object_index, found) in photograph.cells.iter_mut().enumerate() {
            if let Some(prediction) = &mut found.prediction {
                prediction.class = Some(Class::decide(prediction.probability_parasitized, threshold));
            }
            found.verdict = verdict_of(photograph_index, object_index);
            reviewed |= found.verdict.is_some();
            (found.object.kind, found.object.cells) = match found.verdict {
                Some(Verdict::Parasitized | Verdict::Uninfected) => (ObjectKind::RedCell, 1),
                Some(Verdict::NotACell) => (ObjectKind::Artefact, 0),
                Some(Verdict::Unsure) | None => (found.object.kind, found.object.cells),
            };
        }
    }
    let density = slide.parasitaemia.as_ref().map_or(RED_CELLS_PER_MICROLITRE, |old| old.red_cells_per_microlitre);
    slide.count(model.error_rates.filter(|_| !reviewed && threshold == model.threshold), density);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Logits;
    use crate::smear::segment::{Condition, FieldOfView};
    use crate::smear::{FoundObject, Object, Photograph, count_slide};

    fn object(kind: ObjectKind, class_logit: f32) -> FoundObject {
        let is_red = kind == ObjectKind::RedCell;
        FoundObject {
            object: Object::new([50, 60, 70, 80], kind, u32::from(is_red)),
            is_counted: true,
            logits: is_red.then_some(Logits { class: class_logit, red_cell: Some(9.0) }),
            prediction: None,
            verdict: None,
        }
    }

    /// A slide of one photograph: an infected cell, seven healthy ones, one of them doubtful, and an artefact.
    fn slide(model: &Model) -> Slide {
        let mut cells = vec![object(ObjectKind::RedCell, -9.0), object(ObjectKind::RedCell, 0.6)];
        cells.extend([object(ObjectKind::RedCell, 9.0); 6]);
        cells.push(object(ObjectKind::Artefact, 0.0));
        let photograph = Photograph {
            path: "a.png".into(),
            width_px: 900,
            height_px: 900,
            field_of_view: FieldOfView::Whole,
            cell_diameter_px: 75.0,
            condition: Condition::default(),
            warnings: Vec::new(),
            cells,
        };
        count_slide(model, "s", vec![photograph], 4e6).unwrap()
    }

    fn model() -> Model {
        let mut model = Model::embedded().unwrap();
        (model.temperature, model.threshold, model.healthy_logit) = (1.0, 0.5, None);
        model
    }

    #[test]
    fn verdicts_take_the_place_of_classes() {
        let (model, verdicts) = (model(), [Verdict::NotACell, Verdict::Parasitized, Verdict::Unsure]);
        let mut slide = slide(&model);
        assert_eq!((slide.counts.red_cells, slide.counts.infected, slide.counts.artefacts), (8, 1, 1));
        review_slide(&model, &mut slide, 0.5, |_, cell| verdicts.get(cell).copied());
        // The first cell is none, the second is infected, and the third stays healthy.
        assert_eq!((slide.counts.red_cells, slide.counts.infected, slide.counts.artefacts), (7, 1, 2));
        assert!(slide.photographs[0].cells[1].is_infected() && !slide.photographs[0].cells[2].is_infected());
        let parasitaemia = slide.parasitaemia.unwrap();
        assert!((parasitaemia.value - 1.0 / 7.0).abs() < 1e-12 && !parasitaemia.corrected);
        assert_eq!(parasitaemia.red_cells_per_microlitre, 4e6);
    }

    #[test]
    fn an_artefact_can_become_an_infected_cell() {
        let model = model();
        let mut slide = slide(&model);
        review_slide(&model, &mut slide, 0.5, |_, cell| (cell == 8).then_some(Verdict::Parasitized));
        assert_eq!((slide.counts.red_cells, slide.counts.infected, slide.counts.artefacts), (9, 2, 0));
    }

    #[test]
    fn a_lower_threshold_finds_more_infected_cells_and_is_not_corrected() {
        let model = model();
        let (shipped, mut slide) = (slide(&model), slide(&model));
        review_slide(&model, &mut slide, 0.5, |_, _| None);
        assert_eq!((slide.counts, &slide.parasitaemia), (shipped.counts, &shipped.parasitaemia));
        assert!(slide.parasitaemia.as_ref().is_some_and(|parasitaemia| parasitaemia.corrected));
        let doubtful = slide.photographs[0].cells[1].probability_parasitized().unwrap();
        assert!((0.2..0.5).contains(&doubtful), "{doubtful}");
        review_slide(&model, &mut slide, 0.2, |_, _| None);
        assert_eq!(slide.counts.infected, 2);
        assert!(!slide.parasitaemia.unwrap().corrected);
    }

    #[test]
    fn a_photograph_without_its_predictions_survives_a_round_trip_through_json() {
        let model = model();
        let photograph = slide(&model).photographs.remove(0);
        let text = serde_json::to_string(&photograph).unwrap();
        let read: Photograph = serde_json::from_str(&text).unwrap();
        let again = count_slide(&model, "s", vec![read], 4e6).unwrap();
        assert_eq!(again.photographs[0], photograph);
    }
}
