//! How found cells agree with boxes that people have drawn.
//!
//! A found box and a true one are of the same cell if their intersection over union is at least 0.5. Pairs are chosen one to
//! one, those of the largest intersection over union first, as for COCO (Lin et al. 2014, "Microsoft COCO: common objects in
//! context"). The assignment of the largest total intersection over union (the Hungarian method) gives the same recall and
//! precision within 0.002, measured on BBBC041 (no difference), BCCD and the photographs of Bangkok. A true box of at most one
//! pixel marks a centre, and is of the found box that contains it.
//!
//! Cells at the border of the photograph are neither expected nor wrong, because people mark them or not. Nor are those that
//! are marked as difficult.
//!
//! Differences between two numbers of the same photograph are summarised as in Bland and Altman 1986, "Statistical methods for
//! assessing agreement between two methods of clinical measurement": by their mean, and the limits of agreement around it,
//! 1.96 standard deviations apart, between which 95 % of normally distributed differences are.

use super::box_matching::match_boxes;
use crate::classes::Class;
use crate::evaluate::counts::Counts;
use serde::Serialize;

/// Boxes this near to a border touch it, in pixels.
const BORDER_PX: f64 = 3.0;
/// The standard deviations from the mean to the limits of agreement.
const DEVIATIONS: f64 = 1.96;

/// A red cell that people have marked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrueCell {
    /// Left, top, width and height in pixels; at most one pixel wide and high if only the centre is marked.
    pub frame_px: [f64; 4],
    /// The class; `None` if it is difficult to say whether this is a cell, which then is neither expected nor wrong.
    pub class: Option<Class>,
}

/// A red cell that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FoundCell {
    /// Left, top, width and height in pixels.
    pub frame_px: [f64; 4],
    /// The class.
    pub class: Class,
}

/// The agreement on one photograph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PhotographAgreement {
    /// Marked cells away from the border.
    pub true_cells: u64,
    /// Found cells away from the border.
    pub found_cells: u64,
    /// Marked cells away from the border that were found.
    pub matched: u64,
    /// Found cells away from the border that are not marked.
    pub unmatched: u64,
    /// All marked cells, and the infected ones among them.
    pub all_true: [u64; 2],
    /// All found cells, and those among them that are classified as Parasitized.
    pub all_found: [u64; 2],
    /// The classes of the cells that are marked and found.
    pub classes: Counts,
}

/// The agreement on several photographs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Agreement {
    /// Photographs that were compared.
    pub photographs: usize,
    /// Marked cells.
    pub true_cells: u64,
    /// Found cells.
    pub found_cells: u64,
    /// Fraction of the marked cells that were found; `None` without marked cells.
    pub recall: Option<f64>,
    /// Fraction of the found cells that are marked; `None` without found cells.
    pub precision: Option<f64>,
    /// Harmonic mean of recall and precision.
    pub f1: Option<f64>,
    /// Mean over the photographs with marked cells of |found - marked| / marked.
    pub count_error: Option<f64>,
    /// Mean over the photographs of found minus marked cells.
    pub mean_difference: Option<f64>,
    /// The limits of agreement of these differences; `None` for fewer than two photographs.
    pub limits_of_agreement: Option<[f64; 2]>,
    /// Fraction of the marked cells that are marked as infected, also at the border.
    pub true_parasitaemia: Option<f64>,
    /// Fraction of the found cells that are classified as Parasitized, also at the border.
    pub found_parasitaemia: Option<f64>,
    /// The classes of the cells that are marked and found.
    pub classes: Counts,
    /// Fraction of the infected cells among them that are classified as Parasitized.
    pub sensitivity: Option<f64>,
    /// Fraction of the others that are classified as Uninfected.
    pub specificity: Option<f64>,
}

