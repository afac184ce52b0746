//! What every layer of the engine can do.

use super::Shape;
use super::parameter::{Parameter, Update};

/// A batch is cut into this many chunks, whatever the number of threads: gradients are summed within a chunk, then over
/// the chunks in order, so that results do not depend on how many threads there are.
pub(crate) const CHUNKS: usize = 8;

/// What the layers must know of the batch they train on.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    /// The index in the data set of each sample.
    pub samples: &'a [u64],
    pub seed: u64,
    pub epoch: u64,
}

impl Batch<'_> {
    pub fn len(&self) -> usize {
        self.samples.len()
    }
}

/// One layer: what it computes, and its gradients. Batches are NHWC, samples one after the other.
pub(crate) trait Layer: Send + Sync {
    /// The shape of one output.
    fn output(&self) -> Shape;

    /// Computes the outputs of some samples, on this thread, as in prediction.
    fn infer(&self, input: &[f32], output: &mut [f32]);

    /// Computes the output of one sample, on all threads; the same values as [`Layer::infer`].
    fn infer_one(&self, input: &[f32], output: &mut [f32]) {
        self.infer(input, output);
    }

    /// Whether many samples at a time are faster than one after the other, because they share weights that fit no cache.
    fn gains_from_many(&self) -> bool {
        false
    }

    /// Computes the outputs of a batch as in training, and keeps what [`Layer::backward`] needs.
    fn forward(&mut self, input: &[f32], batch: &Batch, output: &mut [f32]);

    /// From the gradient at the output (which it may overwrite) makes the gradient at the input, where one is wanted,
    /// and then does to its parameters what `update` says. Input and output are those of the last forward pass.
    fn backward(
        &mut self,
        input: &[f32],
        output: &[f32],
        gradient: &mut [f32],
        input_gradient: Option<&mut [f32]>,
        update: Update,
    );

    /// Its parameters, in the order of the file.
    fn parameters(&self) -> Vec<&Parameter> {
        Vec::new()
    }

    /// The same, to be changed.
    fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        Vec::new()
    }

    /// A copy of it.
    fn boxed_clone(&self) -> Box<dyn Layer>;
}

/// The samples of chunk `chunk` of a batch of `n`.
fn chunk_range(n: usize, chunk: usize) -> std::ops::Range<usize> {
    chunk * n / CHUNKS..(chunk + 1) * n / CHUNKS
}

/// A batch's values cut into its chunks, empty ones among them where there are fewer samples.
pub(crate) fn chunks<T>(values: &[T], n: usize) -> Vec<&[T]> {
    let sample = values.len() / n.max(1);
    (0..CHUNKS).map(|i| chunk_range(n, i)).map(|range| &values[range.start * sample..range.end * sample]).collect()
}

/// The same, to be written.
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

/// Sets the gradient to zero where ReLU gave zero.
pub(crate) fn close_relu(gradient: &mut [f32], output: &[f32]) {
    for (gradient, &output) in gradient.iter_mut().zip(output) {
        *gradient = if output > 0.0 { *gradient } else { 0.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_a_batch_in_order_whatever_its_size() {
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
