//! The layers that the nodes so far define, with their weights in the layout of a model file.

use super::activations::{Activations, Order};
use super::arrays;
use super::messages::TensorProto;
use crate::model::format::FormatError;
use crate::model::format::arrays::{WeightArray, weight_arrays};
use crate::model::format::batch_norm::BatchNorm;
use crate::model::format::layout;
use crate::model::format::source::Source;
use crate::nn::{Activation, LayerSpec, Shape, Tensor};

/// The number of weights that may be read more than once, as exporters store equal arrays once.
const SHARED_WEIGHTS: usize = 1 << 16;

/// How much the factor of the images may differ from 1 / 255, relative to it.
const TOLERANCE: f32 = 1e-6;

/// A network that grows with the nodes.
pub(super) struct Network {
    input: Shape,
    /// The shape of the last output for one image.
    pub(super) shape: Shape,
    pub(super) layers: Vec<LayerSpec>,
    /// The weights of the layers that have some.
    weights: Vec<Weights>,
    /// Changes with each layer and with each change of the last layer.
    pub(super) version: usize,
    /// Whether the images are bytes, which must be divided by 255. Floats that are not divided are in 0..=1.
    are_bytes: bool,
    /// Whether the images have been divided by 255.
    is_scaled: bool,
    /// The image whose values are flattened as CHW, until a dense layer has them as input.
    chw: Option<Shape>,
    /// The number of weights that may still be read. Nodes can share arrays, so a small file could need much memory.
    remaining: usize,
}

/// The weights of a layer.
struct Weights {
    /// HWIO, or `[inputs][units]`.
    kernel: Vec<f32>,
    bias: Option<Vec<f32>>,
    norm: Option<BatchNorm>,
}

impl Network {
    /// Creates a network without layers.
    pub(super) fn new(input: Shape, are_bytes: bool, file_len: usize) -> Network {
        let remaining = file_len / size_of::<f32>() + SHARED_WEIGHTS;
        Network {
            input,
            shape: input,
            layers: Vec::new(),
            weights: Vec::new(),
            version: 0,
            are_bytes,
            is_scaled: false,
            chw: None,
            remaining,
        }
    }

    /// Copies the values of an array.
    pub(super) fn read(&mut self, array: &TensorProto) -> Result<Vec<f32>, String> {
        let len = arrays::len(array)?;
        self.remaining = self.remaining.checked_sub(len).ok_or("too many nodes share this array")?;
        arrays::floats(array)
    }

    /// Returns the activations after the last layer.
    pub(super) fn activations(&self, order: Order) -> Activations {
        Activations { version: self.version, order }
    }

    /// Checks that a value is the output of the last layer.
    pub(super) fn check_sequential(&self, version: usize) -> Result<(), String> {
        let message = "expected a sequential graph: the input is not the output of the last layer";
        if version == self.version { Ok(()) } else { Err(message.to_owned()) }
    }

    /// Divides the images by 255.
    pub(super) fn scale_images(&mut self, factor: f32) -> Result<(), String> {
        if self.is_scaled || (factor * 255.0 - 1.0).abs() > TOLERANCE || !factor.is_finite() {
            return Err(format!("expected one division of the images by 255, found a factor of {factor}"));
        }
        self.is_scaled = true;
        self.version += 1;
        Ok(())
    }

    /// Adds a layer without weights. `shape` is that of its output.
    pub(super) fn push(&mut self, layer: LayerSpec, shape: Shape) -> Result<(), String> {
        if self.are_bytes && !self.is_scaled {
            return Err("expected a division of the images by 255 before the first layer".to_owned());
        }
        self.layers.push(layer);
        self.shape = shape;
        self.version += 1;
        Ok(())
    }

