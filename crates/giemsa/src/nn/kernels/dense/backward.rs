//! Gradients of a fully connected layer at its weights and input.

use super::PANEL_WIDTH;
use crate::nn::aligned_vec::AlignedVec;
use crate::nn::kernels::simd::{Kernel, Simd};
use crate::nn::kernels::{InstructionSet, run, tiles};

/// Computes the gradient at the weights of one panel, `[inputs][16]`, from the gradient at its outputs, `[rows][16]`.
pub(crate) fn weight_gradient(
    set: InstructionSet,
    input: &[f32],
    inputs: usize,
    gradient: &[f32],
    weights: &mut [f32],
) {
    let rows = gradient.len() / PANEL_WIDTH;
    assert_eq!(gradient.len(), rows * PANEL_WIDTH);
    assert_eq!(input.len(), rows * inputs);
    assert_eq!(weights.len(), inputs * PANEL_WIDTH);
    run(set, WeightGradient { input, rows, inputs, gradient, weights });
}

struct WeightGradient<'a> {
    input: &'a [f32],
    rows: usize,
    inputs: usize,
    gradient: &'a [f32],
    weights: &'a mut [f32],
}

impl Kernel for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        // SAFETY: a panel contains whole vectors of every set.
        unsafe {
            match PANEL_WIDTH / S::LANES {
                1 => self.tiles::<S, 1>(),
                _ => self.tiles::<S, 2>(),
            }
        }
    }
}

impl WeightGradient<'_> {
    /// Computes all weights of the panel, which `VECTORS` vectors span.
    #[inline(always)]
    unsafe fn tiles<S: Simd, const VECTORS: usize>(&mut self) {
        for (i, values) in tiles(self.inputs, S::ACCUMULATORS / VECTORS) {
            // SAFETY: the values are inside the input.
            unsafe {
                match values {
                    1 => self.tile::<S, VECTORS, 1>(i),
                    2 => self.tile::<S, VECTORS, 2>(i),
                    3 => self.tile::<S, VECTORS, 3>(i),
                    4 => self.tile::<S, VECTORS, 4>(i),
                    5 => self.tile::<S, VECTORS, 5>(i),
                    6 => self.tile::<S, VECTORS, 6>(i),
                    _ => self.tile::<S, VECTORS, 12>(i),
                }
            }
        }
    }

    /// Computes the weights of `T` inputs from `i`.
    #[inline(always)]
    unsafe fn tile<S: Simd, const VECTORS: usize, const T: usize>(&mut self, i: usize) {
        if T * VECTORS > S::ACCUMULATORS {
            return; // `tiles` never asks for it; the check keeps it from being compiled.
        }
        // SAFETY: i + T <= inputs bounds input and weights; the gradient contains a whole panel per row.
        unsafe {
            let mut sums = [[S::splat(0.0); VECTORS]; T];
            for row in 0..self.rows {
                let input = self.input.as_ptr().add(row * self.inputs + i);
                let mut g = [S::splat(0.0); VECTORS];
                for (v, g) in g.iter_mut().enumerate() {
                    *g = S::load(self.gradient.as_ptr().add(row * PANEL_WIDTH + v * S::LANES));
                }
                for (t, sums) in sums.iter_mut().enumerate() {
                    let value = S::splat(*input.add(t));
                    for (sum, g) in sums.iter_mut().zip(g) {
                        *sum = S::fma(value, g, *sum);
                    }
                }
            }
            for (t, sums) in sums.into_iter().enumerate() {
                for (v, sum) in sums.into_iter().enumerate() {
                    S::store(self.weights.as_mut_ptr().add((i + t) * PANEL_WIDTH + v * S::LANES), sum);
                }
            }
        }
    }
}

/// Computes the gradient at the input of some rows, `[rows][inputs]`, from row `first_row` of the `all_rows` rows in
/// `gradient`.
pub(crate) fn input_gradient(
    set: InstructionSet,
    panels: &[f32],
    inputs: usize,
    gradient: &[f32],
    all_rows: usize,
    first_row: usize,
    output: &mut [f32],
) {
    let (rows, count) = (output.len() / inputs, panels.len() / (inputs * PANEL_WIDTH));
    assert_eq!(output.len(), rows * inputs);
    assert_eq!(panels.len(), count * inputs * PANEL_WIDTH);
    assert_eq!(gradient.len(), count * all_rows * PANEL_WIDTH);
    assert!(first_row + rows <= all_rows);
    // Panels are often a multiple of 4,096 bytes apart and evict each other from the cache, so the rows are copied into
    // contiguous memory first.
    let rows_of = |row| {
        gradient.chunks_exact(all_rows * PANEL_WIDTH).map(move |panel| &panel[row * PANEL_WIDTH..][..PANEL_WIDTH])
    };
    let mut packed = AlignedVec::filled(rows * count * PANEL_WIDTH, 0.0);
    let places = packed.as_chunks_mut::<PANEL_WIDTH>().0.iter_mut();
    places.zip((first_row..first_row + rows).flat_map(rows_of)).for_each(|(to, from)| to.copy_from_slice(from));
    run(set, InputGradient { panels, inputs, count, weights: AlignedVec::new(), gradient: packed, rows, output });
}

