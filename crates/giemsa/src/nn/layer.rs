//! The interface of all layers, and the division of a batch into chunks.

use super::Shape;
use super::parameter::{Parameter, Update};

/// Number of chunks of a batch, independent of the number of threads. Gradients are summed within a chunk and then over
/// the chunks in order, so that results do not depend on the number of threads.
pub(crate) const CHUNKS: usize = 8;

/// The training batch, as far as layers need it.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    /// Index of each sample in the data set.
    pub samples: &'a [u64],
    pub seed: u64,
    pub epoch: u64,
}

impl Batch<'_> {
    pub fn len(&self) -> usize {
        self.samples.len()
    }
}

/// A layer of a network. Batches are NHWC.
///
/// # Shapes
/// - `input`: `[samples][height][width][channels]` of the previous layer's output
/// - `output` and `gradient`: `[samples]` followed by [`Layer::output_shape`]
pub(crate) trait Layer: Send + Sync {
    /// Returns the shape of the output of one sample.
    fn output_shape(&self) -> Shape;

    /// Computes the outputs of some samples in inference mode, on the current thread.
    fn infer(&self, input: &[f32], output: &mut [f32]);

    /// Computes the output of one sample on all threads; returns the same values as [`Layer::infer`].
    fn infer_one(&self, input: &[f32], output: &mut [f32]) {
        self.infer(input, output);
    }

    /// Returns whether inference on several samples at once is faster than one by one, because the weights are too
    /// large for the cache.
    fn prefers_batches(&self) -> bool {
        false
    }

    /// Computes the outputs of a batch in training mode, and saves what [`Layer::backward`] needs.
    fn forward(&mut self, input: &[f32], batch: &Batch, output: &mut [f32]);

    /// Computes the gradient at the input, if requested, from the gradient at the output, and applies `update` to the
    /// parameters. `input` and `output` are those of the last forward pass; `gradient` may be overwritten.
    fn backward(
        &mut self,
        input: &[f32],
        output: &[f32],
        gradient: &mut [f32],
        input_gradient: Option<&mut [f32]>,
        update: Update,
    );

    /// Returns the parameters, in the order of model files.
    fn parameters(&self) -> Vec<&Parameter> {
        Vec::new()
    }

    /// Returns the parameters mutably, in the same order.
    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        Vec::new()
    }

    /// Clones the layer.
    fn boxed_clone(&self) -> Box<dyn Layer>;
}

/// Returns the samples of chunk `chunk` of a batch of `n`.
fn chunk_range(n: usize, chunk: usize) -> std::ops::Range<usize> {
    chunk * n / CHUNKS..(chunk + 1) * n / CHUNKS
}

/// Divides the values of a batch of `n` samples into chunks, some of which are empty if there are fewer samples.
pub(crate) fn chunks<T>(values: &[T], n: usize) -> Vec<&[T]> {
    let sample = values.len() / n.max(1);
    (0..CHUNKS).map(|i| chunk_range(n, i)).map(|range| &values[range.start * sample..range.end * sample]).collect()
}

/// Divides the values of a batch of `n` samples into mutable chunks.
pub(crate) fn chunks_mut<T>(mut values: &mut [T], n: usize) -> Vec<&mut [T]> {
    let sample = values.len() / n.max(1);
    let mut parts = Vec::with_capacity(CHUNKS);
    for i in 0..CHUNKS {
        let (part, rest) = values.split_at_mut(chunk_range(n, i).len() * sample);
        parts.push(part);
        values = rest;
    }
    parts
}

/// Sets the gradient to zero where the output of ReLU is zero.
pub(crate) fn relu_backward(gradient: &mut [f32], output: &[f32]) {
    for (gradient, &output) in gradient.iter_mut().zip(output) {
        *gradient = if output > 0.0 { *gradient } else { 0.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_batches_of_any_size_in_order() {
        for n in [1, 3, 8, 10, 100] {
            let mut values: Vec<usize> = (0..n * 5).collect();
            let joined: Vec<usize> = chunks(&values, n).concat();
            assert_eq!(joined, values);
            let lengths: Vec<usize> = chunks_mut(&mut values, n).iter().map(|part| part.len()).collect();
            assert_eq!(lengths.len(), CHUNKS);
            assert!(lengths.iter().all(|length| length % 5 == 0 && length / 5 <= n.div_ceil(CHUNKS)));
        }
    }
}
