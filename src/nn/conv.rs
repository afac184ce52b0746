//! Convolution with bias or batch normalisation, ReLU, and the 2x2 max pooling that may follow it: one layer, because
//! together they read and write memory once.

use super::Shape;
use super::aligned_vec::AlignedVec;
use super::batch_norm::BatchNorm;
use super::kernels::conv::{self, ConvShape, Epilogue};
use super::kernels::{batch_norm, conv_backward, conv_pool, conv_pool_backward, instruction_set};
use super::layer::{Batch, Layer, chunks, chunks_mut, relu_backward};
use super::parameter::{Layout, Parameter, Update};
use crate::random::Random;
use rayon::prelude::*;
use std::cell::Cell;
use std::sync::OnceLock;

thread_local! {
    /// The image with its pad, in prediction. Taken out while it is in use: a thread that waits for others may be
    /// given another prediction meanwhile.
    static PADDED: Cell<AlignedVec> = const { Cell::new(AlignedVec::new()) };
}

/// The layer.
#[derive(Clone)]
pub(crate) struct Conv {
    shape: ConvShape,
    relu: bool,
    pool: bool,
    kernel: Parameter,
    bias: Option<Parameter>,
    normalisation: Option<BatchNorm>,
    /// Kernel (packed) and bias with the normalisation in them, for prediction; made when first needed after a change.
    folded: OnceLock<(AlignedVec, Vec<f32>)>,
    /// The kernel as the forward pass of training reads it; and transposed, for the gradient at the input.
    packed: AlignedVec,
    transposed_kernel: AlignedVec,
    kept: Kept,
    scratch: Vec<Scratch>,
}

/// What the forward pass keeps for the backward pass. A copy begins empty: it is of no use without the pass.
#[derive(Default)]
struct Kept {
    /// The position of each pooling window's largest value.
    argmax: Vec<u8>,
    /// The convolution's output before normalisation.
    sums: AlignedVec,
}

impl Clone for Kept {
    fn clone(&self) -> Kept {
        Kept::default()
    }
}

/// What the work on one chunk needs, and its share of the gradients. A copy begins empty.
#[derive(Default)]
struct Scratch {
    padded: AlignedVec,
    tables: AlignedVec,
    full: AlignedVec,
    kernel: AlignedVec,
    bias: AlignedVec,
}

impl Clone for Scratch {
    fn clone(&self) -> Scratch {
        Scratch::default()
    }
}

impl Scratch {
    fn clear_gradients(&mut self, kernel: usize, bias: usize) {
        self.kernel.resize_zeroed(kernel);
        self.bias.resize_zeroed(bias);
    }
}

/// What may follow the sums of a convolution.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Then {
    pub batch_norm: bool,
    pub relu: bool,
    pub pool: bool,
}

impl Conv {
    /// A layer with first weights from `random`, or all zero.
    pub fn new(input: Shape, filters: usize, kernel: usize, then: Then, random: Option<&mut Random>) -> Conv {
        let shape = ConvShape { height: input.height, width: input.width, cin: input.channels, cout: filters, kernel };
        let mut weights = Parameter::kernel(&[kernel, kernel, input.channels, filters], Layout::RowMajor);
        if let Some(random) = random {
            let area = kernel * kernel;
            weights.init_glorot_uniform(area * input.channels, area * filters, random);
        }
        Conv {
            shape,
            relu: then.relu,
            pool: then.pool,
            kernel: weights,
            bias: (!then.batch_norm).then(|| Parameter::filled("bias", &[filters], 0.0)),
            normalisation: then.batch_norm.then(|| BatchNorm::new(filters)),
            folded: OnceLock::new(),
            packed: AlignedVec::new(),
            transposed_kernel: AlignedVec::new(),
            kept: Kept::default(),
            scratch: vec![Scratch::default(); super::layer::CHUNKS],
        }
    }

    /// Packed kernel and bias as prediction uses them.
    fn folded(&self) -> &(AlignedVec, Vec<f32>) {
        self.folded.get_or_init(|| {
            let (kernel, bias) = match (&self.normalisation, &self.bias) {
                (Some(normalisation), _) => normalisation.fold(&self.kernel.values),
                (None, bias) => {
                    let bias = bias.as_ref().map(|bias| bias.values.to_vec());
                    (self.kernel.values.to_vec(), bias.unwrap_or_else(|| vec![0.0; self.shape.cout]))
                }
            };
            let mut packed = AlignedVec::new();
            conv::pack(&self.shape, &kernel, &mut packed);
            (packed, bias)
        })
    }

    /// The side of the squares of pixels of which the output has one each.
    fn pooled_side(&self) -> usize {
        if self.pool { 2 } else { 1 }
    }

