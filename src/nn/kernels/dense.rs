//! The three products of a fully connected layer.
//!
//! Weights lie in panels of 16 outputs, `[units / 16][inputs][16]`, the last panel filled up with zeros: so every
//! product reads them in the order they lie in, on every instruction set. Inputs are `[rows][inputs]`; outputs and their
//! gradients lie in panels as well, `[units / 16][rows][16]`.

use super::simd::{Kernel, Simd};
use super::{InstructionSet, run, tiles};
use crate::nn::aligned_vec::AlignedVec;

/// Outputs in a panel.
pub(crate) const PANEL_WIDTH: usize = 16;

/// `input * weights + bias`, then ReLU where asked for, of some whole panels.
pub(crate) fn forward(
    set: InstructionSet,
    input: &[f32],
    inputs: usize,
    panels: &[f32],
    bias: &[f32],
    relu: bool,
    output: &mut [f32],
) {
    let (rows, count) = (input.len() / inputs, bias.len() / PANEL_WIDTH);
    assert_eq!(input.len(), rows * inputs);
    assert_eq!(panels.len(), count * inputs * PANEL_WIDTH);
    assert_eq!(bias.len(), count * PANEL_WIDTH);
    assert_eq!(output.len(), count * rows * PANEL_WIDTH);
    run(set, Forward { input, rows, inputs, panels, bias, relu, output });
}

struct Forward<'a> {
    input: &'a [f32],
    rows: usize,
    inputs: usize,
    panels: &'a [f32],
    bias: &'a [f32],
    relu: bool,
    output: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        // SAFETY: a panel holds whole vectors of every set: one of sixteen lanes, or two of eight.
        unsafe {
            match (PANEL_WIDTH / S::LANES, self.rows < 4) {
                // One row alone needs several panels for enough independent sums; many rows share each weight loaded.
                (1, true) => self.panels::<S, 8, 1>(),
                (1, false) => self.panels::<S, 2, 1>(),
                (_, true) if S::ACCUMULATORS >= 8 => self.panels::<S, 4, 2>(),
                _ => self.panels::<S, 1, 2>(),
            }
        }
    }
}

