//! Matrix products of a fully connected layer.
//!
//! Weights are packed in panels of 16 units, so that each product reads them sequentially on every instruction set
//! (Goto and van de Geijn 2008, *Anatomy of high-performance matrix multiplication*).
//!
//! # Shapes
//! - input and its gradient: `[rows][inputs]`
//! - weights: `[units / 16][inputs][16]`, the last panel zero-padded
//! - output and its gradient: `[units / 16][rows][16]`

mod backward;

use super::simd::{Kernel, Simd};
use super::{InstructionSet, run, tiles};
pub(crate) use backward::{input_gradient, weight_gradient};

/// Units per panel.
pub(crate) const PANEL_WIDTH: usize = 16;

/// Computes `input * weights + bias`, then ReLU if `relu`, for whole panels.
///
/// # Panics
/// If the lengths do not match.
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
        // SAFETY: a panel contains whole vectors of every set: one of sixteen lanes, or two of eight.
        unsafe {
            match (PANEL_WIDTH / S::LANES, self.rows < 4) {
                // Few rows need several panels for enough independent sums; many rows share each loaded weight.
                (1, true) => self.panels::<S, 8, 1>(),
                (1, false) => self.panels::<S, 2, 1>(),
                (_, true) if S::ACCUMULATORS >= 8 => self.panels::<S, 4, 2>(),
                _ => self.panels::<S, 1, 2>(),
            }
        }
    }
}

impl Forward<'_> {
    /// Returns how many accumulators a tile may use besides `weights` vectors of weights.
    const fn accumulators<S: Simd>(weights: usize) -> usize {
        if weights >= 8 && S::ACCUMULATORS > 16 { 16 } else { S::ACCUMULATORS }
    }

    /// Computes all panels, `P` at a time.
    #[inline(always)]
    unsafe fn panels<S: Simd, const P: usize, const VECTORS: usize>(&mut self) {
        let panels = self.bias.len() / PANEL_WIDTH;
        let mut panel = 0;
        // SAFETY: the panels of each block end at or before the last; the rows are inside the input.
        unsafe {
            while panel + P <= panels {
                for (row, rows) in tiles(self.rows, Self::accumulators::<S>(P * VECTORS) / (P * VECTORS)) {
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

    /// Computes `P` panels from `panel` for `R` rows from `row`, with `VECTORS` vectors per panel.
    #[inline(always)]
    unsafe fn tile<S: Simd, const P: usize, const VECTORS: usize, const R: usize>(&mut self, panel: usize, row: usize) {
        if P * VECTORS * R > Self::accumulators::<S>(P * VECTORS) {
            return; // `tiles` never asks for it; the check keeps it from being compiled.
        }
        let panel_len = self.inputs * PANEL_WIDTH;
        // SAFETY: the caller guarantees that panel + P and row + R are in bounds.
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

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_close, available_sets, numbers};
    use super::*;

    /// Rows, inputs, panels.
    const SHAPES: [(usize, usize, usize); 6] = [(1, 5, 1), (2, 9, 5), (7, 3, 2), (13, 37, 3), (100, 20, 4), (25, 1, 1)];

    #[test]
    fn products_match_triple_loops_on_every_instruction_set() {
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
    fn output_of_a_row_does_not_depend_on_the_other_rows() {
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