    /// As many rows of the output as `output` holds, from row `first`: some rows of an image are an image of less height.
    fn infer_rows(&self, padded: &[f32], first: usize, output: &mut [f32]) {
        let part = self.pooled_side();
        let height = output.len() / (self.output_shape().width * self.shape.cout) * part;
        let (s, set) = (ConvShape { height, ..self.shape }, instruction_set());
        let (kernel, bias) = self.folded();
        let epilogue = Epilogue { bias: Some(bias), relu: self.relu };
        let padded = &padded[first * part * s.padded_row_len()..][..s.padded_len()];
        if self.pool {
            conv_pool::forward(set, &s, padded, kernel, epilogue, output, None);
        } else {
            conv::forward(set, &s, padded, kernel, epilogue, output);
        }
    }

    /// The training pass without normalisation: everything in one.
    fn forward_plain(&mut self, input: &[f32], n: usize, output: &mut [f32]) {
        let (s, set) = (self.shape, instruction_set());
        let epilogue = Epilogue { bias: self.bias.as_ref().map(|bias| &bias.values[..]), relu: self.relu };
        conv::pack(&s, &self.kernel.values, &mut self.packed);
        let (kernel, pool, sample) = (&self.packed, self.pool, output.len() / n);
        self.kept.argmax.resize(if pool { output.len() } else { 0 }, 0);
        self.scratch
            .par_iter_mut()
            .zip(chunks(input, n))
            .zip(chunks_mut(output, n))
            .zip(chunks_mut(&mut self.kept.argmax, n))
            .for_each(|(((scratch, input), output), argmax)| {
                let samples = input.chunks_exact(s.input_len()).zip(output.chunks_exact_mut(sample));
                for (i, (image, output)) in samples.enumerate() {
                    conv::pad(&s, image, &mut scratch.padded);
                    if pool {
                        let argmax = &mut argmax[i * sample..][..sample];
                        conv_pool::forward(set, &s, &scratch.padded, kernel, epilogue, output, Some(argmax));
                    } else {
                        conv::forward(set, &s, &scratch.padded, kernel, epilogue, output);
                    }
                }
            });
    }

    /// The training pass with normalisation: sums and their statistics, then the rest.
    fn forward_normalised(&mut self, input: &[f32], n: usize, output: &mut [f32]) {
        let (s, set, pool, relu) = (self.shape, instruction_set(), self.pool, self.relu);
        let Some(normalisation) = &mut self.normalisation else { return };
        conv::pack(&s, &self.kernel.values, &mut self.packed);
        let (sample, kernel) = (output.len() / n, &self.packed);
        self.kept.sums.resize_for_overwrite(n * s.output_len());
        self.kept.argmax.resize(if pool { output.len() } else { 0 }, 0);
        let pivot = normalisation.pivot();
        self.scratch.par_iter_mut().zip(chunks(input, n)).zip(chunks_mut(&mut self.kept.sums, n)).for_each(
            |((scratch, input), sums)| {
                scratch.clear_gradients(s.cout, s.cout);
                for (image, sums) in input.chunks_exact(s.input_len()).zip(sums.chunks_exact_mut(s.output_len())) {
                    conv::pad(&s, image, &mut scratch.padded);
                    let none = Epilogue { bias: None, relu: false };
                    conv::forward(set, &s, &scratch.padded, kernel, none, sums);
                    batch_norm::add_statistics(set, sums, pivot, &mut scratch.kernel, &mut scratch.bias);
                }
            },
        );
        let statistics = self.scratch.iter().map(|scratch| (&scratch.kernel[..], &scratch.bias[..]));
        normalisation.set_statistics(statistics, n * s.height * s.width);
        let affine = normalisation.affine(relu);
        chunks(&self.kept.sums, n)
            .into_par_iter()
            .zip(chunks_mut(output, n))
            .zip(chunks_mut(&mut self.kept.argmax, n))
            .for_each(|((sums, output), argmax)| {
                let samples = sums.chunks_exact(s.output_len()).zip(output.chunks_exact_mut(sample));
                for (i, (sums, output)) in samples.enumerate() {
                    if pool {
                        let argmax = &mut argmax[i * sample..][..sample];
                        batch_norm::activate_and_pool(set, affine, s.width, sums, output, argmax);
                    } else {
                        batch_norm::activate(set, affine, sums, output);
                    }
                }
            });
    }

