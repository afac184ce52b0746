//! Pooling layers: global average pooling, and 2x2 max pooling that does not follow a convolution (otherwise it is
//! fused with the convolution).

use super::Shape;
use super::kernels::batch_norm::{self, Affine};
use super::kernels::instruction_set;
use super::layer::{Batch, Layer};
use super::parameter::Update;

/// The mean of each channel over all pixels (Lin et al. 2014, *Network in network*, section 3.2).
///
/// # Shapes
/// `[samples][height][width][channels]` to `[samples][channels]`
#[derive(Clone)]
pub(crate) struct GlobalAverage {
    pub input: Shape,
}

impl Layer for GlobalAverage {
    fn output_shape(&self) -> Shape {
        Shape { height: 1, width: 1, channels: self.input.channels }
    }

    fn infer(&self, input: &[f32], output: &mut [f32]) {
        let channels = self.input.channels;
        let scale = 1.0 / (self.input.height * self.input.width) as f32;
        for (image, mean) in input.chunks_exact(self.input.len()).zip(output.chunks_exact_mut(channels)) {
            mean.fill(0.0);
            super::kernels::conv_backward::add_channel_sums(image, mean);
            mean.iter_mut().for_each(|sum| *sum *= scale);
        }
    }

    fn forward(&mut self, input: &[f32], _: &Batch, output: &mut [f32]) {
        self.infer(input, output);
    }

    fn backward(&mut self, _: &[f32], _: &[f32], gradient: &mut [f32], input_gradient: Option<&mut [f32]>, _: Update) {
        let Some(input_gradient) = input_gradient else { return };
        let channels = self.input.channels;
        let scale = 1.0 / (self.input.height * self.input.width) as f32;
        let images = input_gradient.chunks_exact_mut(self.input.len());
        for (image, gradient) in images.zip(gradient.chunks_exact_mut(channels)) {
            gradient.iter_mut().for_each(|g| *g *= scale);
            image.chunks_exact_mut(channels).for_each(|pixel| pixel.copy_from_slice(gradient));
        }
    }

    fn boxed_clone(&self) -> Box<dyn Layer> {
        Box::new(self.clone())
    }
}

/// The maximum of each window of 2x2 pixels; drops an odd last row or column.
///
/// # Shapes
/// `[samples][height][width][channels]` to `[samples][height / 2][width / 2][channels]`
#[derive(Clone)]
pub(crate) struct MaxPool {
    input: Shape,
    argmax: Vec<u8>,
}

impl MaxPool {
    /// Creates a layer for inputs of the given shape.
    pub fn new(input: Shape) -> MaxPool {
        MaxPool { input, argmax: Vec::new() }
    }

    /// Computes the output and the argmax of each window.
    fn pool(&self, input: &[f32], output: &mut [f32], argmax: &mut [u8]) {
        let pooled = self.output_shape().len();
        let (scale, shift) = (vec![1.0; self.input.channels], vec![0.0; self.input.channels]);
        let identity = Affine { scale: &scale, shift: &shift, relu: false };
        let samples = input.chunks_exact(self.input.len()).zip(output.chunks_exact_mut(pooled));
        for ((image, output), argmax) in samples.zip(argmax.chunks_exact_mut(pooled)) {
            batch_norm::activate_and_pool(instruction_set(), identity, self.input.width, image, output, argmax);
        }
    }
}

impl Layer for MaxPool {
    fn output_shape(&self) -> Shape {
        Shape { height: self.input.height / 2, width: self.input.width / 2, channels: self.input.channels }
    }

    fn infer(&self, input: &[f32], output: &mut [f32]) {
        self.pool(input, output, &mut vec![0; output.len()]);
    }

    fn forward(&mut self, input: &[f32], _: &Batch, output: &mut [f32]) {
        let mut argmax = std::mem::take(&mut self.argmax);
        argmax.resize(output.len(), 0);
        self.pool(input, output, &mut argmax);
        self.argmax = argmax;
    }

    fn backward(&mut self, _: &[f32], _: &[f32], gradient: &mut [f32], input_gradient: Option<&mut [f32]>, _: Update) {
        let Some(input_gradient) = input_gradient else { return };
        let Shape { height, width, channels } = self.input;
        let pooled = self.output_shape().len();
        let samples = gradient.chunks_exact(pooled).zip(self.argmax.chunks_exact(pooled));
        for ((gradient, argmax), image) in samples.zip(input_gradient.chunks_exact_mut(self.input.len())) {
            batch_norm::unpool(instruction_set(), (height, width, channels), gradient, argmax, image);
        }
    }

    fn boxed_clone(&self) -> Box<dyn Layer> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn global_average_pooling_distributes_the_gradient_evenly() {
        let mut layer = GlobalAverage { input: Shape { height: 1, width: 2, channels: 2 } };
        let (mut output, mut input_gradient) = ([0.0; 2], [0.0; 4]);
        layer.infer(&[1.0, 2.0, 3.0, 6.0], &mut output);
        assert_eq!(output, [2.0, 4.0]);
        layer.backward(&[], &[], &mut [4.0, 8.0], Some(&mut input_gradient), Update::Record);
        assert_eq!(input_gradient, [2.0, 4.0, 2.0, 4.0]);
    }

    #[test]
    fn max_pooling_passes_the_gradient_to_the_maximum() {
        let mut layer = MaxPool::new(Shape { height: 3, width: 2, channels: 1 });
        let batch = Batch { samples: &[0], seed: 0, epoch: 0 };
        let (mut output, mut input_gradient) = ([0.0; 1], [9.0; 6]);
        layer.forward(&[-4.0, -3.0, -1.0, -2.0, 5.0, 5.0], &batch, &mut output);
        assert_eq!(output, [-1.0], "the odd last row is dropped");
        layer.backward(&[], &[], &mut [7.0], Some(&mut input_gradient), Update::Record);
        assert_eq!(input_gradient, [0.0, 0.0, 7.0, 0.0, 0.0, 0.0]);
    }
}