    /// Adds a convolution.
    pub(super) fn push_conv(
        &mut self,
        side: usize,
        kernel: &TensorProto,
        bias: Option<Vec<f32>>,
    ) -> Result<(), String> {
        let dims = arrays::dims(kernel)?;
        let inputs = self.shape.channels;
        let [filters, ..] = dims[..] else { return Err("expected a kernel of four dimensions".to_owned()) };
        if dims != [filters, inputs, side, side] {
            return Err(format!("expected a kernel of shape [{filters}, {inputs}, {side}, {side}], found {dims:?}"));
        }
        if self.chw.is_some() {
            return Err("expected a dense layer after a flattened image".to_owned());
        }
        let kernel = layout::oihw_to_hwio(&self.read(kernel)?, [filters, inputs, side, side]);
        check_bias(bias.as_deref(), filters)?;
        let spec = LayerSpec::Conv2d { filters, kernel: side, batch_norm: false, activation: Activation::Linear };
        self.push(spec, Shape { channels: filters, ..self.shape })?;
        self.weights.push(Weights { kernel, bias, norm: None });
        Ok(())
    }

    /// Adds batch normalisation to the last layer.
    pub(super) fn push_norm(&mut self, mut norm: BatchNorm, epsilon: f32) -> Result<(), String> {
        let (Some(LayerSpec::Conv2d { filters, batch_norm, activation, .. }), Some(weights)) =
            (self.layers.last_mut(), self.weights.last_mut())
        else {
            return Err("expected it directly after a convolution".to_owned());
        };
        if *batch_norm || *activation != Activation::Linear {
            return Err("expected it directly after a convolution, before the activation".to_owned());
        }
        for values in [&norm.gamma, &norm.beta, &norm.moving_mean, &norm.moving_variance] {
            check_len(values, *filters)?;
        }
        if let Some(bias) = weights.bias.take() {
            norm.absorb_bias(&bias);
        }
        norm.convert_epsilon(epsilon);
        *batch_norm = true;
        weights.norm = Some(norm);
        self.version += 1;
        Ok(())
    }

    /// Adds a dense layer. `is_transposed` if the kernel is `[units, inputs]`.
    pub(super) fn push_dense(
        &mut self,
        kernel: &TensorProto,
        is_transposed: bool,
        bias: Option<Vec<f32>>,
    ) -> Result<(), String> {
        let inputs = self.shape.len();
        let dims = arrays::dims(kernel)?;
        let units = match (&dims[..], is_transposed) {
            (&[rows, columns], false) if rows == inputs => columns,
            (&[rows, columns], true) if columns == inputs => rows,
            _ => return Err(format!("expected a kernel for {inputs} inputs, found the shape {dims:?}")),
        };
        let mut values = self.read(kernel)?;
        if is_transposed {
            values = layout::transpose(&values, units, inputs);
        }
        if let Some(image) = self.chw.take() {
            values = layout::rows_chw_to_hwc(&values, image, units);
        }
        check_bias(bias.as_deref(), units)?;
        let spec = LayerSpec::Dense { units, activation: Activation::Linear };
        self.push(spec, Shape { height: 1, width: 1, channels: units })?;
        self.weights.push(Weights { kernel: values, bias, norm: None });
        Ok(())
    }