/// Compares the cells found on a photograph with the marked ones. `size_px` is the width and height of the photograph.
///
/// ```
/// use giemsa::classes::Class::{Parasitized, Uninfected};
/// use giemsa::smear::agreement::{FoundCell, TrueCell, compare_cells};
/// let there = [[100.0, 100.0, 60.0, 60.0], [300.0, 100.0, 60.0, 60.0]];
/// let there = there.map(|frame_px| TrueCell { frame_px, class: Some(Uninfected) });
/// let found = [FoundCell { frame_px: [102.0, 98.0, 60.0, 60.0], class: Parasitized }];
/// let agreement = compare_cells(&there, &found, [640, 480]);
/// assert_eq!((agreement.true_cells, agreement.matched, agreement.unmatched), (2, 1, 0));
/// assert_eq!(agreement.classes.false_positives, 1);
/// ```
#[must_use]
pub fn compare_cells(there: &[TrueCell], found: &[FoundCell], size_px: [u32; 2]) -> PhotographAgreement {
    let cells = || there.iter().filter_map(|cell| Some((cell.frame_px, cell.class?)));
    let is_inside = |frame_px: &[f64; 4]| is_away_from_border(frame_px, size_px);
    let marked_frames: Vec<_> = there.iter().map(|cell| cell.frame_px).collect();
    let found_frames: Vec<_> = found.iter().map(|cell| cell.frame_px).collect();
    let pairs = match_boxes(&marked_frames, &found_frames);
    let mut is_matched = vec![false; found.len()];
    pairs.iter().for_each(|&(_, f)| is_matched[f] = true);
    let classes = pairs.iter().filter_map(|&(t, f)| Some((there[t].class?, found[f].class)));
    let matched = pairs.iter().filter(|&&(t, _)| there[t].class.is_some() && is_inside(&there[t].frame_px)).count();
    let inside = || found.iter().zip(&is_matched).filter(|(cell, _)| is_inside(&cell.frame_px));
    PhotographAgreement {
        true_cells: cells().filter(|(frame_px, _)| is_inside(frame_px)).count() as u64,
        found_cells: inside().count() as u64,
        matched: matched as u64,
        unmatched: inside().filter(|&(_, &is_matched)| !is_matched).count() as u64,
        all_true: [cells().count(), cells().filter(|(_, class)| class.is_positive()).count()].map(|count| count as u64),
        all_found: [found.len(), found.iter().filter(|cell| cell.class.is_positive()).count()]
            .map(|count| count as u64),
        classes: Counts::from_pairs(classes),
    }
}

impl PhotographAgreement {
    /// Returns found minus marked cells.
    #[must_use]
    pub fn difference(&self) -> f64 {
        self.found_cells as f64 - self.true_cells as f64
    }

    /// Returns |found - marked| / marked; `None` without marked cells.
    #[must_use]
    pub fn count_error(&self) -> Option<f64> {
        (self.true_cells > 0).then(|| self.difference().abs() / self.true_cells as f64)
    }
}

fn is_away_from_border([x, y, width, height]: &[f64; 4], size_px: [u32; 2]) -> bool {
    let [right, bottom] = size_px.map(|side| f64::from(side) - BORDER_PX);
    *x > BORDER_PX && *y > BORDER_PX && x + width < right && y + height < bottom
}