    /// Backward without normalisation, after pooling: through the argmax alone.
    fn backward_pooled(&mut self, input: &[f32], gradient: &mut [f32], input_gradient: Option<&mut [f32]>, n: usize) {
        let (s, set) = (self.shape, instruction_set());
        let (pooled, kernel) = (gradient.len() / n, &self.kernel.values);
        let mut by_output = AlignedVec::new();
        let wanted = input_gradient.is_some();
        if wanted {
            conv_pool_backward::reorder_weights(&s, kernel, &mut by_output);
        }
        let input_gradient = input_gradient.unwrap_or_default();
        self.scratch
            .par_iter_mut()
            .zip(chunks(input, n))
            .zip(chunks_mut(gradient, n))
            .zip(chunks(&self.kept.argmax, n))
            .zip(chunks_mut(input_gradient, n))
            .for_each(|((((scratch, input), gradient), argmax), input_gradient)| {
                scratch.clear_gradients(s.weights_len(), s.cout);
                for (i, image) in input.chunks_exact(s.input_len()).enumerate() {
                    let (gradient, argmax) = (&mut gradient[i * pooled..][..pooled], &argmax[i * pooled..][..pooled]);
                    conv_pool_backward::relu_backward(set, gradient, argmax);
                    conv::pad(&s, image, &mut scratch.padded);
                    conv_backward::add_channel_sums(gradient, &mut scratch.bias);
                    let Scratch { padded, tables, kernel, .. } = scratch;
                    conv_pool_backward::add_weight_gradient(set, &s, padded, gradient, argmax, tables, kernel);
                    if wanted {
                        padded.fill(0.0);
                        conv_pool_backward::add_input_gradient(set, &s, &by_output, gradient, argmax, padded);
                        let to = &mut input_gradient[i * s.input_len()..][..s.input_len()];
                        conv_pool_backward::crop_padding(&s, padded, to);
                    }
                }
            });
    }

    /// Backward where every output has a gradient: without pooling, or through the normalisation.
    fn backward_dense(
        &mut self,
        input: &[f32],
        output: &[f32],
        gradient: &mut [f32],
        input_gradient: Option<&mut [f32]>,
        n: usize,
    ) {
        let (s, set, relu, pool) = (self.shape, instruction_set(), self.relu, self.pool);
        let through = self.normalisation.as_ref().map(BatchNorm::gradient_factors);
        let affine = self.normalisation.as_ref().map(|normalisation| normalisation.affine(relu));
        let transposed = s.transposed();
        let wanted = input_gradient.is_some();
        if wanted {
            let mut transposed_kernel = Vec::new();
            conv::transpose_weights(&s, &self.kernel.values, &mut transposed_kernel);
            conv::pack(&transposed, &transposed_kernel, &mut self.transposed_kernel);
        }
        let transposed_kernel = &self.transposed_kernel;
        let input_gradient = input_gradient.unwrap_or_default();
        self.scratch
            .par_iter_mut()
            .zip(chunks(input, n))
            .zip(chunks(output, n))
            .zip(chunks_mut(gradient, n))
            .zip(chunks(&self.kept.sums, n))
            .zip(chunks(&self.kept.argmax, n))
            .zip(chunks_mut(input_gradient, n))
            .for_each(|((((((scratch, input), output), gradient), sums), argmax), input_gradient)| {
                scratch.clear_gradients(s.weights_len(), s.cout);
                let Scratch { padded, full, kernel, bias, .. } = scratch;
                full.resize_for_overwrite(s.output_len());
                for (i, image) in input.chunks_exact(s.input_len()).enumerate() {
                    let gradient = sample_mut(gradient, input, i, &s);
                    let gradient: &mut [f32] = match (affine, &through) {
                        (Some(affine), Some((slope, offset))) => {
                            let sums = &sums[i * s.output_len()..][..s.output_len()];
                            let whole = if pool {
                                let argmax = sample(argmax, input, i, &s);
                                batch_norm::unpool(set, (s.height, s.width, s.cout), gradient, argmax, full);
                                &mut full[..]
                            } else {
                                gradient
                            };
                            batch_norm::input_gradient(set, affine, slope, offset, sums, whole);
                            whole
                        }
                        _ => {
                            if relu {
                                relu_backward(gradient, sample(output, input, i, &s));
                            }
                            gradient
                        }
                    };
                    conv::pad(&s, image, padded);
                    // A normalised convolution has no bias, and sums for one would all be zero.
                    let bias = if through.is_none() { Some(&mut bias[..]) } else { None };
                    conv_backward::add_weight_gradient(set, &s, padded, gradient, kernel, bias);
                    if wanted {
                        conv::pad_transposed(&transposed, gradient, padded);
                        let to = &mut input_gradient[i * s.input_len()..][..s.input_len()];
                        conv::forward(
                            set,
                            &transposed,
                            padded,
                            transposed_kernel,
                            Epilogue { bias: None, relu: false },
                            to,
                        );
                    }
                }
            });
    }

