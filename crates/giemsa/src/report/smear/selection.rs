//! Which cells and photographs the page shows. There are limits, so that a page of ten thousand photographs can be opened.

use crate::smear::{ObjectKind, Photograph, Slide};
use std::cmp::{Ordering, Reverse};

/// The most infected cells of a slide that are shown.
pub(super) const MOST_INFECTED: usize = 60;
/// The most doubtful cells of a slide that are shown.
pub(super) const MOST_DOUBTFUL: usize = 24;
/// The most photographs of a slide that are shown.
pub(super) const MOST_PHOTOGRAPHS: usize = 24;
/// The most cells on the page, of each of both kinds.
const MOST_CELLS_OF_ALL: usize = 1_000;
/// The most photographs on the page.
const MOST_PHOTOGRAPHS_OF_ALL: usize = 96;
/// A cell is doubtful if the logit of its probability is within this distance of that of the threshold: at a threshold of
/// 0.5, between 0.18 and 0.82.
const DOUBTFUL_LOGITS: f64 = 1.5;

/// A cell of a slide, by the index of its photograph and its index there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CellPlace {
    pub photograph: usize,
    pub cell: usize,
    /// `None` for a red cell that only a reviewer takes for one.
    pub probability: Option<f64>,
}

/// What is shown of a slide.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Selection {
    /// Infected cells: those without a probability, then those with the highest one.
    pub infected: Vec<CellPlace>,
    /// Further cells near the threshold, those with the highest probability first.
    pub doubtful: Vec<CellPlace>,
    /// The number of cells near the threshold, without the infected ones that are shown.
    pub doubtful_in_all: usize,
    /// The indices of the photographs, in ascending order.
    pub photographs: Vec<usize>,
}

impl Selection {
    /// Iterates over the cells that are shown of a photograph.
    pub(super) fn cells_of(&self, photograph: usize) -> impl Iterator<Item = &CellPlace> {
        self.infected.iter().chain(&self.doubtful).filter(move |place| place.photograph == photograph)
    }
}

/// Selects what is shown of each slide. `threshold` is the decision threshold of the model.
pub(super) fn select(slides: &[Slide], threshold: f64) -> Vec<Selection> {
    let numbers: Vec<usize> = slides.iter().map(|slide| slide.counts.infected as usize).collect();
    let infected = share(&numbers, MOST_INFECTED, MOST_CELLS_OF_ALL);
    let mut selections: Vec<Selection> =
        slides.iter().zip(infected).map(|(slide, most)| cells_of_slide(slide, most, threshold)).collect();

    let numbers: Vec<usize> = selections.iter().map(|selection| selection.doubtful.len()).collect();
    for (selection, most) in selections.iter_mut().zip(share(&numbers, MOST_DOUBTFUL, MOST_CELLS_OF_ALL)) {
        selection.doubtful.truncate(most);
        selection.doubtful.sort_by(by_probability);
    }
    let numbers: Vec<usize> = slides.iter().map(|slide| slide.photographs.len()).collect();
    let most = share(&numbers, MOST_PHOTOGRAPHS, MOST_PHOTOGRAPHS_OF_ALL);
    for ((slide, selection), most) in slides.iter().zip(&mut selections).zip(most) {
        selection.photographs = photographs_of_slide(slide, selection, most);
    }
    selections
}

/// Selects at most this number of infected cells, and sorts doubtful ones by their distance from the threshold.
fn cells_of_slide(slide: &Slide, most: usize, threshold: f64) -> Selection {
    let (mut infected, mut others): (Vec<_>, Vec<_>) =
        counted_red_cells(&slide.photographs).partition(|(_, is_infected)| *is_infected);
    infected.sort_by(|(a, _), (b, _)| by_probability(a, b));
    let most = most.min(infected.len());
    others.extend(infected.drain(most..));
    let distance = |place: &CellPlace| {
        place.probability.map_or(f64::INFINITY, |probability| (logit(probability) - logit(threshold)).abs())
    };
    let places = |cells: Vec<(CellPlace, bool)>| cells.into_iter().map(|(place, _)| place);
    let mut doubtful: Vec<CellPlace> = places(others).filter(|place| distance(place) <= DOUBTFUL_LOGITS).collect();
    doubtful.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
    Selection {
        infected: places(infected).collect(),
        doubtful_in_all: doubtful.len(),
        doubtful,
        photographs: Vec::new(),
    }
}

/// Iterates over the counted red cells of a slide, and whether they are infected.
fn counted_red_cells(photographs: &[Photograph]) -> impl Iterator<Item = (CellPlace, bool)> {
    photographs.iter().enumerate().flat_map(|(photograph, cells)| {
        let counted = cells.cells.iter().enumerate().filter(|(_, found)| found.is_counted);
        counted.filter(|(_, found)| found.object.kind == ObjectKind::RedCell).map(move |(cell, found)| {
            let probability = found.prediction.map(|prediction| prediction.probability_parasitized.into());
            (CellPlace { photograph, cell, probability }, found.is_infected())
        })
    })
}

/// Orders cells without a probability before those with one, and high probabilities before low ones.
fn by_probability(a: &CellPlace, b: &CellPlace) -> Ordering {
    let key = |place: &CellPlace| place.probability.unwrap_or(f64::INFINITY);
    key(b).total_cmp(&key(a))
}