impl Agreement {
    /// Summarises the agreement on several photographs.
    ///
    /// Recall and precision are those of all cells of all photographs together.
    #[must_use]
    pub fn of(photographs: &[PhotographAgreement]) -> Agreement {
        let sum = |count: fn(&PhotographAgreement) -> u64| photographs.iter().map(count).sum::<u64>();
        let (true_cells, matched) = (sum(|p| p.true_cells), sum(|p| p.matched));
        let unmatched = sum(|p| p.unmatched);
        let differences: Vec<f64> = photographs.iter().map(PhotographAgreement::difference).collect();
        let errors: Vec<f64> = photographs.iter().filter_map(PhotographAgreement::count_error).collect();
        let classes = Counts {
            true_positives: sum(|p| p.classes.true_positives),
            false_negatives: sum(|p| p.classes.false_negatives),
            false_positives: sum(|p| p.classes.false_positives),
            true_negatives: sum(|p| p.classes.true_negatives),
        };
        Agreement {
            photographs: photographs.len(),
            true_cells,
            found_cells: sum(|p| p.found_cells),
            recall: ratio(matched, true_cells),
            precision: ratio(matched, matched + unmatched),
            f1: ratio(2 * matched, true_cells + matched + unmatched),
            count_error: mean(&errors),
            mean_difference: mean(&differences),
            limits_of_agreement: limits_of_agreement(&differences),
            true_parasitaemia: ratio(sum(|p| p.all_true[1]), sum(|p| p.all_true[0])),
            found_parasitaemia: ratio(sum(|p| p.all_found[1]), sum(|p| p.all_found[0])),
            classes,
            sensitivity: classes.sensitivity(),
            specificity: classes.specificity(),
        }
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Computes the limits between which 95 % of differences are expected; `None` for fewer than two.
fn limits_of_agreement(differences: &[f64]) -> Option<[f64; 2]> {
    let mean = mean(differences).filter(|_| differences.len() > 1)?;
    let squares: f64 = differences.iter().map(|difference| (difference - mean).powi(2)).sum();
    let reach = DEVIATIONS * (squares / (differences.len() - 1) as f64).sqrt();
    Some([mean - reach, mean + reach])
}

#[cfg(test)]
mod tests {
    use super::*;
    use Class::{Parasitized, Uninfected};

    const SIZE: [u32; 2] = [1000, 800];

    fn marked(frame_px: [f64; 4], class: Option<Class>) -> TrueCell {
        TrueCell { frame_px, class }
    }

    fn found(frame_px: [f64; 4], class: Class) -> FoundCell {
        FoundCell { frame_px, class }
    }

    #[test]
    fn pairs_are_one_to_one_and_the_best_come_first() {
        // The second found box overlaps both; the first one is left without a partner.
        let there = [marked([100.0, 100.0, 60.0, 60.0], Some(Uninfected))];
        let both = [found([110.0, 100.0, 60.0, 60.0], Uninfected), found([102.0, 100.0, 60.0, 60.0], Parasitized)];
        let agreement = compare_cells(&there, &both, SIZE);
        assert_eq!((agreement.matched, agreement.unmatched, agreement.found_cells), (1, 1, 2));
        assert_eq!((agreement.classes.false_positives, agreement.classes.images()), (1, 1));
    }

    #[test]
    fn cells_at_the_border_and_difficult_ones_are_neither_expected_nor_wrong() {
        let there = [
            marked([0.0, 300.0, 60.0, 60.0], Some(Parasitized)),
            marked([400.0, 400.0, 60.0, 60.0], None),
            marked([600.0, 400.0, 60.0, 60.0], Some(Uninfected)),
        ];
        let cells = [
            found([0.0, 300.0, 60.0, 60.0], Parasitized),
            found([400.0, 400.0, 60.0, 60.0], Uninfected),
            found([938.0, 10.0, 60.0, 60.0], Uninfected),
        ];
        let agreement = compare_cells(&there, &cells, SIZE);
        assert_eq!((agreement.true_cells, agreement.matched, agreement.unmatched), (1, 0, 0));
        assert_eq!((agreement.all_true, agreement.all_found), ([2, 1], [3, 1]));
        assert_eq!((agreement.classes.true_positives, agreement.classes.images()), (1, 1));
    }

    #[test]
    fn the_summary_is_that_of_hand_arithmetic() {
        let photograph = |true_cells, found_cells, matched| PhotographAgreement {
            true_cells,
            found_cells,
            matched,
            unmatched: found_cells - matched,
            all_true: [true_cells, 2],
            all_found: [found_cells, 1],
            classes: Counts { true_positives: 1, false_negatives: 1, true_negatives: 4, false_positives: 0 },
        };
        let agreement = Agreement::of(&[photograph(10, 12, 9), photograph(20, 18, 15), photograph(10, 13, 8)]);
        assert_eq!((agreement.recall, agreement.precision), (Some(32.0 / 40.0), Some(32.0 / 43.0)));
        assert_eq!(agreement.f1, Some(64.0 / 83.0));
        // (2/10 + 2/20 + 3/10) / 3, and the differences 2, -2 and 3 with the standard deviation sqrt(7).
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        near(agreement.count_error.unwrap(), 0.2);
        near(agreement.mean_difference.unwrap(), 1.0);
        let [low, high] = agreement.limits_of_agreement.unwrap();
        near(low, 1.0 - 1.96 * 7_f64.sqrt());
        near(high, 1.0 + 1.96 * 7_f64.sqrt());
        assert_eq!((agreement.true_parasitaemia, agreement.found_parasitaemia), (Some(6.0 / 40.0), Some(3.0 / 43.0)));
        assert_eq!((agreement.sensitivity, agreement.specificity), (Some(0.5), Some(1.0)));
    }

    #[test]
    fn what_is_undefined_is_none() {
        let none = Agreement::of(&[]);
        assert!(none.recall.is_none() && none.count_error.is_none() && none.mean_difference.is_none());
        let one = Agreement::of(&[PhotographAgreement::default()]);
        assert!(one.precision.is_none() && one.limits_of_agreement.is_none() && one.mean_difference == Some(0.0));
    }
}
