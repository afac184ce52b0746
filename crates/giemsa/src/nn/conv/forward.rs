//! Forward pass of a convolution in training mode.

use super::{Conv, Epilogue, Scratch};
use crate::nn::kernels::{batch_norm, conv, conv_pool, instruction_set};
use crate::nn::layer::{chunks, chunks_mut};
use rayon::prelude::*;

impl Scratch {
    /// Sets both sums of each channel to zero.
    pub(super) fn clear_channel_sums(&mut self, channels: usize) {
        self.channel_sums.iter_mut().for_each(|sums| sums.resize_zeroed(channels));
    }
}

impl Conv {
    /// Computes convolution, bias, ReLU and pooling in one pass over the batch.
    pub(super) fn forward_bias(&mut self, input: &[f32], samples: usize, output: &mut [f32]) {
        let (s, set, pool) = (self.shape, instruction_set(), self.post_ops.pool);
        let epilogue = Epilogue { bias: self.bias.as_ref().map(|bias| &bias.values[..]), relu: self.post_ops.relu };
        conv::pack(&s, &self.kernel.values, &mut self.packed_kernel);
        let (kernel, output_len) = (&self.packed_kernel, output.len() / samples);
        self.saved.argmax.resize(if pool { output.len() } else { 0 }, 0);
        self.scratch
            .par_iter_mut()
            .zip(chunks(input, samples))
            .zip(chunks_mut(output, samples))
            .zip(chunks_mut(&mut self.saved.argmax, samples))
            .for_each(|(((scratch, input), output), argmax)| {
                let images = input.chunks_exact(s.input_len()).zip(output.chunks_exact_mut(output_len));
                for (i, (image, output)) in images.enumerate() {
                    conv::pad(&s, image, &mut scratch.padded);
                    if pool {
                        let argmax = &mut argmax[i * output_len..][..output_len];
                        conv_pool::forward(set, &s, &scratch.padded, kernel, epilogue, output, Some(argmax));
                    } else {
                        conv::forward(set, &s, &scratch.padded, kernel, epilogue, output);
                    }
                }
            });
    }

    /// Computes the convolution and the batch statistics in a first pass over the batch; batch normalisation, ReLU and
    /// pooling in a second.
    pub(super) fn forward_batch_norm(&mut self, input: &[f32], samples: usize, output: &mut [f32]) {
        let (s, set, pool) = (self.shape, instruction_set(), self.post_ops.pool);
        let Some(batch_norm) = &mut self.batch_norm else { return };
        conv::pack(&s, &self.kernel.values, &mut self.packed_kernel);
        let (kernel, output_len) = (&self.packed_kernel, output.len() / samples);
        self.saved.conv_output.resize_for_overwrite(samples * s.output_len());
        self.saved.argmax.resize(if pool { output.len() } else { 0 }, 0);
        let pivot = batch_norm.pivot();
        self.scratch
            .par_iter_mut()
            .zip(chunks(input, samples))
            .zip(chunks_mut(&mut self.saved.conv_output, samples))
            .for_each(|((scratch, input), conv_output)| {
                scratch.clear_channel_sums(s.cout);
                let [sums, squares] = &mut scratch.channel_sums;
                let images = input.chunks_exact(s.input_len()).zip(conv_output.chunks_exact_mut(s.output_len()));
                for (image, conv_output) in images {
                    conv::pad(&s, image, &mut scratch.padded);
                    conv::forward(set, &s, &scratch.padded, kernel, Epilogue::NONE, conv_output);
                    batch_norm::add_statistics(set, conv_output, pivot, sums, squares);
                }
            });
        let sums = self.scratch.iter().map(|scratch| &scratch.channel_sums);
        batch_norm.set_statistics(sums.map(|[sums, squares]| (&sums[..], &squares[..])), samples * s.height * s.width);
        let affine = batch_norm.affine(self.post_ops.relu);
        chunks(&self.saved.conv_output, samples)
            .into_par_iter()
            .zip(chunks_mut(output, samples))
            .zip(chunks_mut(&mut self.saved.argmax, samples))
            .for_each(|((conv_output, output), argmax)| {
                let images = conv_output.chunks_exact(s.output_len()).zip(output.chunks_exact_mut(output_len));
                for (i, (pixels, output)) in images.enumerate() {
                    if pool {
                        let argmax = &mut argmax[i * output_len..][..output_len];
                        batch_norm::activate_and_pool(set, affine, s.width, pixels, output, argmax);
                    } else {
                        batch_norm::activate(set, affine, pixels, output);
                    }
                }
            });
    }
}
