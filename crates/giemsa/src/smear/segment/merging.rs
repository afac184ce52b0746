//! Undoes separations within a cell: parts are merged again where the neck between them is too wide for two cells of the
//! photograph's typical size.

use super::separation::Parts;
use std::collections::BTreeMap;

/// The widest neck at which two parts remain separate, by the area of both together in typical cells: pairs of area and
/// neck, the neck as a fraction of the smaller part's width. Linear between the pairs.
const WIDEST_NECK: [(f32, f32); 5] = [(0.6, 0.3), (1.0, 0.72), (1.3, 0.87), (1.6, 0.94), (2.0, 0.97)];
/// A part of less than this fraction of a typical cell is merged with the neighbour that it touches most widely,
const FRAGMENT: f32 = 0.25;
/// unless the neck is narrower than this fraction of the fragment's width.
const FRAGMENT_NECK: f32 = 0.6;

/// Merges parts, the pair with the widest neck first. Returns the number of the merged part of each part, from 1 on.
pub(super) fn merge(parts: &Parts, typical_area: f32) -> Vec<u32> {
    let count = parts.peaks.len() + 1;
    let mut areas = vec![0.0_f32; count];
    parts.labels.values.iter().for_each(|&label| areas[label as usize] += 1.0);
    let heights = [0.0].into_iter().chain(parts.peaks.iter().map(|peak| peak.height)).collect();
    let mut graph = Graph { radii: heights, areas, necks: BTreeMap::new() };
    for &(a, b, neck) in &parts.necks {
        graph.necks.insert((a, b), neck);
    }
    let mut into: Vec<u32> = (0..count as u32).collect();
    while let Some((kept, gone)) = graph.next_merge(typical_area) {
        graph.merge(kept, gone);
        into[gone as usize] = kept;
    }
    let root = |mut part: u32| {
        while into[part as usize] != part {
            part = into[part as usize];
        }
        part
    };
    (0..count as u32).map(root).collect()
}

/// Parts as nodes, and the necks between them as edges.
struct Graph {
    radii: Vec<f32>,
    areas: Vec<f32>,
    necks: BTreeMap<(u32, u32), f32>,
}

impl Graph {
    /// Returns the pair to merge next: that with the widest neck among those that must be merged.
    fn next_merge(&self, typical_area: f32) -> Option<(u32, u32)> {
        let excess = |(&(a, b), &neck): (&(u32, u32), &f32)| {
            let [one, two] = [a, b].map(|part| (self.radii[part as usize], self.areas[part as usize]));
            let ratio = neck / one.0.min(two.0);
            let widest = widest_neck((one.1 + two.1) / typical_area);
            let is_fragment = one.1.min(two.1) < FRAGMENT * typical_area && ratio > FRAGMENT_NECK;
            let merges = ratio > widest || is_fragment;
            merges.then_some((ratio, (a, b)))
        };
        let (_, (a, b)) = self.necks.iter().filter_map(excess).max_by(|one, two| one.0.total_cmp(&two.0))?;
        Some(if self.radii[a as usize] >= self.radii[b as usize] { (a, b) } else { (b, a) })
    }

    fn merge(&mut self, kept: u32, gone: u32) {
        self.areas[kept as usize] += std::mem::take(&mut self.areas[gone as usize]);
        let of_gone: Vec<_> = self
            .necks
            .iter()
            .filter(|((a, b), _)| *a == gone || *b == gone)
            .map(|(&pair, &neck)| (pair, neck))
            .collect();
        for ((a, b), neck) in of_gone {
            self.necks.remove(&(a, b));
            let other = if a == gone { b } else { a };
            if other != kept {
                let widest = self.necks.entry((kept.min(other), kept.max(other))).or_insert(neck);
                *widest = widest.max(neck);
            }
        }
    }
}

fn widest_neck(area: f32) -> f32 {
    let after = WIDEST_NECK.iter().position(|&(limit, _)| area < limit);
    match after {
        Some(0) => WIDEST_NECK[0].1,
        None => WIDEST_NECK[WIDEST_NECK.len() - 1].1,
        Some(i) => {
            let ((x0, y0), (x1, y1)) = (WIDEST_NECK[i - 1], WIDEST_NECK[i]);
            y0 + (area - x0) / (x1 - x0) * (y1 - y0)
        }
    }
}
