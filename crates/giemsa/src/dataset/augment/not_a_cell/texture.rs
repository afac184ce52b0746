//! Textures and shapes that stand for photographs of anything.

use super::super::canvas::Canvas;
use crate::random::Random;

fn colour(random: &mut Random) -> [f32; 3] {
    let grey = random.range(0.05, 1.0);
    let tint = if random.chance(0.5) { 0.1 } else { 0.5 };
    [0; 3].map(|_| (grey + random.range(-tint, tint)).clamp(0.02, 1.0))
}

fn place(i: usize, side: usize) -> [f32; 2] {
    [(i % side) as f32, (i / side) as f32].map(|v| (v + 0.5) / side as f32)
}

fn opaque([r, g, b]: [f32; 3]) -> [f32; 4] {
    [r, g, b, 0.0].map(|value| value.clamp(0.0, 1.0))
}

/// Draws overlapping shapes whose sizes follow a power law, which have the statistics of photographs (dead leaves model:
/// Lee, Mumford and Huang 2001, *Occlusion models for natural images*).
pub(super) fn dead_leaves(side: usize, random: &mut Random) -> Canvas {
    let mut canvas = Canvas::from_fn(side, |_| [0.5, 0.5, 0.5, 0.0]);
    let (smallest, count) = (random.range(0.03, 0.15), 10 + random.below(120));
    for _ in 0..count {
        // Density proportional to r^-3 above the smallest radius.
        let radius = (smallest / (1.0 - random.uniform()).max(1e-3).sqrt()).min(0.8);
        let centre = [0; 2].map(|_| random.range(-0.1, 1.1));
        let (stretch, angle) = (random.range(0.4, 1.0), random.range(0.0, std::f32::consts::PI));
        let is_box = random.chance(0.4);
        let (base, slope) = (colour(random), [0; 2].map(|_| random.range(-0.5, 0.5)));
        let (sin, cos) = angle.sin_cos();
        canvas.for_each_pixel(|i, pixel| {
            let [x, y] = place(i, side);
            let (dx, dy) = (x - centre[0], y - centre[1]);
            let (u, v) = ((dx * cos + dy * sin) / radius, (dy * cos - dx * sin) / (radius * stretch));
            let inside = if is_box { u.abs().max(v.abs()) < 1.0 } else { u * u + v * v < 1.0 };
            if inside {
                *pixel = opaque(base.map(|value| value + slope[0] * dx + slope[1] * dy));
            }
        });
    }
    canvas
}

/// Draws noise whose amplitude falls with its frequency, from clouds to grain.
pub(super) fn noise(side: usize, random: &mut Random) -> Canvas {
    let (base, other) = (colour(random), colour(random));
    let fall = random.range(0.2, 1.1);
    let octaves: Vec<(usize, f32, Vec<f32>)> = (0..5)
        .map(|octave| {
            let cells = 2_usize << octave;
            let values = (0..(cells + 1) * (cells + 1)).map(|_| random.range(-1.0, 1.0)).collect();
            (cells, fall.powi(octave), values)
        })
        .collect();
    let sum: f32 = octaves.iter().map(|(_, amplitude, _)| amplitude).sum();
    Canvas::from_fn(side, |i| {
        let at = place(i, side);
        let total: f32 = octaves.iter().map(|(cells, amplitude, values)| amplitude * lattice(values, *cells, at)).sum();
        let t = (0.5 + 1.5 * total / sum).clamp(0.0, 1.0);
        opaque(std::array::from_fn(|c| base[c] + (other[c] - base[c]) * t))
    })
}

/// Interpolates values on a lattice of `cells` x `cells` cells.
fn lattice(values: &[f32], cells: usize, at: [f32; 2]) -> f32 {
    let [x, y] = at.map(|v| v * cells as f32);
    let (column, row) = ((x as usize).min(cells - 1), (y as usize).min(cells - 1));
    let (dx, dy) = (x - column as f32, y - row as f32);
    let value = |r: usize, c: usize| values[r * (cells + 1) + c];
    let top = value(row, column) + (value(row, column + 1) - value(row, column)) * dx;
    let bottom = value(row + 1, column) + (value(row + 1, column + 1) - value(row + 1, column)) * dx;
    top + (bottom - top) * dy
}

/// Draws stripes, a chequerboard, rings, or lines of blocks like text, with some grain.
pub(super) fn pattern(side: usize, random: &mut Random) -> Canvas {
    let (base, other) = (colour(random), colour(random));
    let kind = random.below(4);
    let (period, angle) = (random.range(0.06, 0.4), random.range(0.0, std::f32::consts::PI));
    let ((sin, cos), grain) = (angle.sin_cos(), random.range(0.0, 0.1));
    let key = random.next_u64();
    Canvas::from_fn(side, |i| {
        let [x, y] = place(i, side).map(|v| v - 0.5);
        let (u, v) = ((x * cos + y * sin) / period, (y * cos - x * sin) / period);
        let odd = |value: f32| value.floor().rem_euclid(2.0) >= 1.0;
        let is_other = match kind {
            0 => odd(u),
            1 => odd(u) != odd(v),
            2 => odd((x.hypot(y)) / period * 2.0),
            _ => odd(v) && Random::keyed(&[key, u.floor() as i64 as u64, v.floor() as i64 as u64]).chance(0.6),
        };
        let shade = random.range(-grain, grain);
        opaque(if is_other { other } else { base }.map(|value| value + shade))
    })
}
