//! Backward pass of a convolution.

use super::{Conv, Epilogue, Saved, Scratch};
use crate::nn::aligned_vec::AlignedVec;
use crate::nn::kernels::conv::ConvShape;
use crate::nn::kernels::{batch_norm, conv, conv_backward, conv_pool_backward, instruction_set};
use crate::nn::layer::{chunks, chunks_mut, relu_backward};
use rayon::prelude::*;

/// The arguments of a backward pass.
pub(super) struct BackwardPass<'a> {
    pub samples: usize,
    pub input: &'a [f32],
    pub output: &'a [f32],
    /// Gradient at the output.
    pub gradient: &'a mut [f32],
    /// Gradient at the input, if requested.
    pub input_gradient: Option<&'a mut [f32]>,
}

/// The values of one chunk of a batch in the backward pass. Slices are empty where the layer has no such values.
struct Chunk<'a> {
    samples: usize,
    scratch: &'a mut Scratch,
    input: &'a [f32],
    output: &'a [f32],
    gradient: &'a mut [f32],
    input_gradient: &'a mut [f32],
    argmax: &'a [u8],
    conv_output: &'a [f32],
}

impl<'a> BackwardPass<'a> {
    /// Divides the batch into chunks.
    fn chunks(self, scratch: &'a mut [Scratch], saved: &'a Saved, s: &ConvShape) -> Vec<Chunk<'a>> {
        let (input, output) = (chunks(self.input, self.samples), chunks(self.output, self.samples));
        let argmax = chunks(&saved.argmax, self.samples);
        let conv_output = chunks(&saved.conv_output, self.samples);
        let gradient = chunks_mut(self.gradient, self.samples).into_iter();
        let input_gradient = chunks_mut(self.input_gradient.unwrap_or_default(), self.samples);
        let mutable = scratch.iter_mut().zip(gradient).zip(input_gradient).enumerate();
        let chunk = |(i, ((scratch, gradient), input_gradient)): (usize, ((&'a mut Scratch, _), _))| Chunk {
            samples: input[i].len() / s.input_len(),
            scratch,
            input: input[i],
            output: output[i],
            gradient,
            input_gradient,
            argmax: argmax[i],
            conv_output: conv_output[i],
        };
        mutable.map(chunk).collect()
    }
}

impl Scratch {
    /// Sets the gradients at kernel and bias to zero.
    fn clear_gradients(&mut self, s: &ConvShape) {
        self.kernel_gradient.resize_zeroed(s.weights_len());
        self.bias_gradient.resize_zeroed(s.cout);
    }
}

/// Returns the values of sample `i` of `samples`.
fn sample<T>(values: &[T], samples: usize, i: usize) -> &[T] {
    let len = values.len() / samples;
    &values[i * len..][..len]
}

/// Returns the values of sample `i` of `samples` mutably.
fn sample_mut<T>(values: &mut [T], samples: usize, i: usize) -> &mut [T] {
    let len = values.len() / samples;
    &mut values[i * len..][..len]
}

impl Conv {
    /// Backward pass through pooling, ReLU, bias and convolution, which only visits the argmax of each window.
    pub(super) fn backward_pooled(&mut self, pass: BackwardPass) {
        let (s, set) = (self.shape, instruction_set());
        let needs_input_gradient = pass.input_gradient.is_some();
        let mut weights = AlignedVec::new();
        if needs_input_gradient {
            conv_pool_backward::reorder_weights(&s, &self.kernel.values, &mut weights);
        }
        pass.chunks(&mut self.scratch, &self.saved, &s).into_par_iter().for_each(|chunk| {
            chunk.scratch.clear_gradients(&s);
            let Scratch { padded, tables, kernel_gradient, bias_gradient, .. } = chunk.scratch;
            for (i, image) in chunk.input.chunks_exact(s.input_len()).enumerate() {
                let gradient = sample_mut(chunk.gradient, chunk.samples, i);
                let argmax = sample(chunk.argmax, chunk.samples, i);
                conv_pool_backward::relu_backward(set, gradient, argmax);
                conv::pad(&s, image, padded);
                conv_backward::add_channel_sums(gradient, bias_gradient);
                conv_pool_backward::add_weight_gradient(set, &s, padded, gradient, argmax, tables, kernel_gradient);
                if needs_input_gradient {
                    padded.fill(0.0);
                    conv_pool_backward::add_input_gradient(set, &s, &weights, gradient, argmax, padded);
                    let input_gradient = sample_mut(chunk.input_gradient, chunk.samples, i);
                    conv_pool_backward::crop_padding(&s, padded, input_gradient);
                }
            }
        });
    }

    /// Backward pass through ReLU, bias and convolution.
    pub(super) fn backward_unpooled(&mut self, pass: BackwardPass) {
        let (s, relu) = (self.shape, self.post_ops.relu);
        let needs_input_gradient = pass.input_gradient.is_some();
        if needs_input_gradient {
            self.pack_transposed_kernel();
        }
        let transposed_kernel = needs_input_gradient.then_some(&self.transposed_kernel[..]);
        pass.chunks(&mut self.scratch, &self.saved, &s).into_par_iter().for_each(|chunk| {
            chunk.scratch.clear_gradients(&s);
            let Scratch { padded, kernel_gradient, bias_gradient, .. } = chunk.scratch;
            for (i, image) in chunk.input.chunks_exact(s.input_len()).enumerate() {
                let gradient = sample_mut(chunk.gradient, chunk.samples, i);
                if relu {
                    relu_backward(gradient, sample(chunk.output, chunk.samples, i));
                }
                add_kernel_gradient(&s, image, gradient, padded, kernel_gradient, Some(bias_gradient));
                if let Some(kernel) = transposed_kernel {
                    let input_gradient = sample_mut(chunk.input_gradient, chunk.samples, i);
                    convolve_transposed(&s, gradient, kernel, padded, input_gradient);
                }
            }
        });
    }

