//! What kind of object a part is.

use super::grid::Grid;
use super::measure::Measurements;
use crate::smear::ObjectKind;
use std::f32::consts::PI;

/// Parts of less than this fraction of a typical red cell are dust, and not listed.
const DUST: f32 = 0.03;
/// A white cell has at least this area of nuclear stain, in typical red cells,
const NUCLEUS: f32 = 0.4;
/// and parts with this fraction of nuclear stain that touch it belong to it.
const LOBE: f32 = 0.25;
/// A nucleus covers at least this fraction of a white cell's part.
const NUCLEUS_OF_PART: f32 = 0.3;
/// The largest platelet, in typical red cells.
const PLATELET: f32 = 0.45;
/// The smallest red cell, in typical red cells.
const SMALLEST: f32 = 0.25;
/// Platelets absorb red or green more than blue, by this factor, compared with red cells.
const PURPLE: f32 = 1.5;
/// What absorbs one channel less than this, or another one more than that, compared with red cells, is of a foreign
/// colour: a scale bar, a pointer.
const FOREIGN: (f32, f32) = (0.12, 4.0);
/// A part that is filled by more than this fraction is a gap between cells.
const GAP: f32 = 0.75;
/// The area from which a part is a cluster, in typical red cells, whatever its shape,
const LARGEST: f32 = 2.7;
/// and the area from which it is one if it is not round: if its area is this multiple of its largest disc's.
const NOT_ROUND: (f32, f32) = (1.9, 1.7);
/// A part larger than this many typical red cells is no cluster of cells: a fold, a pointer, the edge of the smear.
const TOO_LARGE: f32 = 40.0;

/// The kind of a part, and the number of red cells that it is worth; `None` if it is not an object.
pub(super) fn kind(part: &Measurements, typical_area: f32) -> Option<(ObjectKind, u32)> {
    let area = part.area / typical_area;
    let is_gap = part.filled > GAP * part.area;
    if area < DUST || is_gap {
        return None;
    }
    let [red, green, blue] = part.density;
    let is_purple = red.max(green) > PURPLE * blue;
    let highest = red.max(green).max(blue);
    let not_round = part.area / (PI * part.inner_radius.powi(2));
    Some(if is_white(part, typical_area) {
        (ObjectKind::WhiteCell, 0)
    } else if area < PLATELET && is_purple {
        (ObjectKind::Platelet, 0)
    } else if area < SMALLEST || green.min(red.max(blue)) < FOREIGN.0 || highest > FOREIGN.1 || area > TOO_LARGE {
        (ObjectKind::Artefact, 0)
    } else if area > LARGEST || area > NOT_ROUND.0 && not_round > NOT_ROUND.1 {
        (ObjectKind::Cluster, area.round().max(2.0) as u32)
    } else {
        (ObjectKind::RedCell, 1)
    })
}

fn is_white(part: &Measurements, typical_area: f32) -> bool {
    part.nuclear > NUCLEUS * typical_area && part.nuclear > NUCLEUS_OF_PART * part.area
}

/// Unites the parts of each white cell: the lobes of its nucleus may have been separated. Renumbers their pixels.
pub(super) fn unite_white_cells(labels: &mut Grid<u32>, parts: &mut [Measurements], typical_area: f32) {
    let is_lobe: Vec<bool> = parts.iter().map(|part| part.area > 0.0 && part.nuclear > LOBE * part.area).collect();
    let mut into: Vec<usize> = (0..parts.len()).collect();
    for pixel in 0..labels.values.len() {
        let one = labels.values[pixel] as usize;
        if one == 0 || !is_lobe[one] {
            continue;
        }
        for next in labels.neighbours4(pixel) {
            let other = labels.values[next] as usize;
            let [a, b] = [one, other].map(|part| root(&into, part));
            if other != 0 && a != b && is_lobe[other] {
                into[a.max(b)] = a.min(b);
            }
        }
    }
    let mut united = parts.to_vec();
    for part in 1..parts.len() {
        let root = root(&into, part);
        if root != part {
            let lobe = united[part];
            united[root].absorb(&lobe);
        }
    }
    // Infected cells that touch have dark parts, too; they stay apart.
    for part in 1..parts.len() {
        let root = root(&into, part);
        if root != part && is_white(&united[root], typical_area) {
            parts[part].area = 0.0;
            parts[root] = united[root];
        } else if root != part {
            into[part] = part;
        }
    }
    labels.values.iter_mut().for_each(|label| *label = root(&into, *label as usize) as u32);
}

fn root(into: &[usize], mut part: usize) -> usize {
    while into[part] != part {
        part = into[part];
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disc of 100 pixels, a typical red cell.
    fn red_cell() -> Measurements {
        let inner_radius = (100.0 / PI).sqrt();
        Measurements { bounds: [0, 0, 11, 11], area: 100.0, filled: 0.0, nuclear: 0.0, density: [1.0; 3], inner_radius }
    }

    #[test]
    fn size_colour_and_shape_decide_the_kind() {
        let of = |part: Measurements| kind(&part, 100.0);
        let cases = [
            (red_cell(), Some((ObjectKind::RedCell, 1))),
            (Measurements { area: 2.0, ..red_cell() }, None),
            (Measurements { filled: 90.0, ..red_cell() }, None),
            (Measurements { area: 20.0, ..red_cell() }, Some((ObjectKind::Artefact, 0))),
            (Measurements { area: 20.0, density: [1.8, 1.2, 0.3], ..red_cell() }, Some((ObjectKind::Platelet, 0))),
            (Measurements { density: [1.0, 0.0, 0.0], ..red_cell() }, Some((ObjectKind::Artefact, 0))),
            (Measurements { area: 150.0, nuclear: 80.0, ..red_cell() }, Some((ObjectKind::WhiteCell, 0))),
            (Measurements { area: 320.0, ..red_cell() }, Some((ObjectKind::Cluster, 3))),
            // A large round cell, as of P. vivax, and two cells side by side.
            (Measurements { area: 220.0, inner_radius: 8.2, ..red_cell() }, Some((ObjectKind::RedCell, 1))),
            (Measurements { area: 220.0, inner_radius: 5.6, ..red_cell() }, Some((ObjectKind::Cluster, 2))),
        ];
        for (part, expected) in cases {
            assert_eq!(of(part), expected, "{part:?}");
        }
    }

    #[test]
    fn lobes_of_a_nucleus_are_one_white_cell() {
        let mut labels = Grid { width: 6, height: 1, values: vec![1, 1, 2, 2, 3, 0] };
        let lobe = Measurements { area: 60.0, nuclear: 40.0, ..red_cell() };
        let mut parts = [red_cell(), lobe, lobe, red_cell()];
        unite_white_cells(&mut labels, &mut parts, 100.0);
        assert_eq!(labels.values, [1, 1, 1, 1, 3, 0]);
        assert_eq!((parts[1].area, parts[2].area), (120.0, 0.0));
        // Two infected cells with little nuclear stain stay apart.
        let mut labels = Grid { width: 4, height: 1, values: vec![1, 1, 2, 2] };
        let infected = Measurements { area: 60.0, nuclear: 16.0, ..red_cell() };
        unite_white_cells(&mut labels, &mut [red_cell(), infected, infected], 100.0);
        assert_eq!(labels.values, [1, 1, 2, 2]);
    }
}
