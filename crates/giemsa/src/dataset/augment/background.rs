//! Finds the background of a segmented crop, and replaces it by a synthetic smear.
//!
//! Crops of the NIH data set are black outside the cell. Unsegmented crops show the smear instead: pale, pinkish to buff,
//! slightly uneven. Training on both keeps a network from relying on the background.

use super::canvas::Canvas;
use super::colour::luminance;
use crate::preprocess::colour::neighbours;
use crate::random::Random;

/// A mask of the background pixels.
pub(super) struct Background {
    side: usize,
    covered: Vec<bool>,
}

/// The replacement of the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replacement {
    None,
    /// A synthetic smear.
    Smear,
    /// A synthetic smear inside an ellipse, and black outside.
    Ellipse,
}

impl Replacement {
    /// Draws a replacement for a fraction of images; a fraction of those is cut off by an ellipse.
    pub fn draw(fraction: f32, ellipse_fraction: f32, random: &mut Random) -> Replacement {
        match fraction > 0.0 && random.chance(fraction) {
            false => Replacement::None,
            true if random.chance(ellipse_fraction) => Replacement::Ellipse,
            true => Replacement::Smear,
        }
    }
}

impl Background {
    /// Returns an empty mask.
    pub fn none(side: usize) -> Background {
        Background { side, covered: vec![false; side * side] }
    }

    /// Returns a mask that covers everything.
    pub fn everywhere(side: usize) -> Background {
        Background { side, covered: vec![true; side * side] }
    }

    /// Covers the outermost rows and columns.
    pub fn cover_border(&mut self) {
        let last = self.side - 1;
        for (i, covered) in self.covered.iter_mut().enumerate() {
            let (y, x) = (i / self.side, i % self.side);
            *covered |= y == 0 || x == 0 || y == last || x == last;
        }
    }

    /// Finds the pixels that are exactly black and connected to the border through common edges.
    pub fn find(bytes: &[u8], side: usize) -> Background {
        let mut background = Background::none(side);
        let pixels = bytes.as_chunks::<3>().0;
        let border = (0..side).flat_map(|i| [i, (side - 1) * side + i, i * side, i * side + side - 1]);
        let mut open = Vec::new();
        let visit = |i: usize, covered: &mut [bool], open: &mut Vec<usize>| {
            if pixels[i] == [0; 3] && !covered[i] {
                covered[i] = true;
                open.push(i);
            }
        };
        border.for_each(|i| visit(i, &mut background.covered, &mut open));
        while let Some(i) = open.pop() {
            neighbours(i, side).for_each(|i| visit(i, &mut background.covered, &mut open));
        }
        background
    }

    /// Covers everything outside a random ellipse that contains most of the image.
    pub fn outside_ellipse(side: usize, random: &mut Random) -> Background {
        let side_px = side as f32;
        let centre = [0; 2].map(|_| (0.5 + random.range(-0.04, 0.04)) * side_px - 0.5);
        let radii = [0; 2].map(|_| random.range(0.4, 0.52) * side_px);
        let (sin, cos) = random.range(0.0, std::f32::consts::PI).sin_cos();
        let outside = |i: usize| {
            let (x, y) = ((i % side) as f32 - centre[0], (i / side) as f32 - centre[1]);
            let (along, across) = ((x * cos + y * sin) / radii[0], (y * cos - x * sin) / radii[1]);
            along * along + across * across > 1.0
        };
        Background { side, covered: (0..side * side).map(outside).collect() }
    }

    pub fn covers(&self, i: usize) -> bool {
        self.covered[i]
    }

    /// Adds the pixels next to the background, where resizing has mixed it with the cell.
    pub fn grow(&mut self) {
        let before = self.covered.clone();
        let near = |i: usize| before[i] || neighbours(i, self.side).any(|i| before[i]);
        self.covered = (0..before.len()).map(near).collect();
    }

    /// Paints the background black.
    pub fn blacken(&self, canvas: &mut Canvas) {
        canvas.for_each_pixel(|i, pixel| {
            if self.covers(i) {
                *pixel = [0.0; 4];
            }
        });
    }

    /// Computes the mean colour of the foreground; black if there is none.
    pub fn mean_of_foreground(&self, canvas: &Canvas) -> [f32; 3] {
        let (mut sums, mut n) = ([0.0_f32; 3], 0_usize);
        for y in 0..self.side {
            for (pixel, &covered) in canvas.row(y).iter().zip(&self.covered[y * self.side..]) {
                if !covered {
                    (0..3).for_each(|c| sums[c] += pixel[c]);
                    n += 1;
                }
            }
        }
        sums.map(|sum| sum / n.max(1) as f32)
    }
}

/// Paints the background as a smear, lighter than the cell: one pale tone, a gradient, noise, and sometimes the edges of
/// neighbouring cells of a similar colour.
pub(super) fn fill(canvas: &mut Canvas, background: &Background, cell: [f32; 3], random: &mut Random) {
    let lightest = random.range(0.78, 0.97);
    // Less green makes pink, less blue makes buff, and less of both makes the grey of an old stain.
    let tone = [lightest, lightest - random.range(0.0, 0.1), lightest - random.range(0.0, 0.12)];
    let lift = (luminance(cell) + 0.03 - luminance(tone)).max(0.0);
    let slope = [0; 2].map(|_| random.range(-0.08, 0.08) / canvas.side() as f32);
    let noise = random.range(0.0, 0.03);
    let neighbours = Neighbours::draw(canvas.side(), cell, random);
    let (side, middle) = (canvas.side(), canvas.side() as f32 / 2.0);
    canvas.for_each_pixel(|i, pixel| {
        if background.covers(i) {
            let place = [(i % side) as f32 - middle, (i / side) as f32 - middle];
            let shade = lift + slope[0] * place[0] + slope[1] * place[1];
            let smear = tone.map(|value| value + shade);
            let colour = neighbours.colour_at(place).unwrap_or(smear);
            let [r, g, b] = colour.map(|value| (value + random.range(-noise, noise)).clamp(0.0, 1.0));
            *pixel = [r, g, b, 0.0];
        }
    });
}