impl Forward<'_> {
    /// Sums that a tile may keep beside `P` panels' weights: eight vectors of weights leave room for fewer.
    const fn room<S: Simd>(weights: usize) -> usize {
        if weights >= 8 && S::ACCUMULATORS > 16 { 16 } else { S::ACCUMULATORS }
    }

    /// All panels, `P` at a time.
    #[inline(always)]
    unsafe fn panels<S: Simd, const P: usize, const VECTORS: usize>(&mut self) {
        let panels = self.bias.len() / PANEL_WIDTH;
        let mut panel = 0;
        // SAFETY: the panels of each block end at or before the last, and the rows lie in the input.
        unsafe {
            while panel + P <= panels {
                for (row, rows) in tiles(self.rows, Self::room::<S>(P * VECTORS) / (P * VECTORS)) {
                    match rows {
                        1 => self.tile::<S, P, VECTORS, 1>(panel, row),
                        2 => self.tile::<S, P, VECTORS, 2>(panel, row),
                        3 => self.tile::<S, P, VECTORS, 3>(panel, row),
                        4 => self.tile::<S, P, VECTORS, 4>(panel, row),
                        5 => self.tile::<S, P, VECTORS, 5>(panel, row),
                        6 => self.tile::<S, P, VECTORS, 6>(panel, row),
                        _ => self.tile::<S, P, VECTORS, 12>(panel, row),
                    }
                }
                panel += P;
            }
            for panel in panel..panels {
                for row in 0..self.rows {
                    self.tile::<S, 1, VECTORS, 1>(panel, row);
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn tile<S: Simd, const P: usize, const VECTORS: usize, const R: usize>(&mut self, panel: usize, row: usize) {
        if P * VECTORS * R > Self::room::<S>(P * VECTORS) {
            return; // Never asked for by `tiles`; saying so here keeps it from being compiled.
        }
        let panel_len = self.inputs * PANEL_WIDTH;
        // SAFETY: panel + P and row + R are in bounds by the caller's word.
        unsafe {
            let mut sums = [[[S::splat(0.0); VECTORS]; P]; R];
            let weights = self.panels.as_ptr().add(panel * panel_len);
            let input = self.input.as_ptr().add(row * self.inputs);
            for i in 0..self.inputs {
                let mut w = [[S::splat(0.0); VECTORS]; P];
                for (p, w) in w.iter_mut().enumerate() {
                    for (v, w) in w.iter_mut().enumerate() {
                        *w = S::load(weights.add(p * panel_len + i * PANEL_WIDTH + v * S::LANES));
                    }
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let value = S::splat(*input.add(r * self.inputs + i));
                    for (sums, w) in sums.iter_mut().zip(w) {
                        for (sum, w) in sums.iter_mut().zip(w) {
                            *sum = S::fma(value, w, *sum);
                        }
                    }
                }
            }
            for (r, sums) in sums.into_iter().enumerate() {
                for (p, sums) in sums.into_iter().enumerate() {
                    for (v, sum) in sums.into_iter().enumerate() {
                        let bias = self.bias.as_ptr().add((panel + p) * PANEL_WIDTH + v * S::LANES);
                        let mut sum = S::add(sum, S::load(bias));
                        if self.relu {
                            sum = S::relu(sum);
                        }
                        let to = ((panel + p) * self.rows + row + r) * PANEL_WIDTH + v * S::LANES;
                        S::store(self.output.as_mut_ptr().add(to), sum);
                    }
                }
            }
        }
    }
}

/// The gradient at the weights of one panel, `[inputs][16]`, from the gradient at its outputs, `[rows][16]`.
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
        // SAFETY: a panel holds whole vectors of every set.
        unsafe {
            match PANEL_WIDTH / S::LANES {
                1 => self.tiles::<S, 1>(),
                _ => self.tiles::<S, 2>(),
            }
        }
    }
}

impl WeightGradient<'_> {
    #[inline(always)]
    unsafe fn tiles<S: Simd, const VECTORS: usize>(&mut self) {
        for (i, values) in tiles(self.inputs, S::ACCUMULATORS / VECTORS) {
            // SAFETY: the values lie in the input.
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

    #[inline(always)]
    unsafe fn tile<S: Simd, const VECTORS: usize, const T: usize>(&mut self, i: usize) {
        if T * VECTORS > S::ACCUMULATORS {
            return; // Never asked for by `tiles`; saying so here keeps it from being compiled.
        }
        // SAFETY: i + T <= inputs bounds input and weights; a gradient has a whole panel for each row.
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

/// The gradient at the input of some rows, `[rows][inputs]`: `first_row` of the `all_rows` whose gradients at the output
/// lie in panels.
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
    // Panels often lie a multiple of 4096 bytes apart, where they push each other out of the cache: so what a tile reads
    // is laid side by side first.
    let rows_of = |row| {
        gradient.chunks_exact(all_rows * PANEL_WIDTH).map(move |panel| &panel[row * PANEL_WIDTH..][..PANEL_WIDTH])
    };
    let mut of_rows = AlignedVec::filled(rows * count * PANEL_WIDTH, 0.0);
    let places = of_rows.as_chunks_mut::<PANEL_WIDTH>().0.iter_mut();
    places.zip((first_row..first_row + rows).flat_map(rows_of)).for_each(|(to, from)| to.copy_from_slice(from));
    run(set, InputGradient { panels, inputs, count, weights: AlignedVec::new(), gradient: of_rows, rows, output });
}

/// Values of the input whose gradients are summed at a time.
const INPUTS_A_TILE: usize = 4;
/// Values of the input whose weights are laid out at a time: long enough stretches of a panel to be read ahead.
const INPUTS_A_BLOCK: usize = 32;

struct InputGradient<'a> {
    panels: &'a [f32],
    inputs: usize,
    count: usize,
    /// Of a block of the input: for each tile of `T` values, `[count][T][16]`.
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
        for first in (0..self.inputs).step_by(INPUTS_A_BLOCK) {
            let values = INPUTS_A_BLOCK.min(self.inputs - first);
            self.lay_weights(first, values);
            let mut i = 0;
            // SAFETY: the values of each tile end at or before the block's last.
            unsafe {
                while i + INPUTS_A_TILE <= values {
                    self.rows::<S, INPUTS_A_TILE>(first, i);
                    i += INPUTS_A_TILE;
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
    /// Lays out the weights of `values` values of the input from `first`: tiles of `INPUTS_A_TILE`, and of one for the
    /// rest.
    fn lay_weights(&mut self, first: usize, values: usize) {
        self.weights.resize_for_overwrite(values * self.count * PANEL_WIDTH);
        for (p, panel) in self.panels.chunks_exact(self.inputs * PANEL_WIDTH).enumerate() {
            let panel = &panel[first * PANEL_WIDTH..][..values * PANEL_WIDTH];
            let (tiles, rest) = panel.as_chunks::<{ INPUTS_A_TILE * PANEL_WIDTH }>();
            let (of_tiles, of_rest) = self.weights.split_at_mut(tiles.len() * self.count * INPUTS_A_TILE * PANEL_WIDTH);
            let places =
                of_tiles.as_chunks_mut::<{ INPUTS_A_TILE * PANEL_WIDTH }>().0.iter_mut().skip(p).step_by(self.count);
            places.zip(tiles).for_each(|(to, from)| *to = *from);
            let places = of_rest.as_chunks_mut::<PANEL_WIDTH>().0.iter_mut().skip(p).step_by(self.count);
            places.zip(rest.as_chunks::<PANEL_WIDTH>().0).for_each(|(to, from)| *to = *from);
        }
    }

    /// All rows, for the `T` values of the input that are the block's from `i`.
    #[inline(always)]
    unsafe fn rows<S: Simd, const T: usize>(&mut self, first: usize, i: usize) {
        // Four weights and a gradient need registers beside the sums.
        for (row, rows) in tiles(self.rows, S::ACCUMULATORS / 6) {
            // SAFETY: the rows are in bounds, and the values are by the caller's word.
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

    #[inline(always)]
    unsafe fn tile<S: Simd, const T: usize, const R: usize>(&mut self, first: usize, i: usize, row: usize) {
        if T * R > S::ACCUMULATORS {
            return; // Never asked for by `tiles`; saying so here keeps it from being compiled.
        }
        // SAFETY: the block holds values i to i + T, and first + i + T <= inputs; row + R <= rows; a panel holds whole
        // vectors of every set.
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

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_close, available_sets, numbers};
    use super::*;

    /// Rows, inputs, panels.
    const SHAPES: [(usize, usize, usize); 6] = [(1, 5, 1), (2, 9, 5), (7, 3, 2), (13, 37, 3), (100, 20, 4), (25, 1, 1)];

    #[test]
    fn products_are_the_triple_loops_on_every_instruction_set() {
        for (rows, inputs, panels) in SHAPES {
            let (x, w) = (numbers(1, rows * inputs), numbers(2, panels * inputs * PANEL_WIDTH));
            let (bias, g) = (numbers(3, panels * PANEL_WIDTH), numbers(4, panels * rows * PANEL_WIDTH));
            let (mut y, mut dw, mut dx) = (vec![0.0; g.len()], vec![0.0; w.len()], vec![0.0; x.len()]);
            for (p, r, o) in
                (0..panels).flat_map(|p| (0..rows).flat_map(move |r| (0..PANEL_WIDTH).map(move |o| (p, r, o))))
            {
                let at = (p * rows + r) * PANEL_WIDTH + o;
                y[at] = bias[p * PANEL_WIDTH + o];
                for i in 0..inputs {
                    let weight = (p * inputs + i) * PANEL_WIDTH + o;
                    y[at] += x[r * inputs + i] * w[weight];
                    dw[weight] += x[r * inputs + i] * g[at];
                    dx[r * inputs + i] += g[at] * w[weight];
                }
                y[at] = y[at].max(0.0);
            }
            for set in available_sets() {
                let what = format!("{rows} {inputs} {panels} {set:?}");
                let mut found = vec![f32::NAN; y.len()];
                forward(set, &x, inputs, &w, &bias, true, &mut found);
                assert_close(&found, &y, 1e-5, &what);
                let mut found = vec![f32::NAN; dw.len()];
                for (p, found) in found.chunks_exact_mut(inputs * PANEL_WIDTH).enumerate() {
                    weight_gradient(set, &x, inputs, &g[p * rows * PANEL_WIDTH..][..rows * PANEL_WIDTH], found);
                }
                assert_close(&found, &dw, 1e-5, &what);
                let mut found = vec![f32::NAN; dx.len()];
                let first = rows / 2;
                let (head, tail) = found.split_at_mut(first * inputs);
                input_gradient(set, &w, inputs, &g, rows, 0, head);
                input_gradient(set, &w, inputs, &g, rows, first, tail);
                assert_close(&found, &dx, 1e-5, &what);
            }
        }
    }

    #[test]
    fn a_row_gives_the_same_bits_alone_and_among_others() {
        let (rows, inputs, panels) = (23, 40, 6);
        let (x, w) = (numbers(1, rows * inputs), numbers(2, panels * inputs * PANEL_WIDTH));
        let bias = numbers(3, panels * PANEL_WIDTH);
        for set in available_sets() {
            let mut all = vec![0.0; panels * rows * PANEL_WIDTH];
            forward(set, &x, inputs, &w, &bias, false, &mut all);
            for r in 0..rows {
                let mut one = vec![0.0; panels * PANEL_WIDTH];
                forward(set, &x[r * inputs..][..inputs], inputs, &w, &bias, false, &mut one);
                for p in 0..panels {
                    assert_eq!(
                        one[p * PANEL_WIDTH..][..PANEL_WIDTH],
                        all[(p * rows + r) * PANEL_WIDTH..][..PANEL_WIDTH],
                        "{set:?}"
                    );
                }
            }
        }
    }
}
