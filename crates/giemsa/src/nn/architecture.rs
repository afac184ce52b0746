//! Architectures as data: the layers that a recipe lists, and their shapes, parameter counts and operations.

mod error;
mod limits;

pub use error::{ArchitectureError, LayerError};
pub use limits::Resource;
use limits::{MAX_KERNEL_PX, MAX_WIDTH};
pub(crate) use limits::{MAX_LAYERS, MAX_SIDE_PX, MAX_WEIGHTS, Needs};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Height, width and channels of one sample: its dimensions in NHWC order without the N.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows, in pixels.
    pub height: usize,
    /// Columns, in pixels.
    pub width: usize,
    /// Values per pixel.
    pub channels: usize,
}

impl Shape {
    /// Returns the number of values.
    #[must_use]
    pub fn len(self) -> usize {
        self.height * self.width * self.channels
    }

    /// Returns whether there are no values.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}x{}x{}", self.height, self.width, self.channels)
    }
}

/// The activation function of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// The identity.
    #[default]
    Linear,
    /// max(0, x).
    Relu,
    /// 1 / (1 + exp(-x)). Only the last layer may have it: it is part of the loss, and the network returns logits.
    Sigmoid,
}

/// One layer of a recipe. Names and semantics are those of Keras.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum LayerSpec {
    /// A convolution of stride 1 with `same` padding; an even kernel has its extra padding below and to the right.
    ///
    /// # Shapes
    /// `[height][width][channels]` to `[height][width][filters]`
    Conv2d {
        /// Output channels, 1 to 16,384.
        filters: usize,
        /// Side of the square kernel, in pixels; 1 to 15.
        kernel: usize,
        /// Whether batch normalisation precedes the activation and replaces the bias.
        #[serde(default)]
        batch_norm: bool,
        /// Activation function.
        #[serde(default)]
        activation: Activation,
    },
    /// The maximum of each window of 2x2 pixels; drops an odd last row or column.
    ///
    /// # Shapes
    /// `[height][width][channels]` to `[height / 2][width / 2][channels]`
    MaxPooling2d {},
    /// The mean of each channel over all pixels (Lin et al. 2014, *Network in network*, section 3.2).
    ///
    /// # Shapes
    /// `[height][width][channels]` to `[1][1][channels]`
    GlobalAveragePooling2d {},
    /// Sets a random fraction of the values to zero in training and scales the others by 1 / (1 - rate); the identity
    /// in inference (Srivastava et al. 2014, *Dropout: a simple way to prevent neural networks from overfitting*).
    Dropout {
        /// The fraction, at least 0 and below 1.
        rate: f32,
    },
    /// Reshapes to a vector, in row-major order.
    ///
    /// # Shapes
    /// `[height][width][channels]` to `[1][1][height * width * channels]`
    Flatten {},
    /// A fully connected layer.
    ///
    /// # Shapes
    /// `[1][1][inputs]` to `[1][1][units]`
    Dense {
        /// Outputs, 1 to 16,384.
        units: usize,
        /// Activation function.
        #[serde(default)]
        activation: Activation,
    },
}

impl LayerSpec {
    /// Returns the class name in Keras and the default layer name without a number, such as `Conv2D` and `conv2d`.
    #[must_use]
    pub fn kind(&self) -> (&'static str, &'static str) {
        match self {
            LayerSpec::Conv2d { .. } => ("Conv2D", "conv2d"),
            LayerSpec::MaxPooling2d {} => ("MaxPooling2D", "max_pooling2d"),
            LayerSpec::GlobalAveragePooling2d {} => ("GlobalAveragePooling2D", "global_average_pooling2d"),
            LayerSpec::Dropout { .. } => ("Dropout", "dropout"),
            LayerSpec::Flatten {} => ("Flatten", "flatten"),
            LayerSpec::Dense { .. } => ("Dense", "dense"),
        }
    }