    /// Multiplies each channel of the last layer by a factor: exporters write batch normalisation as such a product and a sum.
    pub(super) fn push_factors(&mut self, factors: &[f32]) -> Result<(), String> {
        let weights = self.last_linear()?;
        let rows = weights.kernel.chunks_exact_mut(factors.len().max(1));
        for row in rows.chain(weights.bias.as_deref_mut()) {
            row.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor);
        }
        self.version += 1;
        Ok(())
    }

    /// Adds a bias to the last layer.
    pub(super) fn push_bias(&mut self, bias: Vec<f32>) -> Result<(), String> {
        let weights = self.last_linear()?;
        match &mut weights.bias {
            Some(sum) => sum.iter_mut().zip(bias).for_each(|(sum, bias)| *sum += bias),
            none => *none = Some(bias),
        }
        self.version += 1;
        Ok(())
    }

    /// Returns the weights of the last layer, if it is linear.
    fn last_linear(&mut self) -> Result<&mut Weights, String> {
        let is_linear = match self.layers.last() {
            Some(LayerSpec::Conv2d { activation, batch_norm, .. }) => !batch_norm && *activation == Activation::Linear,
            Some(LayerSpec::Dense { activation, .. }) => *activation == Activation::Linear,
            _ => false,
        };
        let last = self.weights.last_mut().filter(|_| is_linear);
        last.ok_or_else(|| "expected it directly after a convolution or dense layer".to_owned())
    }

    /// Adds ReLU to the last layer with weights. It commutes with the pooling and flattening after it.
    pub(super) fn push_relu(&mut self) -> Result<(), String> {
        let commutes = |layer: &&mut LayerSpec| {
            matches!(layer, LayerSpec::MaxPooling2d {} | LayerSpec::Flatten {} | LayerSpec::Dropout { .. })
        };
        match self.layers.iter_mut().rev().find(|layer| !commutes(layer)) {
            Some(LayerSpec::Conv2d { activation, .. } | LayerSpec::Dense { activation, .. }) => {
                *activation = Activation::Relu;
            }
            _ => return Err("expected it after a convolution or dense layer".to_owned()),
        }
        self.version += 1;
        Ok(())
    }

    /// Flattens the last output. A layer is needed only if it has several pixels.
    pub(super) fn flatten(&mut self, order: Order) -> Result<(), String> {
        let image = self.shape;
        if order == Order::Flat || image.height * image.width == 1 {
            return Ok(());
        }
        self.chw = (order == Order::Nchw).then_some(image);
        self.push(LayerSpec::Flatten {}, Shape { height: 1, width: 1, channels: image.len() })
    }

    /// Returns the number of units and whether they are logits, if the last layer is dense.
    pub(super) fn logits(&self) -> Option<usize> {
        match self.layers.last() {
            Some(LayerSpec::Dense { units, activation: Activation::Linear }) => Some(*units),
            _ => None,
        }
    }

    /// Returns the shape of the input, the layers and the weights, with a sigmoid after the last layer.
    pub(super) fn finish(mut self, source: Source) -> Result<(Shape, Vec<LayerSpec>, Vec<Tensor>), FormatError> {
        if let Some(LayerSpec::Dense { activation, .. }) = self.layers.last_mut() {
            *activation = Activation::Sigmoid;
        }
        let arrays = weight_arrays(self.input, &self.layers).map_err(|error| source.architecture(error))?;
        let mut values = self.weights.into_iter().flat_map(Weights::into_arrays);
        let mut weights = Vec::with_capacity(arrays.len());
        for WeightArray { name, shape, .. } in arrays {
            let len = shape.iter().product();
            // A layer without a bias has one of zeros.
            let values = values.next().flatten().unwrap_or_else(|| vec![0.0; len]);
            if values.len() != len {
                let found = format!("{} values", values.len());
                return Err(source.weight_mismatch(format!("`{name}` of shape {shape:?}"), found));
            }
            weights.push(Tensor { name, shape, values });
        }
        Ok((self.input, self.layers, weights))
    }
}

impl Weights {
    /// Returns the arrays in the order of a model file; `None` for a bias that is missing.
    fn into_arrays(self) -> Vec<Option<Vec<f32>>> {
        let mut arrays = vec![Some(self.kernel)];
        match self.norm {
            Some(BatchNorm { gamma, beta, moving_mean, moving_variance }) => {
                arrays.extend([gamma, beta, moving_mean, moving_variance].map(Some));
            }
            None => arrays.push(self.bias),
        }
        arrays
    }
}

fn check_bias(bias: Option<&[f32]>, expected: usize) -> Result<(), String> {
    bias.map_or(Ok(()), |bias| check_len(bias, expected))
}

fn check_len(values: &[f32], expected: usize) -> Result<(), String> {
    if values.len() == expected {
        return Ok(());
    }
    Err(format!("expected an array of {expected} values, found {}", values.len()))
}
