//! Several cells in one image, as in a photograph of a field, or none.

use super::super::background::{self, Background};
use super::super::canvas::Canvas;
use crate::preprocess::colour::{REFERENCE, is_black};
use crate::random::Random;

/// The fraction of the smears without a cell in the middle.
const EMPTY: f32 = 0.3;

/// Draws a smear with 2 to 40 cells of random size, side by side or overlapping, or without cells.
pub(super) fn draw(cells: &[&[u8]], side: usize, random: &mut Random) -> Canvas {
    let mut canvas = Canvas::from_fn(side, |_| [0.0; 4]);
    let everywhere = Background::everywhere(side);
    background::fill(&mut canvas, &everywhere, REFERENCE.map(|byte| f32::from(byte) / 255.0), random);
    let diameter = random.range(0.12, 0.6) * side as f32;
    let most = (0.9 * (side as f32 / diameter).powi(2)).clamp(2.0, 40.0) as usize;
    let count = if random.chance(EMPTY) { 0 } else { 2 + random.below(most) };
    for _ in 0..count {
        let cell = cells[random.below(cells.len())];
        let size = diameter * random.range(0.85, 1.15);
        let corner = [0; 2].map(|_| random.range(-0.3 * size, side as f32 - 0.7 * size));
        paste(&mut canvas, cell, corner, size);
    }
    canvas
}

/// Draws a cell into the square of this size at a corner (x, y), in pixels.
fn paste(canvas: &mut Canvas, cell: &[u8], corner: [f32; 2], size: f32) {
    let side = canvas.side();
    let pixels = cell.as_chunks::<3>().0;
    canvas.for_each_pixel(|i, to| {
        let at = [(i % side) as f32 - corner[0], (i / side) as f32 - corner[1]].map(|v| v / size * side as f32);
        if at.iter().all(|&v| v >= 0.0 && v < side as f32) {
            let pixel = pixels[at[1] as usize * side + at[0] as usize];
            if !is_black(pixel) {
                let [r, g, b] = pixel.map(|byte| f32::from(byte) / 255.0);
                *to = [r, g, b, 0.0];
            }
        }
    });
}