/// Inputs per tile.
const TILE_INPUTS: usize = 4;
/// Inputs whose weights are packed at a time: enough contiguous memory of a panel for the hardware prefetcher.
const BLOCK_INPUTS: usize = 32;

struct InputGradient<'a> {
    panels: &'a [f32],
    inputs: usize,
    count: usize,
    /// Weights of one block of inputs: `[count][T][16]` for each tile of `T` inputs.
    weights: AlignedVec,
    /// `[rows][count][16]`.
    gradient: AlignedVec,
    rows: usize,
    output: &'a mut [f32],
}

impl Kernel for InputGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        for first in (0..self.inputs).step_by(BLOCK_INPUTS) {
            let values = BLOCK_INPUTS.min(self.inputs - first);
            self.pack_weights(first, values);
            let mut i = 0;
            // SAFETY: the inputs of each tile end at or before the last of the block.
            unsafe {
                while i + TILE_INPUTS <= values {
                    self.rows::<S, TILE_INPUTS>(first, i);
                    i += TILE_INPUTS;
                }
                while i < values {
                    self.rows::<S, 1>(first, i);
                    i += 1;
                }
            }
        }
    }
}

impl InputGradient<'_> {
    /// Packs the weights of `values` inputs from `first`, in tiles of `TILE_INPUTS` and of one for the rest.
    fn pack_weights(&mut self, first: usize, values: usize) {
        self.weights.resize_for_overwrite(values * self.count * PANEL_WIDTH);
        for (p, panel) in self.panels.chunks_exact(self.inputs * PANEL_WIDTH).enumerate() {
            let panel = &panel[first * PANEL_WIDTH..][..values * PANEL_WIDTH];
            let (tiles, rest) = panel.as_chunks::<{ TILE_INPUTS * PANEL_WIDTH }>();
            let (tile_weights, rest_weights) =
                self.weights.split_at_mut(tiles.len() * self.count * TILE_INPUTS * PANEL_WIDTH);
            let places =
                tile_weights.as_chunks_mut::<{ TILE_INPUTS * PANEL_WIDTH }>().0.iter_mut().skip(p).step_by(self.count);
            places.zip(tiles).for_each(|(to, from)| *to = *from);
            let places = rest_weights.as_chunks_mut::<PANEL_WIDTH>().0.iter_mut().skip(p).step_by(self.count);
            places.zip(rest.as_chunks::<PANEL_WIDTH>().0).for_each(|(to, from)| *to = *from);
        }
    }

    /// Computes all rows, for `T` inputs from input `i` of the block that starts at `first`.
    #[inline(always)]
    unsafe fn rows<S: Simd, const T: usize>(&mut self, first: usize, i: usize) {
        // Four weights and a gradient need registers besides the sums.
        for (row, rows) in tiles(self.rows, S::ACCUMULATORS / 6) {
            // SAFETY: the rows are in bounds; the caller guarantees the inputs.
            unsafe {
                match rows {
                    1 => self.tile::<S, T, 1>(first, i, row),
                    2 => self.tile::<S, T, 2>(first, i, row),
                    3 => self.tile::<S, T, 3>(first, i, row),
                    _ => self.tile::<S, T, 4>(first, i, row),
                }
            }
        }
    }

    /// Computes `R` rows from `row`, for `T` inputs from input `i` of the block.
    #[inline(always)]
    unsafe fn tile<S: Simd, const T: usize, const R: usize>(&mut self, first: usize, i: usize, row: usize) {
        if T * R > S::ACCUMULATORS {
            return; // `tiles` never asks for it; the check keeps it from being compiled.
        }
        // SAFETY: the block contains inputs i to i + T, and first + i + T <= inputs; row + R <= rows; a panel contains
        // whole vectors of every set.
        unsafe {
            let mut sums = [[S::splat(0.0); T]; R];
            let weights = self.weights.as_ptr().add(i * self.count * PANEL_WIDTH);
            let gradient = self.gradient.as_ptr().add(row * self.count * PANEL_WIDTH);
            for panel in 0..self.count {
                let weights = weights.add(panel * T * PANEL_WIDTH);
                let gradient = gradient.add(panel * PANEL_WIDTH);
                let mut lane = 0;
                while lane < PANEL_WIDTH {
                    let mut w = [S::splat(0.0); T];
                    for (t, w) in w.iter_mut().enumerate() {
                        *w = S::load(weights.add(t * PANEL_WIDTH + lane));
                    }
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let g = S::load(gradient.add(r * self.count * PANEL_WIDTH + lane));
                        for (sum, w) in sums.iter_mut().zip(w) {
                            *sum = S::fma(g, w, *sum);
                        }
                    }
                    lane += S::LANES;
                }
            }
            for (r, sums) in sums.into_iter().enumerate() {
                for (t, sum) in sums.into_iter().enumerate() {
                    *self.output.as_mut_ptr().add((row + r) * self.inputs + first + i + t) = S::sum(sum);
                }
            }
        }
    }
}
