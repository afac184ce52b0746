//! The order of the review: what helps most comes first.

use super::Case;
use super::count::CountedCase;
use super::objects::{Object, objects};
use giemsa::smear::ObjectKind;
use std::collections::HashSet;

/// Returns the objects that have no verdict yet: red cells that are counted, and single cells. The most doubtful ones come
/// first: those whose logit is nearest to that of the threshold. What was skipped comes last, in the order in which it was.
#[must_use]
pub fn queue(case: &Case, counted: &CountedCase) -> Vec<Object> {
    let cells: HashSet<i64> = case.images.cells.iter().map(|cell| cell.image).collect();
    let is_open = |object: &Object| {
        object.verdict.is_none()
            && (cells.contains(&object.image) || object.counted && object.kind == ObjectKind::RedCell)
    };
    let mut open: Vec<(Option<i64>, f64, Object)> = objects(&case.images, counted)
        .filter(is_open)
        .map(|object| {
            let skipped = case.verdicts.skipped(object.image, object.frame_px());
            (skipped, doubt(&object, counted.threshold), object)
        })
        .collect();
    // The sort is stable, so that equal objects stay in the order of the case. `None` is less than any row.
    open.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    open.into_iter().map(|(.., object)| object).collect()
}

/// Returns the distance of the logit of an object from that of the threshold. What has no probability is the last.
fn doubt(object: &Object, threshold: f32) -> f64 {
    object.probability_parasitized.map_or(f64::INFINITY, |probability| (logit(probability) - logit(threshold)).abs())
}

fn logit(probability: f32) -> f64 {
    let probability = f64::from(probability).clamp(1e-9, 1.0 - 1e-9);
    (probability / (1.0 - probability)).ln()
}