    /// Returns the shape of this layer's output for the given shape of its input.
    fn output_shape(&self, input: Shape) -> Result<Shape, LayerError> {
        match *self {
            LayerSpec::Conv2d { filters, .. } if !(1..=MAX_WIDTH).contains(&filters) => {
                Err(LayerError::Filters { found: filters })
            }
            LayerSpec::Conv2d { kernel, .. } if !(1..=MAX_KERNEL_PX).contains(&kernel) => {
                Err(LayerError::Kernel { found: kernel })
            }
            LayerSpec::Conv2d { activation: Activation::Sigmoid, .. } => Err(LayerError::SigmoidConvolution),
            LayerSpec::Conv2d { filters, .. } => Ok(Shape { channels: filters, ..input }),
            LayerSpec::MaxPooling2d {} if input.height < 2 || input.width < 2 => {
                Err(LayerError::InputTooSmall { found: input })
            }
            LayerSpec::MaxPooling2d {} => Ok(Shape { height: input.height / 2, width: input.width / 2, ..input }),
            LayerSpec::GlobalAveragePooling2d {} => Ok(Shape { height: 1, width: 1, ..input }),
            LayerSpec::Dropout { rate } if (0.0..1.0).contains(&rate) => Ok(input),
            LayerSpec::Dropout { rate } => Err(LayerError::Rate { found: rate }),
            LayerSpec::Flatten {} => Ok(Shape { height: 1, width: 1, channels: input.len() }),
            LayerSpec::Dense { .. } if input.height * input.width != 1 => {
                Err(LayerError::InputNotFlat { found: input })
            }
            LayerSpec::Dense { units: units @ 1..=MAX_WIDTH, .. } => Ok(Shape { height: 1, width: 1, channels: units }),
            LayerSpec::Dense { units, .. } => Err(LayerError::Units { found: units }),
        }
    }

    /// Returns the dimensions of the kernel, zeros if the layer has none.
    fn kernel_matrix(&self, input: Shape) -> KernelMatrix {
        match *self {
            LayerSpec::Conv2d { filters, kernel, .. } => {
                KernelMatrix { rows: kernel * kernel * input.channels, columns: filters }
            }
            LayerSpec::Dense { units, .. } => KernelMatrix { rows: input.channels, columns: units },
            _ => KernelMatrix { rows: 0, columns: 0 },
        }
    }

    /// Returns whether batch normalisation follows.
    fn has_batch_norm(&self) -> bool {
        matches!(self, LayerSpec::Conv2d { batch_norm: true, .. })
    }

    /// Returns the number of parameters that training updates by gradient: the kernel, and a bias or gamma and beta.
    fn trainable(&self, input: Shape) -> usize {
        let KernelMatrix { rows, columns } = self.kernel_matrix(input);
        (rows + if self.has_batch_norm() { 2 } else { 1 }) * columns
    }

    /// Returns the number of other parameters: the moving mean and the moving variance of batch normalisation.
    fn non_trainable(&self) -> usize {
        match *self {
            LayerSpec::Conv2d { filters, batch_norm: true, .. } => 2 * filters,
            _ => 0,
        }
    }
}

/// The dimensions of a kernel as a matrix.
#[derive(Clone, Copy)]
struct KernelMatrix {
    /// Inputs of one output value.
    rows: usize,
    /// Filters or units.
    columns: usize,
}

/// Computes the output shape of each layer.
///
/// # Errors
/// If the input is empty or too large, a setting is out of range, a layer cannot process the output of the previous
/// one, the network needs more of a [`Resource`] than its limit, or the last layer is not a dense layer of one unit with
/// the activation `sigmoid`.
pub fn shapes(input: Shape, layers: &[LayerSpec]) -> Result<Vec<Shape>, ArchitectureError> {
    shapes_and_needs(input, layers).map(|(shapes, _)| shapes)
}

/// Computes what a network needs.
///
/// # Errors
/// As [`shapes`].
pub(crate) fn needs(input: Shape, layers: &[LayerSpec]) -> Result<Needs, ArchitectureError> {
    shapes_and_needs(input, layers).map(|(_, needs)| needs)
}

fn shapes_and_needs(input: Shape, layers: &[LayerSpec]) -> Result<(Vec<Shape>, Needs), ArchitectureError> {
    check_input(input)?;
    if !(1..=MAX_LAYERS).contains(&layers.len()) {
        return Err(ArchitectureError::LayerCount { found: layers.len() });
    }
    let (mut shapes, mut needs) = (Vec::with_capacity(layers.len()), Needs::default());
    let mut before = input;
    for (i, layer) in layers.iter().enumerate() {
        let is_last = i + 1 == layers.len();
        let output = layer.output_shape(before).and_then(|output| {
            check_position(layer, is_last)?;
            needs.add(layer, before, output)?;
            Ok(output)
        });
        before = output.map_err(|reason| ArchitectureError::Layer { index: i + 1, kind: layer.kind().1, reason })?;
        shapes.push(before);
    }
    Ok((shapes, needs))
}

