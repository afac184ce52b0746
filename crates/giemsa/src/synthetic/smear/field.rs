//! The part of a slide that a photograph shows: what absorbs the light at each pixel, and what covers it.

use super::stamp::Stamp;
use crate::synthetic::canvas::{Blob, Canvas, Point};

/// The distance over which two objects touch, in pixels: light that is blurred joins them.
const CONTACT_PX: f32 = 1.5;
/// No object covers the pixel.
const NOTHING: u16 = u16::MAX;

/// The part of the picture that shows the slide.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// The width of the picture, in pixels.
    pub width_px: f32,
    /// The height of the picture, in pixels.
    pub height_px: f32,
    /// The centre and the radius of the bright disc, if everything outside is black.
    pub disc: Option<(Point, f32)>,
}

impl View {
    /// Returns the distance of a point from the border of the view, in pixels; positive inside.
    pub fn depth(&self, (x, y): Point) -> f32 {
        let from_sides = x.min(y).min(self.width_px - 1.0 - x).min(self.height_px - 1.0 - y);
        let from_rim = |(centre, radius): (Point, f32)| radius - (x - centre.0).hypot(y - centre.1);
        self.disc.map_or(from_sides, |disc| from_sides.min(from_rim(disc)))
    }
}

/// The visible part of an object: its box, and what it touches.
#[derive(Clone, Debug, PartialEq)]
pub struct Footprint {
    /// The first and the last column.
    pub columns: (usize, usize),
    /// The first and the last row.
    pub rows: (usize, usize),
    /// Whether the border cuts or touches it.
    pub touches_border: bool,
    /// The numbers of the objects that it touches or covers.
    pub touched: Vec<usize>,
}

/// The slide under the camera.
pub struct Field {
    /// The fraction of light that passes, in each channel.
    pub transmitted: Canvas,
    /// The number of the uppermost object at each pixel.
    covered_by: Vec<u16>,
    view: View,
}

impl Field {
    /// Creates a field of clear glass.
    pub fn new(view: View) -> Field {
        let transmitted = Canvas::new(view.width_px as usize, view.height_px as usize, [1.0; 3]);
        Field { covered_by: vec![NOTHING; transmitted.pixels.len()], transmitted, view }
    }

    /// Puts an object on the slide with its upper left corner at a pixel. Its optical density is added to what is there.
    /// Returns `None` if no part of it is visible.
    pub fn add(&mut self, number: usize, stamp: &Stamp, corner: (i32, i32)) -> Option<Footprint> {
        let mut seen = Seen::default();
        for (i, pixel) in stamp.canvas.pixels.iter().enumerate() {
            let (x, y) = ((i % stamp.canvas.width) as i32, (i / stamp.canvas.width) as i32);
            let depth = stamp.edge.depth((x as f32, y as f32));
            let (x, y) = (x + corner.0, y + corner.1);
            let from_border = self.view.depth((x as f32, y as f32));
            seen.touches_border |= depth > 0.0 && from_border < 1.0;
            let Some(place) = self.index(x, y) else { continue };
            let transmitted = &mut self.transmitted.pixels[place];
            *transmitted = std::array::from_fn(|c| transmitted[c] * pixel[c] / stamp.glass[c]);
            if depth > -CONTACT_PX && from_border >= 0.0 {
                seen.touch(self.covered_by[place]);
                if depth >= 0.0 {
                    self.covered_by[place] = number as u16;
                    seen.cover(x as usize, y as usize);
                }
            }
        }
        seen.footprint()
    }

    fn index(&self, x: i32, y: i32) -> Option<usize> {
        let (x, y) = (usize::try_from(x).ok()?, usize::try_from(y).ok()?);
        (x < self.transmitted.width && y < self.transmitted.height).then(|| y * self.transmitted.width + x)
    }
}

/// What was found so far about the visible part of an object.
#[derive(Default)]
struct Seen {
    bounds: Option<((usize, usize), (usize, usize))>,
    touches_border: bool,
    touched: Vec<usize>,
}

impl Seen {
    fn touch(&mut self, other: u16) {
        if other != NOTHING && !self.touched.contains(&usize::from(other)) {
            self.touched.push(usize::from(other));
        }
    }

    fn cover(&mut self, x: usize, y: usize) {
        let (columns, rows) = self.bounds.unwrap_or(((x, x), (y, y)));
        self.bounds = Some(((columns.0.min(x), columns.1.max(x)), (rows.0.min(y), rows.1.max(y))));
    }

    fn footprint(self) -> Option<Footprint> {
        let Seen { bounds, touches_border, touched } = self;
        bounds.map(|(columns, rows)| Footprint { columns, rows, touches_border, touched })
    }
}

/// Returns the distance between the edges of two objects on the line between their centres; negative if they overlap.
pub fn gap(one: &Blob, other: &Blob) -> f32 {
    let (from, to) = (one.centre(), other.centre());
    (to.0 - from.0).hypot(to.1 - from.1) - one.radius_towards(to) - other.radius_towards(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIEW: View = View { width_px: 40.0, height_px: 30.0, disc: None };

    fn disc(radius: f32) -> Stamp {
        let mut canvas = Canvas::new(20, 20, [200.0; 3]);
        let edge = Blob::disc((10.0, 10.0), radius);
        canvas.paint(&edge, 0.1, [100.0; 3], 1.0);
        Stamp { canvas, edge, glass: [200.0; 3] }
    }

    #[test]
    fn adds_optical_densities_and_finds_what_touches() {
        let mut field = Field::new(VIEW);
        let first = field.add(0, &disc(5.0), (5, 5)).unwrap();
        assert_eq!(first, Footprint { columns: (10, 20), rows: (10, 20), touches_border: false, touched: vec![] });
        let second = field.add(1, &disc(5.0), (13, 5)).unwrap();
        assert_eq!((second.columns, second.touched), ((18, 28), vec![0]));
        assert_eq!(field.transmitted.pixels[15 * 40 + 19], [0.25; 3]);
        assert_eq!(field.transmitted.pixels[15 * 40 + 25], [0.5; 3]);
        assert_eq!(field.add(2, &disc(5.0), (5, 17)).unwrap().touched, [0; 0]);
    }

    #[test]
    fn cuts_objects_at_the_border() {
        let mut field = Field::new(VIEW);
        let cut = field.add(0, &disc(5.0), (-10, 2)).unwrap();
        assert_eq!((cut.columns, cut.rows, cut.touches_border), ((0, 5), (7, 17), true));
        assert_eq!(field.add(1, &disc(5.0), (-18, 2)), None);
        let round = View { disc: Some(((20.0, 15.0), 8.0)), ..VIEW };
        let cut = Field::new(round).add(0, &disc(5.0), (18, 5)).unwrap();
        assert_eq!((cut.columns, cut.touches_border), ((23, 28), true));
    }
}
