//! Centring of the logits of a slide on those of its healthy cells.
//!
//! Sites differ in stain and optics, which shifts the logits of all cells of a slide, and most cells of a slide are healthy.
//! So the logits are shifted by the distance from the location of the slide's healthy cells to that of the healthy cells
//! among the training data of the model, before the decision threshold. Logits are those of *Parasitized* here, after the
//! temperature: high for infected cells.
//!
//! The location of the healthy cells is that of [`healthy_cells`](crate::evaluate::healthy_cells), at the slide and at the
//! training data alike.
//!
//! Measured with an earlier built-in model, before parasites were transplanted in training: on the 28 photographs of BBBC041,
//! each centred by itself, the sensitivity rises from 58 to 62 of 74 infected cells, the false positives fall from 47 to 39 of
//! 1,994, and the area under the ROC curve rises from 0.982 to 0.988. On the NIH images, each patient centred by itself,
//! sensitivity and specificity change from 0.952 and 0.973 to 0.949 and 0.975, also where 60 to 75 % of the cells are
//! infected; these are images that the model was trained on. On the healthy cells of BCCD, which look healthier to the model
//! than those of NIH, false positives increase from 1 to 4 of 2,060. Photographs of several slides that are centred as one
//! profit less: BBBC041 has 60 of 74 and 58 false positives then.
//!
//! These figures contain cells that the model refuses. The constants below come from the NIH images and from simulated slides,
//! but the last choice, of [`SHRINKAGE_CELLS`] among 5, 10 and 20, was made when the figures of BBBC041 for all three were
//! known (62, 62 and 61 of 74), so these are not those of an untouched test set.

use crate::classes::Class;
use crate::evaluate::healthy_cells::location;
use crate::model::{Logits, Model};

/// The largest shift.
pub const LARGEST_SHIFT_LOGITS: f32 = 2.5;
/// A location further from the reference is not one of healthy cells, as if every cell were infected: there is no shift.
pub const FARTHEST_LOGITS: f32 = 5.0;
/// The shift is multiplied by n / (n + this), where n is the number of cells in the window, so that few cells shift
/// their own logits less. It is the ratio of the sampling variance of the median of one cell to the variance of the location
/// between the patients of the NIH images, 1.57 * 1.0^2 / 0.61^2 = 4.2, rounded up.
pub const SHRINKAGE_CELLS: f32 = 5.0;

/// Computes by how much to shift the logits of *Parasitized* of a slide. `reference` is the location of the healthy cells of
/// the model's training data, see [`Model::healthy_logit`].
///
/// ```
/// use giemsa::smear::healthy_shift;
/// let slide: Vec<f32> = (0..400).map(|i| -2.0 + (i % 21) as f32 * 0.02).collect();
/// assert!((healthy_shift(&slide, -3.8) + 2.0).abs() < 0.1);
/// assert_eq!(healthy_shift(&[], -3.8), 0.0);
/// ```
///
/// # Panics
/// If a logit is not finite.
#[must_use]
pub fn healthy_shift(parasitized_logits: &[f32], reference: f32) -> f32 {
    let Some((location, cells)) = location(parasitized_logits) else { return 0.0 };
    let distance = reference - location;
    if distance.abs() > FARTHEST_LOGITS {
        return 0.0;
    }
    let cells = cells as f32;
    (distance * cells / (cells + SHRINKAGE_CELLS)).clamp(-LARGEST_SHIFT_LOGITS, LARGEST_SHIFT_LOGITS)
}

