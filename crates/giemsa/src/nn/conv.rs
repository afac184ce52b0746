//! Convolution fused with bias or batch normalisation, ReLU, and a following 2x2 max pooling, so that activations are
//! read from and written to memory only once.

mod backward;
mod forward;

use super::Shape;
use super::aligned_vec::AlignedVec;
use super::batch_norm::BatchNorm;
use super::kernels::conv::{self, ConvShape, Epilogue};
use super::kernels::{conv_pool, instruction_set};
use super::layer::{Batch, CHUNKS, Layer};
use super::parameter::{Layout, Parameter, Update};
use crate::random::Random;
use backward::BackwardPass;
use rayon::prelude::*;
use std::cell::Cell;
use std::sync::OnceLock;

thread_local! {
    /// The padded image in inference. It is taken out of the cell while in use, because a thread that waits for others
    /// may start another inference in the meantime.
    static PADDED: Cell<AlignedVec> = const { Cell::new(AlignedVec::new()) };
}

/// The operations that follow a convolution in the same layer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PostOps {
    pub batch_norm: bool,
    pub relu: bool,
    /// 2x2 max pooling.
    pub pool: bool,
}

/// A convolution of stride 1 with `same` padding, fused with its [`PostOps`].
///
/// # Shapes
/// - input: `[samples][height][width][cin]`
/// - output: `[samples][height][width][cout]`, or `[samples][height / 2][width / 2][cout]` with pooling
#[derive(Clone)]
pub(crate) struct Conv {
    shape: ConvShape,
    post_ops: PostOps,
    kernel: Parameter,
    /// `None` with batch normalisation, whose beta takes its place.
    bias: Option<Parameter>,
    batch_norm: Option<BatchNorm>,
    /// Packed kernel and bias for inference, with batch normalisation folded in; computed on first use after a change.
    folded: OnceLock<(AlignedVec, Vec<f32>)>,
    /// Packed kernel of the forward pass in training.
    packed_kernel: AlignedVec,
    /// Packed kernel of the transposed convolution, for the gradient at the input.
    transposed_kernel: AlignedVec,
    saved: Saved,
    scratch: Vec<Scratch>,
}

/// Values that the forward pass saves for the backward pass. A clone is empty: it needs a forward pass of its own.
#[derive(Default)]
struct Saved {
    /// The argmax of each pooling window; empty without pooling.
    argmax: Vec<u8>,
    /// The convolution's output; empty without batch normalisation.
    conv_output: AlignedVec,
}

impl Clone for Saved {
    fn clone(&self) -> Saved {
        Saved::default()
    }
}

/// Working memory for one chunk of a batch, and the chunk's gradients. A clone is empty.
#[derive(Default)]
struct Scratch {
    padded: AlignedVec,
    /// Lookup tables of `conv_pool_backward`.
    tables: AlignedVec,
    /// The gradient at the convolution's output before pooling.
    unpooled: AlignedVec,
    /// Two sums per channel, for the statistics and gradients of batch normalisation.
    channel_sums: [AlignedVec; 2],
    kernel_gradient: AlignedVec,
    bias_gradient: AlignedVec,
}

impl Clone for Scratch {
    fn clone(&self) -> Scratch {
        Scratch::default()
    }
}

impl Conv {
    /// Creates a layer with a Glorot-uniform kernel from `random`, or with zeros if `random` is `None`.
    pub fn new(input: Shape, filters: usize, kernel: usize, post_ops: PostOps, random: Option<&mut Random>) -> Conv {
        let shape = ConvShape { height: input.height, width: input.width, cin: input.channels, cout: filters, kernel };
        let mut weights = Parameter::kernel(&[kernel, kernel, input.channels, filters], Layout::RowMajor);
        if let Some(random) = random {
            let area = kernel * kernel;
            weights.init_glorot_uniform(area * input.channels, area * filters, random);
        }
        Conv {
            shape,
            post_ops,
            kernel: weights,
            bias: (!post_ops.batch_norm).then(|| Parameter::filled("bias", &[filters], 0.0)),
            batch_norm: post_ops.batch_norm.then(|| BatchNorm::new(filters)),
            folded: OnceLock::new(),
            packed_kernel: AlignedVec::new(),
            transposed_kernel: AlignedVec::new(),
            saved: Saved::default(),
            scratch: vec![Scratch::default(); CHUNKS],
        }
    }

    /// Returns the packed kernel and the bias for inference.
    fn folded(&self) -> &(AlignedVec, Vec<f32>) {
        self.folded.get_or_init(|| {
            let (kernel, bias) = match (&self.batch_norm, &self.bias) {
                (Some(batch_norm), _) => batch_norm.fold(&self.kernel.values),
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

    /// Returns the side of the pooling window: 1 without pooling.
    fn pool_size(&self) -> usize {
        if self.post_ops.pool { 2 } else { 1 }
    }

    /// Computes as many rows of the output as `output` contains, from row `first`: some rows of an image are an image
    /// of smaller height.
    fn infer_rows(&self, padded: &[f32], first: usize, output: &mut [f32]) {
        let pool_size = self.pool_size();
        let height = output.len() / (self.output_shape().width * self.shape.cout) * pool_size;
        let (s, set) = (ConvShape { height, ..self.shape }, instruction_set());
        let (kernel, bias) = self.folded();
        let epilogue = Epilogue { bias: Some(bias), relu: self.post_ops.relu };
        let padded = &padded[first * pool_size * s.padded_row_len()..][..s.padded_len()];
        if self.post_ops.pool {
            conv_pool::forward(set, &s, padded, kernel, epilogue, output, None);
        } else {
            conv::forward(set, &s, padded, kernel, epilogue, output);
        }
    }
}

impl Layer for Conv {
    fn output_shape(&self) -> Shape {
        let pool_size = self.pool_size();
        Shape { height: self.shape.height / pool_size, width: self.shape.width / pool_size, channels: self.shape.cout }
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
        if self.batch_norm.is_some() {
            self.forward_batch_norm(input, batch.len(), output);
        } else {
            self.forward_bias(input, batch.len(), output);
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
        let samples = input.len() / self.shape.input_len();
        let pass = BackwardPass { samples, input, output, gradient, input_gradient };
        if self.batch_norm.is_some() {
            self.backward_batch_norm(pass);
        } else if self.post_ops.pool {
            self.backward_pooled(pass);
        } else {
            self.backward_unpooled(pass);
        }
        let (first, others) = self.scratch.split_at_mut(1);
        for other in others {
            add(&mut first[0].kernel_gradient, &other.kernel_gradient);
            add(&mut first[0].bias_gradient, &other.bias_gradient);
        }
        self.kernel.apply(update, &first[0].kernel_gradient);
        if let Some(bias) = &mut self.bias {
            bias.apply(update, &first[0].bias_gradient);
        }
        if let Some(batch_norm) = &mut self.batch_norm {
            batch_norm.apply(update);
        }
    }

    fn parameters(&self) -> Vec<&Parameter> {
        let batch_norm = self.batch_norm.iter().flat_map(BatchNorm::parameters);
        std::iter::once(&self.kernel).chain(&self.bias).chain(batch_norm).collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        self.folded = OnceLock::new();
        let batch_norm = self.batch_norm.iter_mut().flat_map(BatchNorm::parameters_mut);
        std::iter::once(&mut self.kernel).chain(&mut self.bias).chain(batch_norm).collect()
    }

    fn boxed_clone(&self) -> Box<dyn Layer> {
        Box::new(self.clone())
    }
}

/// Adds `values` to `sums`, element by element.
fn add(sums: &mut [f32], values: &[f32]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}
