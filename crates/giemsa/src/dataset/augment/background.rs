//! The background of a segmented crop: finding it, and replacing it by what other microscopes' crops have there.
//!
//! Crops of the NIH set are black outside the cell. Plain crops show the smear instead: pale, pinkish to buff, a little
//! uneven. A network that has seen both looks at the cell.

use super::canvas::Canvas;
use super::colour::luminance;
use crate::random::Random;

/// Which pixels are background.
pub(super) struct Background {
    side: usize,
    covered: Vec<bool>,
}

/// What becomes of the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replacement {
    None,
    /// It looks as a smear between its cells does.
    Smear,
    /// As `Smear`, and then all is black outside an ellipse.
    Ellipse,
}

/// Of the replaced backgrounds, the share that is cut off by an ellipse.
const ELLIPSE_SHARE: f32 = 1.0 / 3.0;

impl Replacement {
    /// Replaced on this share of images.
    pub fn draw(share: f32, random: &mut Random) -> Replacement {
        match share > 0.0 && random.chance(share) {
            false => Replacement::None,
            true if random.chance(ELLIPSE_SHARE) => Replacement::Ellipse,
            true => Replacement::Smear,
        }
    }
}

impl Background {
    /// No pixel.
    pub fn none(side: usize) -> Background {
        Background { side, covered: vec![false; side * side] }
    }

    /// What is exactly black and connected to the border through pixels that share an edge.
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

    /// All outside a random ellipse that has most of the image inside.
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

    /// Takes in the pixels beside the background, in which shrinking has mixed it with the cell.
    pub fn grow(&mut self) {
        let before = self.covered.clone();
        let near = |i: usize| before[i] || neighbours(i, self.side).any(|i| before[i]);
        self.covered = (0..before.len()).map(near).collect();
    }

    /// Makes the background black.
    pub fn blacken(&self, canvas: &mut Canvas) {
        canvas.for_each_pixel(|i, pixel| {
            if self.covers(i) {
                *pixel = [0.0; 4];
            }
        });
    }

    /// The mean colour of what is no background; black where there is nothing else.
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

/// The pixels that share an edge with a pixel.
fn neighbours(i: usize, side: usize) -> impl Iterator<Item = usize> {
    let (y, x) = (i / side, i % side);
    let found = [
        (x > 0).then(|| i - 1),
        (x + 1 < side).then(|| i + 1),
        (y > 0).then(|| i - side),
        (y + 1 < side).then(|| i + side),
    ];
    found.into_iter().flatten()
}

/// Paints the background as a smear looks, and lighter than the cell: one pale tone, a gradient, noise, and at times the
/// edges of neighbouring cells, which have about the colour of this one.
pub(super) fn fill(canvas: &mut Canvas, background: &Background, cell: [f32; 3], random: &mut Random) {
    let lightest = random.range(0.78, 0.97);
    // Less green gives pink, less blue gives buff, a little of both the grey of an old stain.
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

/// Of the smears, the share that shows neighbouring cells.
const NEIGHBOURS_SHARE: f32 = 0.5;

/// Discs that reach into the image from outside.
struct Neighbours {
    /// Centre from the middle of the image, and radius, in pixels.
    discs: Vec<([f32; 2], f32)>,
    colour: [f32; 3],
}

impl Neighbours {
    /// None, or one to three, about as large as a cell that fills the image.
    fn draw(side: usize, cell: [f32; 3], random: &mut Random) -> Neighbours {
        let count = if random.chance(NEIGHBOURS_SHARE) { 1 + random.below(3) } else { 0 };
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
    fn black_that_only_touches_the_background_at_a_corner_belongs_to_the_cell() {
        let found = Background::find(&bytes(), 6);
        let mut expected = covered(CELL);
        expected[2 * 6 + 2] = false;
        assert_eq!(found.covered, expected);
    }

    #[test]
    fn growing_takes_one_pixel_off_the_cell() {
        let mut found = Background::find(&bytes(), 6);
        found.grow();
        let inner: Vec<usize> = (0..36).filter(|&i| !found.covered[i]).collect();
        assert_eq!(inner, [2 * 6 + 2], "only the hole has no background beside it");
    }

    #[test]
    fn the_mean_is_of_the_cell_alone() {
        let bytes = [[0; 3], [0; 3], [0; 3], [255, 51, 0]].concat();
        let mean = Background::find(&bytes, 2).mean_of_foreground(&Canvas::from_bytes(&bytes, 2));
        assert_eq!(mean.map(|value| (value * 255.0).round()), [255.0, 51.0, 0.0]);
        let nothing = [0; 12];
        assert_eq!(Background::find(&nothing, 2).mean_of_foreground(&Canvas::from_bytes(&nothing, 2)), [0.0; 3]);
    }

    #[test]
    fn an_ellipse_leaves_the_middle_and_cuts_the_corners() {
        for seed in 0..50 {
            let outside = Background::outside_ellipse(50, &mut Random::keyed(&[seed]));
            assert!(!outside.covers(25 * 50 + 25));
            assert!([0, 49, 49 * 50, 2499].iter().all(|&corner| outside.covers(corner)));
            let share = outside.covered.iter().filter(|&&covered| covered).count() as f32 / 2500.0;
            // An ellipse with half axes of 0.4 to 0.52 sides covers 0.50 to 0.85 of the square; a part may lie outside.
            assert!((0.15..0.52).contains(&share), "{share}");
        }
    }

    #[test]
    fn what_is_filled_is_pale_and_lighter_than_the_cell() {
        for seed in 0..50 {
            let mut canvas = Canvas::from_bytes(&bytes(), 6);
            let background = Background::find(&bytes(), 6);
            // Neighbours are green here, which no smear is.
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
    fn neighbours_reach_in_from_outside_and_leave_the_middle() {
        let mut seen = 0;
        for seed in 0..100 {
            let neighbours = Neighbours::draw(64, [0.5; 3], &mut Random::keyed(&[seed]));
            assert!(neighbours.discs.len() <= 3 && neighbours.colour_at([0.0; 2]).is_none());
            let border =
                (0..64).flat_map(|i| [[i as f32 - 32.0, -32.0], [i as f32 - 32.0, 32.0], [-32.0, i as f32 - 32.0]]);
            seen += usize::from(border.into_iter().any(|place| neighbours.colour_at(place).is_some()));
        }
        // Half of the smears have neighbours; some of these only touch the right border, or a corner.
        assert!((25..=55).contains(&seen), "{seen}");
    }
}
