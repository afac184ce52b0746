//! Gradients of a convolution that is followed by ReLU and 2x2 max pooling, from one image.
//!
//! Only the argmax of each window passes a gradient to the convolution, so three quarters of the dense arithmetic are
//! skipped. The order of calls is [`relu_backward`], then [`add_weight_gradient`] and [`add_input_gradient`].
//!
//! # Shapes
//! - padded image, weights and argmax: as in [`conv_pool`](super::conv_pool)
//! - gradient at the pooled output: `[height / 2][width / 2][cout]`

mod input_gradient;
mod weight_gradient;

use super::conv_pool::ZEROED_BY_RELU;
use super::simd::{Kernel, Simd};
use super::{InstructionSet, run};
pub(crate) use input_gradient::{add_input_gradient, crop_padding, reorder_weights};
pub(crate) use weight_gradient::add_weight_gradient;

/// Sets the gradient to zero where the argmax is [`ZEROED_BY_RELU`].
pub(crate) fn relu_backward(set: InstructionSet, gradient: &mut [f32], argmax: &[u8]) {
    assert_eq!(gradient.len(), argmax.len());
    run(set, ReluBackward { gradient, argmax });
}

struct ReluBackward<'a> {
    gradient: &'a mut [f32],
    argmax: &'a [u8],
}

impl Kernel for ReluBackward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let whole = self.gradient.len() / S::LANES * S::LANES;
        // SAFETY: the last vector ends at or before `whole`, the last lane at the gradient's length.
        unsafe {
            (0..whole).step_by(S::LANES).for_each(|i| self.vector::<S>(i));
            (whole..self.gradient.len()).for_each(|i| self.vector::<f32>(i));
        }
    }
}

impl ReluBackward<'_> {
    #[inline(always)]
    unsafe fn vector<S: Simd>(&mut self, i: usize) {
        // SAFETY: the caller guarantees LANES values from `i` in both slices.
        unsafe {
            let at = self.gradient.as_mut_ptr().add(i);
            let (value, index) = (S::load(at), S::load_index(self.argmax.as_ptr().add(i)));
            S::store(at, S::sub(value, S::where_index(value, index, ZEROED_BY_RELU)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::conv::{self, ConvShape, pad, test_shapes};
    use super::super::conv_backward::tests::reference;
    use super::super::conv_pool::tests::pool_reference;
    use super::super::tests::{assert_close, available_sets, numbers};
    use super::*;
    use crate::nn::aligned_vec::AlignedVec;

    /// Computes the gradient at the full output from the pooled gradient.
    fn unpool(s: &ConvShape, gradient: &[f32], argmax: &[u8]) -> Vec<f32> {
        let mut full = vec![0.0; s.output_len()];
        for (i, (&g, &index)) in gradient.iter().zip(argmax).enumerate() {
            let (window, o) = (i / s.cout, i % s.cout);
            let (y, x) = (window / (s.width / 2), window % (s.width / 2));
            if index < 4 {
                let (dy, dx) = (usize::from(index) / 2, usize::from(index) % 2);
                full[((2 * y + dy) * s.width + 2 * x + dx) * s.cout + o] = g;
            }
        }
        full
    }

    #[test]
    fn gradients_match_the_chain_rule_on_every_instruction_set() {
        for s in test_shapes() {
            let (image, weights) = (numbers(1, s.input_len()), numbers(2, s.weights_len()));
            let full = conv::reference(&s, &image, &weights, &numbers(3, s.cout));
            let (output, argmax) = pool_reference(&s, &full, true);
            let mut gradient = numbers(4, output.len());
            gradient.iter_mut().zip(&output).for_each(|(g, &o)| *g = if o > 0.0 { *g } else { 0.0 });
            let [dw, _, dx] = reference(&s, &image, &weights, &unpool(&s, &gradient, &argmax));
            for set in available_sets() {
                let what = format!("{s:?} {set:?}");
                let (mut padded, mut tables) = (AlignedVec::new(), AlignedVec::new());
                let mut found_dw = vec![0.0; s.weights_len()];
                pad(&s, &image, &mut padded);
                add_weight_gradient(set, &s, &padded, &gradient, &argmax, &mut tables, &mut found_dw);
                assert_close(&found_dw, &dw, 1e-4, &what);

                let mut reordered = AlignedVec::new();
                reorder_weights(&s, &weights, &mut reordered);
                padded.fill(0.0);
                add_input_gradient(set, &s, &reordered, &gradient, &argmax, &mut padded);
                let mut found_dx = vec![f32::NAN; s.input_len()];
                crop_padding(&s, &padded, &mut found_dx);
                assert_close(&found_dx, &dx, 1e-4, &what);
            }
        }
    }
}
