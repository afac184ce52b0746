//! Which boxes, drawn by people, are those of the objects found on a photograph.

use super::Object;
use crate::dataset::annotations::ObjectBox;

/// A found object and a box are the same if the intersection of their boxes is at least this fraction of their union.
const LEAST_OVERLAP: f64 = 0.5;

/// Returns the index of the box of each object; `None` for an object without one. No box belongs to two objects: the pairs that
/// agree best are matched first.
///
/// A box of which only the centre is marked agrees with an object in whose ellipse the centre lies.
pub(super) fn match_boxes(objects: &[Object], boxes: &[ObjectBox]) -> Vec<Option<usize>> {
    let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
    for (i, object) in objects.iter().enumerate() {
        let agreeing = boxes.iter().enumerate().filter_map(|(j, marked)| Some((agreement(object, marked)?, i, j)));
        pairs.extend(agreeing);
    }
    // The sort is stable, so that equal pairs stay in the order of the objects.
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut matched, mut is_taken) = (vec![None; objects.len()], vec![false; boxes.len()]);
    for (_, object, marked) in pairs {
        if matched[object].is_none() && !is_taken[marked] {
            matched[object] = Some(marked);
            is_taken[marked] = true;
        }
    }
    matched
}

/// Returns how well an object and a box agree, in 0..=1; `None` if they are not the same.
fn agreement(object: &Object, marked: &ObjectBox) -> Option<f64> {
    let corner = [object.x, object.y].map(f64::from);
    let size = [object.width, object.height].map(f64::from);
    match marked.size {
        Some(marked_size) => {
            let overlap = |axis: usize| {
                let low = marked.centre[axis] - marked_size[axis] / 2.0;
                ((corner[axis] + size[axis]).min(low + marked_size[axis]) - corner[axis].max(low)).max(0.0)
            };
            let intersection = overlap(0) * overlap(1);
            let union = size[0] * size[1] + marked_size[0] * marked_size[1] - intersection;
            Some(intersection / union).filter(|overlap| *overlap >= LEAST_OVERLAP)
        }
        None => {
            let from_centre = |axis: usize| 2.0 * (marked.centre[axis] - corner[axis]) / size[axis].max(1.0) - 1.0;
            Some(1.0 - from_centre(0).hypot(from_centre(1))).filter(|nearness| *nearness >= 0.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::Class;
    use crate::dataset::annotations;
    use crate::smear::ObjectKind;

    fn found(x: u32, y: u32, side: u32) -> Object {
        Object::new([x, y, side, side], ObjectKind::RedCell, 1)
    }

    fn marked(centre: [f64; 2], size: Option<[f64; 2]>) -> ObjectBox {
        let object = annotations::Object::RedCell(Class::Uninfected);
        ObjectBox { object, category: "red_blood_cell".into(), centre, size }
    }

    #[test]
    fn boxes_that_overlap_by_half_are_matched() {
        // Shifted by a third of the side, two boxes share 2/3 of each: the overlap is (2/3) / (4/3) = 0.5.
        for (column, expected) in [(40.0, Some(0)), (60.0, Some(0)), (61.0, None), (300.0, None)] {
            let boxes = [marked([column, 30.0], Some([60.0, 60.0]))];
            assert_eq!(match_boxes(&[found(10, 0, 60)], &boxes), [expected], "{column}");
        }
    }

    #[test]
    fn a_box_belongs_to_the_object_that_agrees_best() {
        let objects = [found(10, 10, 60), found(14, 10, 60), found(300, 10, 60)];
        let boxes = [marked([44.0, 40.0], Some([60.0, 60.0])), marked([40.0, 42.0], Some([60.0, 60.0]))];
        assert_eq!(match_boxes(&objects, &boxes), [Some(1), Some(0), None]);
        assert_eq!(match_boxes(&objects, &boxes[..1]), [None, Some(0), None]);
    }

    #[test]
    fn a_marked_centre_belongs_to_the_object_that_contains_it() {
        let objects = [found(10, 10, 60), found(80, 10, 60)];
        // The corner of a box is outside of the cell in it.
        let centres = [marked([12.0, 12.0], None), marked([100.0, 50.0], None), marked([40.0, 30.0], None)];
        assert_eq!(match_boxes(&objects, &centres), [Some(2), Some(1)]);
    }
}