/// The fraction of smears with neighbouring cells.
const NEIGHBOURS_FRACTION: f32 = 0.5;

/// Discs that extend into the image from outside.
struct Neighbours {
    /// Centres relative to the middle of the image, and radii, in pixels.
    discs: Vec<([f32; 2], f32)>,
    colour: [f32; 3],
}

impl Neighbours {
    /// Draws no disc, or one to three discs of about the size of the image.
    fn draw(side: usize, cell: [f32; 3], random: &mut Random) -> Neighbours {
        let count = if random.chance(NEIGHBOURS_FRACTION) { 1 + random.below(3) } else { 0 };
        let side = side as f32;
        let mut disc = || {
            let radius = random.range(0.35, 0.55) * side;
            let distance = radius + random.range(0.38, 0.6) * side;
            let (sin, cos) = random.range(0.0, std::f32::consts::TAU).sin_cos();
            ([distance * cos, distance * sin], radius)
        };
        let discs = (0..count).map(|_| disc()).collect();
        let brighter = random.range(0.92, 1.08);
        Neighbours { discs, colour: cell.map(|value| value * brighter) }
    }

    fn colour_at(&self, [x, y]: [f32; 2]) -> Option<[f32; 3]> {
        let inside = |&([cx, cy], radius): &([f32; 2], f32)| (x - cx).hypot(y - cy) < radius;
        self.discs.iter().any(inside).then_some(self.colour)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELL: &str = "
        ......
        .##...
        .#.#..
        .###.#
        ......
        ......";

    fn covered(drawing: &str) -> Vec<bool> {
        drawing.chars().filter(|c| !c.is_whitespace()).map(|c| c == '.').collect()
    }

    fn bytes() -> Vec<u8> {
        covered(CELL).into_iter().flat_map(|black| if black { [0; 3] } else { [0, 0, 1] }).collect()
    }

    #[test]
    fn excludes_black_pixels_that_touch_the_background_only_at_a_corner() {
        let found = Background::find(&bytes(), 6);
        let mut expected = covered(CELL);
        expected[2 * 6 + 2] = false;
        assert_eq!(found.covered, expected);
    }

    #[test]
    fn grows_by_one_pixel() {
        let mut found = Background::find(&bytes(), 6);
        found.grow();
        let inner: Vec<usize> = (0..36).filter(|&i| !found.covered[i]).collect();
        assert_eq!(inner, [2 * 6 + 2], "only the hole has no background neighbour");
    }

    #[test]
    fn averages_the_colour_of_the_foreground_only() {
        let bytes = [[0; 3], [0; 3], [0; 3], [255, 51, 0]].concat();
        let mean = Background::find(&bytes, 2).mean_of_foreground(&Canvas::from_bytes(&bytes, 2));
        assert_eq!(mean.map(|value| (value * 255.0).round()), [255.0, 51.0, 0.0]);
        let nothing = [0; 12];
        assert_eq!(Background::find(&nothing, 2).mean_of_foreground(&Canvas::from_bytes(&nothing, 2)), [0.0; 3]);
    }

    #[test]
    fn covers_the_corners_but_not_the_middle_with_an_ellipse() {
        for seed in 0..50 {
            let outside = Background::outside_ellipse(50, &mut Random::keyed(&[seed]));
            assert!(!outside.covers(25 * 50 + 25));
            assert!([0, 49, 49 * 50, 2499].iter().all(|&corner| outside.covers(corner)));
            let fraction = outside.covered.iter().filter(|&&covered| covered).count() as f32 / 2500.0;
            // An ellipse with half axes of 0.4 to 0.52 sides covers 0.50 to 0.85 of the square; a part may be outside.
            assert!((0.15..0.52).contains(&fraction), "{fraction}");
        }
    }

    #[test]
    fn fills_the_background_with_a_pale_tone_lighter_than_the_cell() {
        for seed in 0..50 {
            let mut canvas = Canvas::from_bytes(&bytes(), 6);
            let background = Background::find(&bytes(), 6);
            // Neighbours are green here, unlike any smear.
            let cell = [0.5, 0.8, 0.4];
            fill(&mut canvas, &background, cell, &mut Random::keyed(&[seed]));
            for y in 0..6 {
                for (x, &[r, g, b, _]) in canvas.row(y).iter().enumerate() {
                    let is_pale = luminance([r, g, b]) > 0.65 && r + 0.07 > g && r + 0.07 > b;
                    let is_neighbour = g > r + 0.15 && g > b + 0.25;
                    assert_eq!(is_pale || is_neighbour, background.covers(y * 6 + x), "{r} {g} {b}");
                }
            }
        }
    }

    #[test]
    fn draws_neighbours_at_the_border_but_not_in_the_middle() {
        let mut seen = 0;
        for seed in 0..100 {
            let neighbours = Neighbours::draw(64, [0.5; 3], &mut Random::keyed(&[seed]));
            assert!(neighbours.discs.len() <= 3 && neighbours.colour_at([0.0; 2]).is_none());
            let border =
                (0..64).flat_map(|i| [[i as f32 - 32.0, -32.0], [i as f32 - 32.0, 32.0], [-32.0, i as f32 - 32.0]]);
            seen += usize::from(border.into_iter().any(|place| neighbours.colour_at(place).is_some()));
        }
        // Half of the smears have neighbours; some of them touch only the right border or a corner.
        assert!((25..=55).contains(&seen), "{seen}");
    }
}