/// Shifts the class logits of all cells of a slide by the [`healthy_shift`] of those that the model takes for red cells, and
/// returns it, in logits of *Parasitized*. Without [`Model::healthy_logit`], nothing is shifted.
///
/// [`Model::prediction`] then gives the classes of the centred logits.
///
/// ```
/// use giemsa::model::{Logits, Model};
/// let model = Model::embedded()?;
/// let mut slide = vec![Logits { class: 4.0, red_cell: Some(6.0) }; 200];
/// let shift = giemsa::smear::centre_logits(&model, &mut slide);
/// // These cells look healthier than those of the training data.
/// assert!(shift > 0.0 && slide[0].class < 4.0);
/// assert!(model.prediction(slide[0])?.class.is_some());
/// # Ok::<(), giemsa::model::ModelError>(())
/// ```
///
/// # Panics
/// If a class logit is not finite.
pub fn centre_logits(model: &Model, slide: &mut [Logits]) -> f32 {
    // Not a shift by 0: converting a logit there and back may round it.
    let Some(reference) = model.healthy_logit else { return 0.0 };
    let parasitized = |logits: &Logits| Class::parasitized_logit(logits.class, model.temperature);
    let red_cells: Vec<f32> = slide.iter().filter(|logits| !model.refuses(**logits)).map(parasitized).collect();
    let shift = healthy_shift(&red_cells, reference);
    for logits in slide {
        let shifted = Class::parasitized_logit(logits.class, model.temperature) + shift;
        logits.class = Class::network_logit(shifted, model.temperature);
    }
    shift
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::healthy_cells::healthy_location;
    use crate::random::Random;

    /// Logits of *Parasitized* like those of the built-in model on NIH images: at its threshold of 0.57, the sensitivity is
    /// 0.96 and the specificity 0.976. Some cells of each class look like the other one.
    fn cell(infected: bool, random: &mut Random) -> f32 {
        match infected {
            true if random.chance(0.1) => 1.5 + 2.5 * random.normal(),
            true => 4.7 + 1.1 * random.normal(),
            false if random.chance(0.08) => -0.5 + 2.0 * random.normal(),
            false => -3.8 + 0.9 * random.normal(),
        }
    }

    /// The location of the healthy cells at the site of the model.
    fn reference() -> f32 {
        let mut random = Random::keyed(&[1]);
        healthy_location(&(0..50_000).map(|_| cell(false, &mut random)).collect::<Vec<_>>()).unwrap()
    }

    const THRESHOLD: f32 = 0.57;

    /// The rates of missed infected cells and of false positives over many slides of one site.
    #[derive(Clone, Copy, Debug)]
    struct Errors {
        missed: f32,
        false_positives: f32,
    }

    impl Errors {
        /// Two minus sensitivity and specificity.
        fn sum(self) -> f32 {
            self.missed + self.false_positives
        }
    }

    /// Simulates slides of one site, and classifies their cells without and with centring.
    fn simulate(cells: usize, infected: f32, site_shift: f32) -> [Errors; 2] {
        let reference = reference();
        let (mut wrong, mut total) = ([[0_u32; 2]; 2], [0_u32; 2]);
        for slide in 0..200_000 / cells as u64 {
            let mut random = Random::keyed(&[2, cells as u64, slide]);
            let infected_cells = (infected * cells as f32) as usize;
            let logits: Vec<f32> = (0..cells).map(|i| cell(i < infected_cells, &mut random) + site_shift).collect();
            let shift = healthy_shift(&logits, reference);
            for (i, logit) in logits.into_iter().enumerate() {
                let is_infected = i < infected_cells;
                total[usize::from(is_infected)] += 1;
                for (wrong, logit) in wrong.iter_mut().zip([logit, logit + shift]) {
                    wrong[usize::from(is_infected)] += u32::from((logit >= THRESHOLD) != is_infected);
                }
            }
        }
        wrong.map(|[false_positives, missed]| Errors {
            missed: missed as f32 / total[1].max(1) as f32,
            false_positives: false_positives as f32 / total[0] as f32,
        })
    }

    const CELLS: [usize; 3] = [20, 100, 1000];
    const INFECTED: [f32; 3] = [0.0, 0.05, 0.4];

    #[test]
    fn centring_does_not_harm_slides_of_the_site_of_the_model() {
        for (cells, infected) in CELLS.into_iter().flat_map(|cells| INFECTED.map(|infected| (cells, infected))) {
            let [without, with] = simulate(cells, infected, 0.0);
            assert!(with.sum() < without.sum() + 0.002, "{cells} cells, {infected} infected: {without:?} {with:?}");
        }
    }

    #[test]
    fn centring_improves_slides_of_other_sites() {
        for (cells, infected) in CELLS.into_iter().flat_map(|cells| INFECTED.map(|infected| (cells, infected))) {
            let [without, with] = simulate(cells, infected, 2.0);
            assert!(with.sum() < without.sum() - 0.003, "{cells}, {infected}: {without:?} {with:?}");
            assert!(with.false_positives < 0.65 * without.false_positives, "{cells}, {infected}: {without:?} {with:?}");
            let [without, with] = simulate(cells, infected, -2.0);
            if infected > 0.0 {
                assert!(with.sum() < without.sum() - 0.01, "{cells}, {infected}: {without:?} {with:?}");
                assert!(with.missed < 0.75 * without.missed, "{cells}, {infected}: {without:?} {with:?}");
            }
        }
    }

    #[test]
    fn infected_cells_do_not_move_the_location() {
        let mut random = Random::keyed(&[3]);
        let logits: Vec<f32> = (0..10_000).map(|i| cell(i % 5 < 2, &mut random)).collect();
        let found = healthy_location(&logits).unwrap();
        assert!((found - reference()).abs() < 0.15, "{found} {}", reference());
    }

    #[test]
    fn does_not_shift_a_slide_without_healthy_cells() {
        let mut random = Random::keyed(&[4]);
        let logits: Vec<f32> = (0..500).map(|_| 4.0 + random.normal()).collect();
        assert_eq!(healthy_shift(&logits, -3.8), 0.0);
    }

    #[test]
    fn limits_the_shift_and_shrinks_that_of_few_cells() {
        assert_eq!(healthy_shift(&[-7.8; 1000], -3.8), LARGEST_SHIFT_LOGITS);
        assert!((healthy_shift(&[-2.8; 5], -3.8) + 0.5).abs() < 1e-6);
        assert!((healthy_shift(&[-2.8], -3.8) + 1.0 / 6.0).abs() < 1e-6);
    }

    #[test]
    fn the_centred_logits_of_a_model_are_shifted_by_the_shift_of_its_red_cells() {
        let mut model = Model::embedded().unwrap();
        let reference = model.healthy_logit.unwrap();
        // One logit above the reference; a white cell far above it is refused, and shifted with the others.
        let logits = |parasitized: f32, red_cell: f32| Logits {
            class: Class::network_logit(parasitized, model.temperature),
            red_cell: Some(red_cell),
        };
        let mut slide = vec![logits(reference + 1.0, 5.0); 95];
        slide.extend([logits(9.0, -20.0); 50]);
        let mut same = slide.clone();
        let shift = centre_logits(&model, &mut slide);
        assert!((shift + 0.95).abs() < 1e-5, "{shift}");
        for (logits, expected) in [(slide[0], reference + 0.05), (slide[100], 9.0 - 0.95)] {
            let found = Class::parasitized_logit(logits.class, model.temperature);
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
        model.healthy_logit = None;
        assert_eq!(centre_logits(&model, &mut same), 0.0);
        assert_eq!(same[100], Logits { class: Class::network_logit(9.0, model.temperature), red_cell: Some(-20.0) });
    }
}