    /// The normalisation's own gradients, which its gradient at the sums needs as well.
    fn backward_normalisation(&mut self, gradient: &[f32], n: usize) {
        let (s, set, pool, relu) = (self.shape, instruction_set(), self.pool, self.relu);
        let Some(normalisation) = &mut self.normalisation else { return };
        let (affine, mean) = (normalisation.affine(relu), normalisation.mean());
        let pooled = gradient.len() / n;
        self.scratch
            .par_iter_mut()
            .zip(chunks(gradient, n))
            .zip(chunks(&self.kept.sums, n))
            .zip(chunks(&self.kept.argmax, n))
            .for_each(|(((scratch, gradient), sums), argmax)| {
                scratch.clear_gradients(s.cout, s.cout);
                let Scratch { full, kernel: products, bias: totals, .. } = scratch;
                full.resize_for_overwrite(s.output_len());
                for (i, sums) in sums.chunks_exact(s.output_len()).enumerate() {
                    let mut gradient = &gradient[i * pooled..][..pooled];
                    if pool {
                        let argmax = &argmax[i * pooled..][..pooled];
                        batch_norm::unpool(set, (s.height, s.width, s.cout), gradient, argmax, full);
                        gradient = full;
                    }
                    batch_norm::add_gradient_sums(set, affine, mean, sums, gradient, totals, products);
                }
            });
        let parts = self.scratch.iter().map(|scratch| (&scratch.bias[..], &scratch.kernel[..]));
        normalisation.set_gradients(parts, n * s.height * s.width);
    }
}

/// The values of sample `i` among those of a chunk (which may hold none, where the layer does not keep them).
fn sample<'a, T>(values: &'a [T], input: &[f32], i: usize, s: &ConvShape) -> &'a [T] {
    let each = values.len() / (input.len() / s.input_len());
    &values[i * each..][..each]
}

/// The same, to be written.
fn sample_mut<'a, T>(values: &'a mut [T], input: &[f32], i: usize, s: &ConvShape) -> &'a mut [T] {
    let each = values.len() / (input.len() / s.input_len());
    &mut values[i * each..][..each]
}

impl Layer for Conv {
    fn output_shape(&self) -> Shape {
        let part = self.pooled_side();
        Shape { height: self.shape.height / part, width: self.shape.width / part, channels: self.shape.cout }
    }

    fn infer(&self, input: &[f32], output: &mut [f32]) {
        let images = input.chunks_exact(self.shape.input_len()).zip(output.chunks_exact_mut(self.output_shape().len()));
        let mut padded = PADDED.take();
        for (image, output) in images {
            conv::pad(&self.shape, image, &mut padded);
            self.infer_rows(&padded, 0, output);
        }
        PADDED.set(padded);
    }

    fn infer_one(&self, image: &[f32], output: &mut [f32]) {
        let Shape { height, width, channels } = self.output_shape();
        let rows = height.div_ceil(rayon::current_num_threads());
        let mut padded = PADDED.take();
        conv::pad(&self.shape, image, &mut padded);
        let bands = output.par_chunks_mut(rows * width * channels).enumerate();
        bands.for_each(|(band, output)| self.infer_rows(&padded, band * rows, output));
        PADDED.set(padded);
    }

    fn forward(&mut self, input: &[f32], batch: &Batch, output: &mut [f32]) {
        self.folded = OnceLock::new();
        if self.normalisation.is_some() {
            self.forward_normalised(input, batch.len(), output);
        } else {
            self.forward_plain(input, batch.len(), output);
        }
    }

    fn backward(
        &mut self,
        input: &[f32],
        output: &[f32],
        gradient: &mut [f32],
        input_gradient: Option<&mut [f32]>,
        update: Update,
    ) {
        let n = input.len() / self.shape.input_len();
        if self.normalisation.is_some() {
            self.backward_normalisation(gradient, n);
        }
        if self.pool && self.normalisation.is_none() {
            self.backward_pooled(input, gradient, input_gradient, n);
        } else {
            self.backward_dense(input, output, gradient, input_gradient, n);
        }
        let (first, others) = self.scratch.split_at_mut(1);
        for other in others {
            first[0].kernel.iter_mut().zip(other.kernel.iter()).for_each(|(sum, part)| *sum += part);
            first[0].bias.iter_mut().zip(other.bias.iter()).for_each(|(sum, part)| *sum += part);
        }
        self.kernel.apply(update, &first[0].kernel);
        if let Some(bias) = &mut self.bias {
            bias.apply(update, &first[0].bias);
        }
        if let Some(normalisation) = &mut self.normalisation {
            normalisation.apply(update);
        }
    }

    fn parameters(&self) -> Vec<&Parameter> {
        let normalisation = self.normalisation.iter().flat_map(BatchNorm::parameters);
        std::iter::once(&self.kernel).chain(&self.bias).chain(normalisation).collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        self.folded = OnceLock::new();
        let normalisation = self.normalisation.iter_mut().flat_map(BatchNorm::parameters_mut);
        std::iter::once(&mut self.kernel).chain(&mut self.bias).chain(normalisation).collect()
    }

    fn boxed_clone(&self) -> Box<dyn Layer> {
        Box::new(self.clone())
    }
}