fn check_input(input: Shape) -> Result<(), ArchitectureError> {
    let side = 1..=MAX_SIDE_PX;
    let fits = side.contains(&input.height) && side.contains(&input.width);
    let most_channels = Resource::OutputValues.limit() / (input.height.saturating_mul(input.width).max(1) as u64);
    if fits && (1..=most_channels).contains(&(input.channels as u64)) {
        Ok(())
    } else {
        Err(ArchitectureError::Input { found: input })
    }
}

/// The most units of the last layer: the logit of the class, and the logit of a red cell.
pub const MAX_OUTPUTS: usize = 2;

/// Checks that a layer is a dense layer of one or two units with the activation `sigmoid` if and only if it is the last.
fn check_position(layer: &LayerSpec, is_last: bool) -> Result<(), LayerError> {
    match *layer {
        LayerSpec::Dense { activation: Activation::Sigmoid, .. } if !is_last => Err(LayerError::SigmoidBeforeOutput),
        LayerSpec::Dense { activation: Activation::Sigmoid, units: 1..=MAX_OUTPUTS } => Ok(()),
        LayerSpec::Dense { activation: Activation::Sigmoid, units } => Err(LayerError::OutputUnits { found: units }),
        _ if is_last => Err(LayerError::NotAnOutput),
        _ => Ok(()),
    }
}

/// One row of the layer table.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LayerSummary {
    /// Name in Keras: `conv2d`, `conv2d_1`, `max_pooling2d`, …
    pub name: String,
    /// Class in Keras: `Conv2D`, …
    pub kind: String,
    /// Dimensions of the output of one sample.
    pub output: Vec<usize>,
    /// Number of parameters that training updates by gradient.
    pub trainable: usize,
    /// Number of other parameters: the moving averages of batch normalisation.
    pub non_trainable: usize,
}

/// Computes the layer table: one row per layer, with batch normalisation in its own row after its convolution, as in
/// Keras.
///
/// # Errors
/// As [`shapes`].
pub fn summary(input: Shape, layers: &[LayerSpec]) -> Result<Vec<LayerSummary>, ArchitectureError> {
    let mut rows: Vec<LayerSummary> = Vec::new();
    let mut before = input;
    for (layer, shape) in layers.iter().zip(shapes(input, layers)?) {
        let (kind, stem) = layer.kind();
        let output = match layer {
            LayerSpec::Conv2d { .. } | LayerSpec::MaxPooling2d {} => vec![shape.height, shape.width, shape.channels],
            _ if shape.height * shape.width == 1 => vec![shape.channels],
            _ => vec![shape.height, shape.width, shape.channels],
        };
        let gamma_and_beta = if layer.has_batch_norm() { 2 * shape.channels } else { 0 };
        push_row(&mut rows, kind, stem, output.clone(), (layer.trainable(before) - gamma_and_beta, 0));
        if layer.has_batch_norm() {
            let parameters = (gamma_and_beta, layer.non_trainable());
            push_row(&mut rows, "BatchNormalization", "batch_normalization", output, parameters);
        }
        before = shape;
    }
    Ok(rows)
}

/// Floating-point operations per sample, two per multiply-add, without skipping zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Operations {
    /// Operations of inference.
    pub forward: u64,
    /// Operations of a training step: the forward pass, and the gradients at weights and inputs except the input of the
    /// network.
    pub step: u64,
}

/// Counts the operations of convolutions and dense layers; those of other layers are negligible.
///
/// # Errors
/// As [`shapes`].
pub fn operations(input: Shape, layers: &[LayerSpec]) -> Result<Operations, ArchitectureError> {
    let (mut operations, mut before) = (Operations { forward: 0, step: 0 }, input);
    for (layer, shape) in layers.iter().zip(shapes(input, layers)?) {
        let KernelMatrix { rows, columns } = layer.kernel_matrix(before);
        let forward = (2 * rows * columns * shape.height * shape.width) as u64;
        let passes = if operations.forward == 0 { 2 } else { 3 };
        operations.forward += forward;
        operations.step += passes * forward;
        before = shape;
    }
    Ok(operations)
}