/// Selects the photographs with most infected cells, then those with most of the doubtful cells that are shown.
fn photographs_of_slide(slide: &Slide, selection: &Selection, most: usize) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..slide.photographs.len()).collect();
    let doubtful = |photograph| selection.doubtful.iter().filter(|place| place.photograph == photograph).count();
    indices
        .sort_by_cached_key(|&index| (Reverse(slide.photographs[index].counts().infected), Reverse(doubtful(index))));
    indices.truncate(most);
    indices.sort_unstable();
    indices
}

fn logit(probability: f64) -> f64 {
    let probability = probability.clamp(1e-9, 1.0 - 1e-9);
    (probability / (1.0 - probability)).ln()
}

/// Divides places on the page among slides that have these numbers of things to show: in turn, at most `each` for a slide and
/// `all` in total.
fn share(numbers: &[usize], each: usize, all: usize) -> Vec<usize> {
    let mut shares = vec![0; numbers.len()];
    let mut left = all;
    for level in 1..=each {
        for (share, number) in shares.iter_mut().zip(numbers) {
            if *number >= level && left > 0 {
                *share += 1;
                left -= 1;
            }
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Class;
    use crate::model::Prediction;
    use crate::smear::segment::{Condition, FieldOfView};
    use crate::smear::{Counts, FoundObject, Object, Verdict};

    fn red_cell(probability: f32) -> FoundObject {
        let class = if probability >= 0.5 { Class::Parasitized } else { Class::Uninfected };
        FoundObject {
            object: Object::new([10, 10, 20, 20], ObjectKind::RedCell, 1),
            is_counted: true,
            logits: None,
            prediction: Some(Prediction {
                class: Some(class),
                class_of_any_image: class,
                probability_parasitized: probability,
                probability_red_cell: None,
            }),
            verdict: None,
        }
    }

    fn photograph(probabilities: &[f32]) -> Photograph {
        Photograph {
            path: "a.png".into(),
            width_px: 100,
            height_px: 100,
            field_of_view: FieldOfView::Whole,
            cell_diameter_px: 20.0,
            condition: Condition::default(),
            warnings: Vec::new(),
            cells: probabilities.iter().map(|&probability| red_cell(probability)).collect(),
        }
    }

    fn slide(photographs: Vec<Photograph>) -> Slide {
        let infected = photographs.iter().map(|photograph| photograph.counts().infected).sum();
        Slide {
            name: "s".to_owned(),
            photographs,
            skipped: Vec::new(),
            counts: Counts { infected, ..Counts::default() },
            shift_logits: 0.0,
            parasitaemia: None,
        }
    }

    #[test]
    fn the_most_probable_cells_come_first_and_then_those_near_the_threshold() {
        let mut photographs = vec![photograph(&[0.01, 0.9, 0.45]), photograph(&[0.6, 0.99, 0.2, 0.05])];
        photographs[0].cells.push(FoundObject { is_counted: false, ..red_cell(0.95) });
        let selections = select(&[slide(photographs)], 0.5);
        let places = |cells: &[CellPlace]| -> Vec<(usize, usize)> {
            cells.iter().map(|place| (place.photograph, place.cell)).collect()
        };
        assert_eq!(places(&selections[0].infected), [(1, 1), (0, 1), (1, 0)]);
        assert_eq!(places(&selections[0].doubtful), [(0, 2), (1, 2)]);
        assert_eq!((selections[0].doubtful_in_all, &selections[0].photographs[..]), (2, &[0, 1][..]));
    }

    #[test]
    fn a_red_cell_that_only_a_reviewer_takes_for_one_is_shown_first() {
        let mut photographs = vec![photograph(&[0.9, 0.45])];
        let verdict = |verdict| FoundObject { prediction: None, verdict: Some(verdict), ..red_cell(0.0) };
        photographs[0].cells.extend([Verdict::Parasitized, Verdict::Uninfected].map(verdict));
        let selection = &select(&[slide(photographs)], 0.5)[0];
        let cells = |cells: &[CellPlace]| cells.iter().map(|place| place.cell).collect::<Vec<_>>();
        assert_eq!((cells(&selection.infected), cells(&selection.doubtful)), (vec![2, 0], vec![1]));
    }

    #[test]
    fn a_slide_of_a_thousand_photographs_does_not_fill_the_page() {
        let photographs = (0..1_000).map(|i| if i < 500 { photograph(&[0.3]) } else { photograph(&[0.6, 0.9]) });
        let [selection] = &select(&[slide(photographs.collect())], 0.5)[..] else { panic!() };
        assert_eq!((selection.infected.len(), selection.doubtful.len()), (MOST_INFECTED, MOST_DOUBTFUL));
        // The cells near the threshold, also the infected ones, as only those of 0.9 are in the first list.
        assert_eq!(selection.doubtful_in_all, 1_000);
        assert_eq!(selection.photographs.len(), MOST_PHOTOGRAPHS);
        assert!(selection.photographs.iter().all(|&photograph| photograph >= 500));
    }

    #[test]
    fn slides_share_the_places_evenly() {
        assert_eq!(share(&[100, 3, 0, 100], 60, 1_000), [60, 3, 0, 60]);
        assert_eq!(share(&[100, 3, 0, 100], 60, 22), [10, 3, 0, 9]);
        assert_eq!(share(&[5; 4], 60, 2), [1, 1, 0, 0]);
    }

    #[test]
    fn logits_of_certain_cells_are_finite() {
        assert!(logit(0.0).is_finite() && logit(1.0).is_finite() && logit(0.5) == 0.0);
    }
}
