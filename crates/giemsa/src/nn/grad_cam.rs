//! Where in an image a network finds its evidence: gradient-weighted class activation mapping.

use super::Network;
use super::layer::{Batch, Layer};
use super::network::infer_layers;
use super::parameter::Update;

/// What each place of an image adds to a logit.
#[derive(Clone, Debug, PartialEq)]
pub struct SaliencyMap {
    /// Rows of the map.
    pub height: usize,
    /// Columns of the map.
    pub width: usize,
    /// One a pixel, row-major, as parts of a logit.
    pub values: Vec<f32>,
}

impl Network {
    /// Grad-CAM of one image at the last convolution, without the final ReLU: the activations of each channel, weighted
    /// with the mean gradient of the logit at that channel (Selvaraju et al. 2017, *Grad-CAM*, equations 1 and 2). For a
    /// network that ends in global average pooling and one dense layer, the values add up to the logit less the bias.
    ///
    /// None for a network without a convolution.
    ///
    /// # Shapes
    /// `input`: `[height][width][channels]`, in 0..=1.
    ///
    /// # Panics
    /// When `input` is not one sample.
    ///
    /// ```
    /// use giemsa::model::Recipe;
    /// use giemsa::nn::Network;
    /// let recipe = Recipe::load("keras-tutorial")?;
    /// let network = Network::new(recipe.input_shape(), &recipe.layers, 0)?;
    /// let evidence = network.grad_cam(&vec![0.5; 50 * 50 * 3]).expect("it has convolutions");
    /// assert_eq!((evidence.height, evidence.width), (6, 6));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn grad_cam(&self, input: &[f32]) -> Option<SaliencyMap> {
        assert_eq!(input.len(), self.input().len(), "one sample");
        let is_convolution = |layer: &dyn Layer| {
            layer.output_shape().height * layer.output_shape().width > 1 && !layer.parameters().is_empty()
        };
        let last = self.layers.iter().rposition(|layer| is_convolution(&**layer))?;
        let shape = self.layers[last].output_shape();
        let mut activations = vec![0.0; shape.len()];
        infer_layers(&self.layers[..=last], input, &mut Default::default(), &mut activations, <dyn Layer>::infer);
        let gradient = gradient_at(&self.layers[last + 1..], &activations);

        let share = 1.0 / (shape.height * shape.width) as f32;
        let mut weights = vec![0.0; shape.channels];
        super::kernels::conv_backward::add_channel_sums(&gradient, &mut weights);
        let of_pixel = |pixel: &[f32]| pixel.iter().zip(&weights).map(|(value, weight)| value * weight * share).sum();
        let values = activations.chunks_exact(shape.channels).map(of_pixel).collect();
        Some(SaliencyMap { height: shape.height, width: shape.width, values })
    }
}

/// The gradient of the logit that these layers make of one sample at that sample, as in prediction.
fn gradient_at(layers: &[Box<dyn Layer>], input: &[f32]) -> Vec<f32> {
    let in_prediction = layers.iter().filter(|layer| !layer.is_identity_in_inference());
    let mut layers: Vec<Box<dyn Layer>> = in_prediction.map(|layer| layer.boxed_clone()).collect();
    let batch = Batch { samples: &[0], seed: 0, epoch: 0 };
    let mut values = vec![input.to_vec()];
    for (i, layer) in layers.iter_mut().enumerate() {
        let mut output = vec![0.0; layer.output_shape().len()];
        layer.forward(&values[i], &batch, &mut output);
        values.push(output);
    }
    let mut gradient = vec![1.0];
    for (i, layer) in layers.iter_mut().enumerate().rev() {
        let mut before = vec![0.0; values[i].len()];
        layer.backward(&values[i], &values[i + 1], &mut gradient, Some(&mut before), Update::Record);
        gradient = before;
    }
    gradient
}

#[cfg(test)]
mod tests {
    use crate::nn::{Activation, LayerSpec, Network, Shape, Tensor};

    const INPUT: Shape = Shape { height: 6, width: 7, channels: 3 };

    fn conv(batch_norm: bool) -> LayerSpec {
        LayerSpec::Conv2d { filters: 5, kernel: 3, batch_norm, activation: Activation::Relu }
    }

    fn image() -> Vec<f32> {
        let mut random = crate::random::Random::keyed(&[4]);
        (0..INPUT.len()).map(|_| random.uniform()).collect()
    }

    fn weights<'a>(tensors: &'a [Tensor], name: &str) -> &'a [f32] {
        &tensors.iter().find(|tensor| tensor.name == name).unwrap().values
    }

    #[test]
    fn after_global_average_pooling_the_evidence_adds_up_to_the_logit() {
        let dense = LayerSpec::Dense { units: 1, activation: Activation::Sigmoid };
        let dropout = LayerSpec::Dropout { rate: 0.5 };
        let layers = [conv(true), LayerSpec::GlobalAveragePooling2d {}, dropout, dense];
        let network = Network::new(INPUT, &layers, 1).unwrap();
        let evidence = network.grad_cam(&image()).unwrap();
        assert_eq!((evidence.height, evidence.width, evidence.values.len()), (6, 7, 42));
        let (sum, logit): (f32, f32) = (evidence.values.iter().sum(), network.predict(&image())[0]);
        let bias = weights(&network.weights(), "dense.bias")[0];
        assert!((sum + bias - logit).abs() < 1e-5, "{sum} + {bias}, expected {logit}");
        assert!(sum != 0.0);
    }

    #[test]
    fn channels_weigh_as_much_as_the_mean_of_the_dense_weights_behind_them() {
        let dense = LayerSpec::Dense { units: 1, activation: Activation::Sigmoid };
        let layers = [conv(false), LayerSpec::Flatten {}, dense];
        let network = Network::new(INPUT, &layers, 2).unwrap();
        let tensors = network.weights();
        let behind = weights(&tensors, "dense.kernel");
        let mean = |channel: usize| behind.iter().skip(channel).step_by(5).sum::<f32>() / 42.0;
        // The convolution's output: that of the network which only averages it, one channel at a time.
        let evidence = network.grad_cam(&image()).unwrap();
        let total: f32 = (0..5)
            .map(|channel| {
                let pooled = [layers[0].clone(), LayerSpec::GlobalAveragePooling2d {}, layers[2].clone()];
                let mut one = tensors.clone();
                let kernel = one.iter_mut().find(|tensor| tensor.name == "dense.kernel").unwrap();
                kernel.shape = vec![5, 1];
                kernel.values = (0..5).map(|i| if i == channel { 42.0 } else { 0.0 }).collect();
                Network::with_weights(INPUT, &pooled, &one).unwrap().predict(&image())[0] * mean(channel)
            })
            .sum();
        let found: f32 = evidence.values.iter().sum();
        assert!((found - total).abs() < 1e-4, "{found}, expected {total}");
    }

    #[test]
    fn without_a_convolution_there_is_no_map() {
        let layers = [LayerSpec::Flatten {}, LayerSpec::Dense { units: 1, activation: Activation::Sigmoid }];
        assert_eq!(Network::new(INPUT, &layers, 0).unwrap().grad_cam(&image()), None);
    }
}