/// Adds a row, numbered within its kind as in Keras: the first has no number.
fn push_row(rows: &mut Vec<LayerSummary>, kind: &str, stem: &str, output: Vec<usize>, parameters: (usize, usize)) {
    let name = match rows.iter().filter(|row| row.kind == kind).count() {
        0 => stem.to_owned(),
        n => format!("{stem}_{n}"),
    };
    let (trainable, non_trainable) = parameters;
    rows.push(LayerSummary { name, kind: kind.to_owned(), output, trainable, non_trainable });
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: Shape = Shape { height: 8, width: 8, channels: 3 };

    fn dense(units: usize, activation: Activation) -> LayerSpec {
        LayerSpec::Dense { units, activation }
    }

    #[test]
    fn rejects_architectures_with_the_layer_and_the_expectation_in_the_message() {
        let conv = |kernel| LayerSpec::Conv2d { filters: 4, kernel, batch_norm: false, activation: Activation::Relu };
        let last = dense(1, Activation::Sigmoid);
        let pool = LayerSpec::MaxPooling2d {};
        let cases = [
            (vec![], "expected 1 to 1000 layers, found 0"),
            (vec![last.clone()], "layer 1 (dense): expected a flat input"),
            (vec![LayerSpec::Flatten {}, last.clone(), last.clone()], "layer 2 (dense): expected `sigmoid` only"),
            (
                vec![LayerSpec::Flatten {}, dense(3, Activation::Sigmoid)],
                "layer 2 (dense): expected 1 or 2 units in the last layer, found 3",
            ),
            (vec![LayerSpec::Flatten {}, dense(1, Activation::Linear)], "layer 2 (dense): expected a dense layer with"),
            (
                vec![conv(0), LayerSpec::Flatten {}, last.clone()],
                "layer 1 (conv2d): expected a `kernel` of 1 to 15 pixels, found 0",
            ),
            (vec![pool.clone(), pool.clone(), pool.clone(), pool, last.clone()], "layer 4 (max_pooling2d)"),
            (vec![LayerSpec::Dropout { rate: 1.0 }, LayerSpec::Flatten {}, last], "below 1, found 1"),
        ];
        for (layers, expected) in cases {
            let message = shapes(INPUT, &layers).unwrap_err().to_string();
            assert!(message.contains(expected), "{message} does not contain {expected}");
        }
    }

    #[test]
    fn operations_of_the_seed_network_match_hand_arithmetic() {
        let conv = |filters| LayerSpec::Conv2d { filters, kernel: 2, batch_norm: false, activation: Activation::Relu };
        let pool = LayerSpec::MaxPooling2d {};
        let mut layers = vec![conv(16), pool.clone(), conv(32), pool.clone(), conv(64), pool, LayerSpec::Flatten {}];
        layers.extend([dense(500, Activation::Relu), dense(1, Activation::Sigmoid)]);
        let found = operations(Shape { height: 50, width: 50, channels: 3 }, &layers).unwrap();
        // 2500*12*16 + 625*64*32 + 144*128*64 + 2304*500 + 500 multiply-adds; the first layer needs no gradient at
        // its input.
        let multiply_adds = 480_000 + 1_280_000 + 1_179_648 + 1_152_000 + 500;
        assert_eq!(found.forward, 2 * multiply_adds);
        assert_eq!(found.step, 6 * multiply_adds - 2 * 480_000);
    }

    #[test]
    fn summary_numbers_names_within_their_kind() {
        let conv = LayerSpec::Conv2d { filters: 4, kernel: 3, batch_norm: true, activation: Activation::Relu };
        let layers = [conv.clone(), conv, LayerSpec::GlobalAveragePooling2d {}, dense(1, Activation::Sigmoid)];
        let rows = summary(INPUT, &layers).unwrap();
        let names: Vec<&str> = rows.iter().map(|row| &row.name[..]).collect();
        let expected =
            ["conv2d", "batch_normalization", "conv2d_1", "batch_normalization_1", "global_average_pooling2d", "dense"];
        assert_eq!(names, expected);
        assert_eq!(rows[0].trainable, 3 * 3 * 3 * 4);
        assert_eq!((rows[1].trainable, rows[1].non_trainable), (8, 8));
    }
}
