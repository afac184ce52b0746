//! Places objects on a slide one after the other, at random: alone, against another one, or partly over it.

use super::field::{View, gap};
use crate::random::Random;
use crate::synthetic::canvas::{Blob, Point, at_polar};
use std::f32::consts::TAU;

/// Attempts to place an object before the conditions are relaxed.
const ATTEMPTS: usize = 300;
/// The fraction of attached cells that overlap; the others touch.
const OVERLAPPING: f32 = 0.35;
/// The distance of a centre outside the border, at most, in radii: a part of every object is visible.
const OUTSIDE: f32 = 0.4;

/// The objects placed so far.
pub struct Placement {
    view: View,
    placed: Vec<Blob>,
    /// The clear distance around an isolated object.
    clear_px: f32,
}

impl Placement {
    /// Creates an empty slide.
    pub fn new(view: View, clear_px: f32) -> Placement {
        Placement { view, placed: Vec::new(), clear_px }
    }

    /// Finds a place for a red cell. The fraction `crowding` of the cells touches or overlaps another object; where there
    /// is no room, so do more. Returns the upper left corner of the canvas on which `edge` is drawn.
    pub fn add_cell(&mut self, edge: &Blob, crowding: f32, random: &mut Random) -> Option<(i32, i32)> {
        let attached = !self.placed.is_empty() && random.chance(crowding);
        let corner = if attached {
            self.beside_another(edge, random).or_else(|| self.alone(edge, self.clear_px, random))
        } else {
            self.alone(edge, self.clear_px, random).or_else(|| self.beside_another(edge, random))
        };
        let crowded = |random: &mut Random| self.alone(edge, -0.6 * edge.max_radius(), random);
        let corner = corner.or_else(|| crowded(random))?;
        self.placed.push(at(edge, corner));
        Some(corner)
    }

    /// Finds a place on the glass for an object that is not a red cell.
    pub fn add_other(&mut self, edge: &Blob, random: &mut Random) -> Option<(i32, i32)> {
        let corner = self.alone(edge, self.clear_px, random).or_else(|| self.alone(edge, 0.0, random))?;
        self.placed.push(at(edge, corner));
        Some(corner)
    }

    /// Draws places anywhere until the object has this gap to all others.
    fn alone(&self, edge: &Blob, gap_px: f32, random: &mut Random) -> Option<(i32, i32)> {
        let margin = OUTSIDE * edge.max_radius();
        let anywhere = |random: &mut Random| {
            let along = |length: f32, random: &mut Random| random.range(-margin, length + margin);
            (along(self.view.width_px, random), along(self.view.height_px, random))
        };
        (0..ATTEMPTS).find_map(|_| {
            let corner = corner(edge, anywhere(random));
            self.has_room(&at(edge, corner), gap_px, None).then_some(corner)
        })
    }

    /// Draws places against another object, or partly over it, until no third object is in the way.
    fn beside_another(&self, edge: &Blob, random: &mut Random) -> Option<(i32, i32)> {
        let overlap = if random.chance(OVERLAPPING) { random.range(0.25, 0.9) } else { random.range(0.0, 0.07) };
        (0..ATTEMPTS).find_map(|_| {
            let other = random.below(self.placed.len());
            let (angle, from) = (random.range(0.0, TAU), self.placed[other].centre());
            // The gap along the line between the centres does not depend on the distance.
            let far = edge.clone().moved(difference(at_polar(from, 4.0 * edge.max_radius(), angle), edge.centre()));
            let away = at_polar((0.0, 0.0), 1.0, angle);
            let by = gap(&far, &self.placed[other]) + overlap * edge.max_radius();
            let to = (far.centre().0 - by * away.0, far.centre().1 - by * away.1);
            let corner = corner(edge, to);
            self.has_room(&at(edge, corner), -0.07 * edge.max_radius(), Some(other)).then_some(corner)
        })
    }

    /// Returns whether an object is in view and has a gap to all objects except one.
    fn has_room(&self, edge: &Blob, gap_px: f32, except: Option<usize>) -> bool {
        self.view.depth(edge.centre()) > -OUTSIDE * edge.max_radius()
            && self.placed.iter().enumerate().all(|(i, other)| {
                let (dx, dy) = difference(edge.centre(), other.centre());
                // A bound on the gap spares most objects its exact value.
                let far = dx.hypot(dy) > edge.max_radius() + other.max_radius() + gap_px;
                far || Some(i) == except || gap(edge, other) > gap_px
            })
    }
}

/// Returns the corner of the canvas of an object whose centre is to be near a point.
fn corner(edge: &Blob, centre: Point) -> (i32, i32) {
    let (dx, dy) = difference(centre, edge.centre());
    (dx.round() as i32, dy.round() as i32)
}

/// Moves an object from its canvas to the picture.
fn at(edge: &Blob, corner: (i32, i32)) -> Blob {
    edge.clone().moved((corner.0 as f32, corner.1 as f32))
}

fn difference(to: Point, from: Point) -> Point {
    (to.0 - from.0, to.1 - from.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIEW: View = View { width_px: 600.0, height_px: 400.0, disc: None };

    fn place(cells: usize, crowding: f32) -> Vec<Blob> {
        let mut placement = Placement::new(VIEW, 4.0);
        let mut random = Random::keyed(&[1]);
        let edge = Blob::ellipse((30.0, 30.0), (26.0, 22.0), 0.4);
        (0..cells).for_each(|_| assert!(placement.add_cell(&edge, crowding, &mut random).is_some()));
        placement.placed
    }

    fn attached(placed: &[Blob]) -> usize {
        let touches = |i: usize| (0..placed.len()).any(|j| i != j && gap(&placed[i], &placed[j]) < 1.0);
        (0..placed.len()).filter(|&i| touches(i)).count()
    }

    #[test]
    fn cells_touch_as_often_as_asked() {
        assert_eq!(attached(&place(30, 0.0)), 0);
        let some = attached(&place(30, 0.3));
        assert!((6..=24).contains(&some), "{some}");
        assert_eq!(attached(&place(30, 1.0)), 30);
    }

    #[test]
    fn crowds_cells_where_there_is_no_room() {
        let placed = place(120, 0.0);
        assert!(attached(&placed) > 60);
        assert!(placed.iter().all(|cell| VIEW.depth(cell.centre()) > -12.0));
    }
}
