//! Undoes separations within a cell: parts are merged again where the neck between them is too wide for two cells of the
//! photograph's typical size.

use super::separation::Parts;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// The widest neck at which two parts remain separate, by the area of both together in typical cells: pairs of area and
/// neck, the neck as a fraction of the lower peak's height. Linear between the pairs.
const WIDEST_NECK: [(f32, f32); 5] = [(0.6, 0.3), (1.0, 0.72), (1.3, 0.87), (1.6, 0.94), (2.0, 0.97)];
/// A part of less than this fraction of a typical cell is merged with the neighbour that it touches most widely,
const FRAGMENT: f32 = 0.25;
/// unless the neck is narrower than this fraction of its height.
const FRAGMENT_NECK: f32 = 0.6;

/// Merges parts, the pair with the widest neck first. Returns the number of the merged part of each part; the first is the
/// outside.
pub(super) fn merge(parts: &Parts, typical_area: f32) -> Vec<u32> {
    let mut graph = Graph::of(parts, typical_area);
    let mut queue: BinaryHeap<_> =
        parts.necks.iter().filter_map(|&(a, b, _)| graph.entry(a as usize, b as usize)).collect();
    let mut into: Vec<usize> = (0..graph.heights.len()).collect();
    while let Some(entry) = queue.pop() {
        let (_, Reverse((a, b))) = entry;
        // Earlier merges may have changed or removed the pair since it was queued.
        if graph.entry(a, b) != Some(entry) {
            continue;
        }
        let (kept, gone) = if graph.heights[a] >= graph.heights[b] { (a, b) } else { (b, a) };
        graph.merge(kept, gone);
        into[gone] = kept;
        queue.extend(graph.necks[kept].keys().filter_map(|&other| graph.entry(kept, other)));
    }
    let root = |mut part: usize| {
        while into[part] != part {
            part = into[part];
        }
        part as u32
    };
    (0..into.len()).map(root).collect()
}

/// A pair to merge, the pair with the widest neck first: the neck as a fraction of the lower peak, in millionths.
type Entry = (u32, Reverse<(usize, usize)>);

/// Parts as nodes, and the necks between them as edges.
struct Graph {
    typical_area: f32,
    heights: Vec<f32>,
    areas: Vec<f32>,
    necks: Vec<BTreeMap<usize, f32>>,
}

impl Graph {
    fn of(parts: &Parts, typical_area: f32) -> Graph {
        let heights: Vec<f32> = [0.0].into_iter().chain(parts.peaks.iter().map(|peak| peak.height)).collect();
        let mut areas = vec![0.0; heights.len()];
        parts.labels.values.iter().for_each(|&label| areas[label as usize] += 1.0);
        let mut necks = vec![BTreeMap::new(); heights.len()];
        for &(a, b, neck) in &parts.necks {
            necks[a as usize].insert(b as usize, neck);
            necks[b as usize].insert(a as usize, neck);
        }
        Graph { typical_area, heights, areas, necks }
    }

    /// Returns the pair as an entry of the queue; `None` if the parts do not touch or must remain separate.
    fn entry(&self, a: usize, b: usize) -> Option<Entry> {
        let ratio = self.necks[a].get(&b)? / self.heights[a].min(self.heights[b]);
        let areas = [a, b].map(|part| self.areas[part] / self.typical_area);
        let is_fragment = areas[0].min(areas[1]) < FRAGMENT && ratio > FRAGMENT_NECK;
        let merges = is_fragment || ratio > widest_neck(areas[0] + areas[1]);
        merges.then_some(((ratio * 1e6) as u32, Reverse((a.min(b), a.max(b)))))
    }

    fn merge(&mut self, kept: usize, gone: usize) {
        self.areas[kept] += std::mem::take(&mut self.areas[gone]);
        for (other, neck) in std::mem::take(&mut self.necks[gone]) {
            self.necks[other].remove(&gone);
            if other != kept {
                let widest = self.necks[kept].get(&other).map_or(neck, |&before| before.max(neck));
                self.necks[kept].insert(other, widest);
                self.necks[other].insert(kept, widest);
            }
        }
    }
}

fn widest_neck(area: f32) -> f32 {
    let after = WIDEST_NECK.iter().position(|&(limit, _)| area < limit).unwrap_or(WIDEST_NECK.len());
    if after == 0 || after == WIDEST_NECK.len() {
        return WIDEST_NECK[after.saturating_sub(1)].1;
    }
    let ((area_0, neck_0), (area_1, neck_1)) = (WIDEST_NECK[after - 1], WIDEST_NECK[after]);
    neck_0 + (area - area_0) / (area_1 - area_0) * (neck_1 - neck_0)
}

#[cfg(test)]
mod tests {
    use super::super::grid::Grid;
    use super::super::separation::{Parts, Peak};
    use super::*;

    /// Parts of these areas in a row, each with the neck to the next one; all peaks have a height of 1.
    fn row(areas: &[usize], necks: &[f32]) -> Parts {
        let values: Vec<u32> = (1..).zip(areas).flat_map(|(part, &area)| vec![part; area]).collect();
        let labels = Grid { width: values.len(), height: 1, values };
        let peaks = areas.iter().map(|_| Peak { pixel: 0, radius_px: 1.0, height: 1.0 }).collect();
        let necks = (1..).zip(necks).map(|(part, &neck)| (part, part + 1, neck)).collect();
        let distance = Grid::like(&labels);
        Parts { labels, peaks, necks, distance }
    }

    #[test]
    fn small_parts_need_a_narrower_neck_to_remain_separate() {
        // Two halves of a cell, two cells, and a speck at a cell.
        for (areas, neck, merged) in
            [([50, 50], 0.8, true), ([100, 100], 0.9, false), ([100, 10], 0.7, true), ([100, 10], 0.5, false)]
        {
            let into = merge(&row(&areas, &[neck]), 100.0);
            assert_eq!(into[1] == into[2], merged, "{areas:?} {neck}");
        }
    }

    #[test]
    fn the_widest_neck_is_merged_first() {
        // After the second pair is one cell, the first part is too large to be a piece of it.
        let into = merge(&row(&[60, 50, 50], &[0.8, 0.85]), 100.0);
        assert!(into[2] == into[3] && into[1] != into[2], "{into:?}");
    }

    #[test]
    fn a_chain_of_many_parts_is_merged_quickly() {
        let into = merge(&row(&[1; 20_000], &[0.99; 19_999]), 1e6);
        assert!(into[1..].iter().all(|&part| part == into[1]));
    }
}