    /// Backward pass through pooling, ReLU, batch normalisation and convolution.
    pub(super) fn backward_batch_norm(&mut self, pass: BackwardPass) {
        self.set_batch_norm_gradients(&pass);
        let (s, set, pool) = (self.shape, instruction_set(), self.post_ops.pool);
        let needs_input_gradient = pass.input_gradient.is_some();
        if needs_input_gradient {
            self.pack_transposed_kernel();
        }
        let transposed_kernel = needs_input_gradient.then_some(&self.transposed_kernel[..]);
        let Some(batch_norm) = &self.batch_norm else { return };
        let (affine, (slope, offset)) = (batch_norm.affine(self.post_ops.relu), batch_norm.gradient_factors());
        pass.chunks(&mut self.scratch, &self.saved, &s).into_par_iter().for_each(|chunk| {
            chunk.scratch.clear_gradients(&s);
            let Scratch { padded, unpooled, kernel_gradient, .. } = chunk.scratch;
            unpooled.resize_for_overwrite(if pool { s.output_len() } else { 0 });
            for (i, image) in chunk.input.chunks_exact(s.input_len()).enumerate() {
                let mut gradient = sample_mut(chunk.gradient, chunk.samples, i);
                if pool {
                    let argmax = sample(chunk.argmax, chunk.samples, i);
                    batch_norm::unpool(set, (s.height, s.width, s.cout), gradient, argmax, unpooled);
                    gradient = unpooled;
                }
                let conv_output = sample(chunk.conv_output, chunk.samples, i);
                batch_norm::input_gradient(set, affine, slope, offset, conv_output, gradient);
                // Without a bias: its gradient would be zero.
                add_kernel_gradient(&s, image, gradient, padded, kernel_gradient, None);
                if let Some(kernel) = transposed_kernel {
                    let input_gradient = sample_mut(chunk.input_gradient, chunk.samples, i);
                    convolve_transposed(&s, gradient, kernel, padded, input_gradient);
                }
            }
        });
    }

    /// Computes the gradients at gamma and beta, on which the gradient at the convolution's output depends.
    fn set_batch_norm_gradients(&mut self, pass: &BackwardPass) {
        let (s, set, pool, samples) = (self.shape, instruction_set(), self.post_ops.pool, pass.samples);
        let Some(batch_norm) = &mut self.batch_norm else { return };
        let (affine, mean) = (batch_norm.affine(self.post_ops.relu), batch_norm.mean());
        let gradient_len = pass.gradient.len() / samples;
        self.scratch
            .par_iter_mut()
            .zip(chunks(pass.gradient, samples))
            .zip(chunks(&self.saved.conv_output, samples))
            .zip(chunks(&self.saved.argmax, samples))
            .for_each(|(((scratch, gradient), conv_output), argmax)| {
                scratch.clear_channel_sums(s.cout);
                let Scratch { unpooled, channel_sums: [sums, products], .. } = scratch;
                unpooled.resize_for_overwrite(if pool { s.output_len() } else { 0 });
                for (i, conv_output) in conv_output.chunks_exact(s.output_len()).enumerate() {
                    let mut gradient = &gradient[i * gradient_len..][..gradient_len];
                    if pool {
                        let argmax = &argmax[i * gradient_len..][..gradient_len];
                        batch_norm::unpool(set, (s.height, s.width, s.cout), gradient, argmax, unpooled);
                        gradient = unpooled;
                    }
                    batch_norm::add_gradient_sums(set, affine, mean, conv_output, gradient, sums, products);
                }
            });
        let sums = self.scratch.iter().map(|scratch| &scratch.channel_sums);
        batch_norm.set_gradients(sums.map(|[sums, products]| (&sums[..], &products[..])), samples * s.height * s.width);
    }

    /// Packs the kernel of the transposed convolution, for the gradient at the input.
    fn pack_transposed_kernel(&mut self) {
        let mut transposed = Vec::new();
        conv::transpose_weights(&self.shape, &self.kernel.values, &mut transposed);
        conv::pack(&self.shape.transposed(), &transposed, &mut self.transposed_kernel);
    }
}

/// Adds the gradient of one image at kernel and bias; `padded` is scratch.
fn add_kernel_gradient(
    s: &ConvShape,
    image: &[f32],
    gradient: &[f32],
    padded: &mut AlignedVec,
    kernel_gradient: &mut [f32],
    bias_gradient: Option<&mut [f32]>,
) {
    conv::pad(s, image, padded);
    conv_backward::add_weight_gradient(instruction_set(), s, padded, gradient, kernel_gradient, bias_gradient);
}

/// Computes the gradient of one image at the input with the packed kernel of the transposed convolution; `padded` is
/// scratch.
fn convolve_transposed(
    s: &ConvShape,
    gradient: &[f32],
    kernel: &[f32],
    padded: &mut AlignedVec,
    input_gradient: &mut [f32],
) {
    let transposed = s.transposed();
    conv::pad_transposed(&transposed, gradient, padded);
    conv::forward(instruction_set(), &transposed, padded, kernel, Epilogue::NONE, input_gradient);
}
