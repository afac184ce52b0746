//! Which objects of a photograph are counted.
//!
//! Of the objects that the border of the field cuts, large ones would be counted too often if all were counted, and too rarely
//! if none were. Those that touch the left or the upper border are not counted, and those that touch only the right or the
//! lower one are; of a round field, those that touch its left half are not (Gundersen 1977, "Notes on the estimation of the
//! numerical density of arbitrary profiles: the edge effect").

use super::Object;
use super::segment::FieldOfView;

/// Objects this near to a border, in cell diameters, touch it: segmentation works on reduced photographs.
const TOUCH: f32 = 0.05;

/// Returns whether an object is counted on a photograph without a round field, or within one. `cell_diameter_px` is the
/// diameter of a red cell in pixels.
///
/// ```
/// use giemsa::smear::{Object, ObjectKind, is_counted, segment::FieldOfView};
/// let cell = |x, y| Object::new([x, y, 60, 60], ObjectKind::RedCell, 1);
/// let counted = |x, y| is_counted(&cell(x, y), FieldOfView::Whole, 60.0);
/// assert!(counted(100, 100) && counted(580, 420));
/// assert!(!counted(0, 100) && !counted(100, 0) && !counted(580, 0));
/// ```
#[must_use]
pub fn is_counted(object: &Object, field: FieldOfView, cell_diameter_px: f32) -> bool {
    let near_px = TOUCH * cell_diameter_px;
    let touches_picture = object.x as f32 <= near_px || object.y as f32 <= near_px;
    let FieldOfView::Round { x, .. } = field else { return !touches_picture };
    let is_right = object.x as f32 + object.width as f32 / 2.0 > x;
    !touches_picture && (!touches_circle(object, field, near_px) || is_right)
}

/// Returns whether the border of a photograph of this width and height, or that of its round field, does not cut an object.
/// `cell_diameter_px` is the diameter of a red cell in pixels.
///
/// ```
/// use giemsa::smear::{Object, ObjectKind, is_whole, segment::FieldOfView};
/// let cell = |x, y| Object::new([x, y, 60, 60], ObjectKind::RedCell, 1);
/// let whole = |x, y| is_whole(&cell(x, y), FieldOfView::Whole, (640, 480), 60.0);
/// assert!(whole(100, 100));
/// assert!(!whole(0, 100) && !whole(100, 0) && !whole(580, 100) && !whole(100, 420));
/// ```
#[must_use]
pub fn is_whole(object: &Object, field: FieldOfView, (width, height): (u32, u32), cell_diameter_px: f32) -> bool {
    let near_px = TOUCH * cell_diameter_px;
    let margins = [
        object.x,
        object.y,
        width.saturating_sub(object.x + object.width),
        height.saturating_sub(object.y + object.height),
    ];
    margins.iter().all(|&margin| margin as f32 > near_px) && !touches_circle(object, field, near_px)
}

/// Returns whether an object is this near to the border of a round field; `false` without one.
fn touches_circle(object: &Object, field: FieldOfView, near_px: f32) -> bool {
    let FieldOfView::Round { x, y, radius } = field else { return false };
    let half = [object.width as f32 / 2.0, object.height as f32 / 2.0];
    let (dx, dy) = (object.x as f32 + half[0] - x, object.y as f32 + half[1] - y);
    // An ellipse in the box reaches this far in the direction away from the centre.
    let distance = dx.hypot(dy).max(1e-3);
    let reach = (half[0] * dx / distance).hypot(half[1] * dy / distance);
    distance + reach >= radius - near_px
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smear::ObjectKind;

    fn centred(x: u32, y: u32) -> Object {
        Object::new([x - 10, y - 10, 20, 20], ObjectKind::RedCell, 1)
    }

    #[test]
    fn half_of_a_round_border_is_forbidden() {
        let field = FieldOfView::Round { x: 500.0, y: 500.0, radius: 400.0 };
        let counted = |x, y| is_counted(&centred(x, y), field, 20.0);
        assert!(counted(500, 500) && counted(895, 500) && counted(130, 500));
        assert!(!counted(105, 500) && !counted(495, 105) && !counted(495, 895));
        assert!(counted(505, 105) && counted(505, 895));
    }

    #[test]
    fn no_part_of_a_round_border_cuts_a_whole_cell() {
        let field = FieldOfView::Round { x: 500.0, y: 500.0, radius: 400.0 };
        let whole = |x, y| is_whole(&centred(x, y), field, (1000, 1000), 20.0);
        assert!(whole(500, 500) && whole(880, 500) && whole(130, 500));
        assert!(!whole(895, 500) && !whole(105, 500) && !whole(505, 895));
    }

    #[test]
    fn the_frame_is_unbiased_for_cells_of_any_size() {
        // Cells at random places of a plane; a window of 1,000 x 800 pixels should count those in proportion to its area.
        for side in [10_i64, 60, 150] {
            let (mut counted, mut all) = (0, 0);
            for x in (-200..1200).step_by(7) {
                for y in (-200..1000).step_by(7) {
                    all += 1;
                    let (left, top) = (x.max(0), y.max(0));
                    let (right, bottom) = ((x + side).min(1000), (y + side).min(800));
                    if right > left && bottom > top {
                        let place = [left, top, right - left, bottom - top].map(|edge| edge as u32);
                        counted += usize::from(is_counted(
                            &Object::new(place, ObjectKind::RedCell, 1),
                            FieldOfView::Whole,
                            0.0,
                        ));
                    }
                }
            }
            let expected = all as f64 * (1000.0 * 800.0) / (1400.0 * 1200.0);
            assert!((counted as f64 / expected - 1.0).abs() < 0.02, "{side}: {counted} of {expected}");
        }
    }
}
