//! What a network is made of, as data: the layers that a recipe lists, and the shapes and parameter counts they imply.

use serde::{Deserialize, Serialize};

/// Height, width and channels of one sample at some point of a network, in NHWC order without the N.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows, in pixels.
    pub height: usize,
    /// Columns, in pixels.
    pub width: usize,
    /// Values a pixel.
    pub channels: usize,
}

impl Shape {
    /// Values in all.
    pub fn len(self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether there are no values.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// What follows a layer's sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// The sum itself.
    #[default]
    Linear,
    /// max(0, x).
    Relu,
    /// 1 / (1 + exp(-x)); for the last layer alone, where it is part of the loss and the network gives logits.
    Sigmoid,
}

/// One layer of a recipe, with Keras' meaning of its words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum LayerSpec {
    /// A convolution of stride 1 with `same` padding (an even kernel pads below and right).
    Conv2d {
        /// Output channels.
        filters: usize,
        /// Side of the square kernel, in pixels.
        kernel: usize,
        /// Normalise by batch statistics before the activation (the convolution then has no bias of its own).
        #[serde(default)]
        batch_norm: bool,
        /// What follows.
        #[serde(default)]
        activation: Activation,
    },
    /// The largest of each window of 2x2 pixels; a last odd row or column is dropped.
    MaxPooling2d {},
    /// The mean of each channel over all pixels.
    GlobalAveragePooling2d {},
    /// Sets a share of the values to zero while training, and scales the others up (inverted dropout).
    Dropout {
        /// The share, in 0..1.
        rate: f32,
    },
    /// All values in a row, height-major.
    Flatten {},
    /// A fully connected layer.
    Dense {
        /// Outputs.
        units: usize,
        /// What follows.
        #[serde(default)]
        activation: Activation,
    },
}

impl LayerSpec {
    /// Keras' name of the class, and the stem of its layers' names.
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

    /// The shape that this layer makes of its input, or what it expects instead of it.
    fn output(&self, input: Shape) -> Result<Shape, (String, String)> {
        let found = format!("{}x{}x{}", input.height, input.width, input.channels);
        let refuse = |expected: &str, found: String| Err((expected.to_owned(), found));
        match *self {
            LayerSpec::Conv2d { filters, kernel, activation, .. } => match (filters, kernel, activation) {
                (1..=MAX_WIDTH, 1..=MAX_KERNEL, Activation::Linear | Activation::Relu) => {
                    Ok(Shape { channels: filters, ..input })
                }
                (1..=MAX_WIDTH, 1..=MAX_KERNEL, Activation::Sigmoid) => {
                    refuse("the activation `linear` or `relu` (`sigmoid` is for the last layer)", "`sigmoid`".into())
                }
                (1..=MAX_WIDTH, ..) => refuse("a `kernel` of 1 to 15 pixels", kernel.to_string()),
                _ => refuse("1 to 16384 `filters`", filters.to_string()),
            },
            LayerSpec::MaxPooling2d {} if input.height < 2 || input.width < 2 => {
                refuse("an input of at least 2x2 pixels", found)
            }
            LayerSpec::MaxPooling2d {} => {
                Ok(Shape { height: input.height / 2, width: input.width / 2, channels: input.channels })
            }
            LayerSpec::GlobalAveragePooling2d {} => Ok(Shape { height: 1, width: 1, ..input }),
            LayerSpec::Dropout { rate } if (0.0..1.0).contains(&rate) => Ok(input),
            LayerSpec::Dropout { rate } => refuse("a `rate` of at least 0 and below 1", rate.to_string()),
            LayerSpec::Flatten {} => Ok(Shape { height: 1, width: 1, channels: input.len() }),
            LayerSpec::Dense { .. } if input.height * input.width != 1 => {
                refuse("a flat input (put `flatten` or `global_average_pooling2d` before it)", found)
            }
            LayerSpec::Dense { units: units @ 1..=MAX_WIDTH, .. } => Ok(Shape { height: 1, width: 1, channels: units }),
            LayerSpec::Dense { units, .. } => refuse("1 to 16384 `units`", units.to_string()),
        }
    }
}

/// The most filters or units of a layer.
const MAX_WIDTH: usize = 16_384;
/// The largest side of a kernel, in pixels.
const MAX_KERNEL: usize = 15;
/// The largest side of an input, in pixels.
const MAX_SIDE: usize = 1_024;

/// The output shape of each layer.
///
/// # Errors
/// When a layer cannot take what the one before it gives, or the last one does not give the one logit of a classifier of
/// two classes: a dense layer of one unit with the activation `sigmoid`.
pub fn shapes(input: Shape, layers: &[LayerSpec]) -> Result<Vec<Shape>, ArchitectureError> {
    if input.is_empty() || input.height > MAX_SIDE || input.width > MAX_SIDE {
        let found = format!("{}x{}x{}", input.height, input.width, input.channels);
        return Err(layer_error(0, "input", ("1 to 1024 pixels a side".into(), found)));
    }
    let mut shapes = Vec::with_capacity(layers.len());
    for (i, layer) in layers.iter().enumerate() {
        let before = shapes.last().copied().unwrap_or(input);
        shapes.push(layer.output(before).map_err(|reason| layer_error(i + 1, layer.kind().1, reason))?);
        let is_last = i + 1 == layers.len();
        if matches!(layer, LayerSpec::Dense { activation: Activation::Sigmoid, .. }) != is_last {
            let expected = "a dense layer with the activation `sigmoid` in the last place, and only there";
            return Err(layer_error(i + 1, layer.kind().1, (expected.into(), "another order".into())));
        }
    }
    match shapes.last() {
        Some(last) if last.len() == 1 => Ok(shapes),
        Some(last) => {
            Err(layer_error(layers.len(), "dense", ("1 unit in the last layer".into(), last.len().to_string())))
        }
        None => Err(layer_error(0, "input", ("at least one layer".into(), "none".into()))),
    }
}

fn layer_error(index: usize, kind: &str, (expected, found): (String, String)) -> ArchitectureError {
    ArchitectureError::Layer { index, kind: kind.to_owned(), expected, found }
}

/// One row of the layer table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerSummary {
    /// Keras' name: `conv2d`, `conv2d_1`, `max_pooling2d`, …
    pub name: String,
    /// Keras' class: `Conv2D`, …
    pub kind: String,
    /// Output dimensions of one sample.
    pub output: Vec<usize>,
    /// Parameters that training changes.
    pub trainable: usize,
    /// Parameters that it does not (moving statistics).
    pub non_trainable: usize,
}

/// The layer table: a row a layer, batch normalisation in a row of its own behind its convolution, as in Keras.
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
        let (trainable, normalised) = match *layer {
            LayerSpec::Conv2d { filters, kernel, batch_norm, .. } => {
                (kernel * kernel * before.channels * filters + if batch_norm { 0 } else { filters }, batch_norm)
            }
            LayerSpec::Dense { units, .. } => ((before.channels + 1) * units, false),
            _ => (0, false),
        };
        push_row(&mut rows, kind, stem, output.clone(), (trainable, 0));
        if normalised {
            let both = 2 * shape.channels;
            push_row(&mut rows, "BatchNormalization", "batch_normalization", output, (both, both));
        }
        before = shape;
    }
    Ok(rows)
}

/// Floating-point operations (two a multiply-add) that one sample costs where nothing is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operations {
    /// Of a prediction.
    pub forward: u64,
    /// Of a training step: forward, and the gradients at weights and inputs (but not at the network's own input).
    pub step: u64,
}

/// Counts the operations of convolutions and dense layers; the rest is small beside them.
///
/// # Errors
/// As [`shapes`].
pub fn operations(input: Shape, layers: &[LayerSpec]) -> Result<Operations, ArchitectureError> {
    let (mut operations, mut before) = (Operations { forward: 0, step: 0 }, input);
    for (layer, shape) in layers.iter().zip(shapes(input, layers)?) {
        let forward = match *layer {
            LayerSpec::Conv2d { kernel, .. } => 2 * kernel * kernel * before.channels * shape.len(),
            LayerSpec::Dense { .. } => 2 * before.len() * shape.len(),
            _ => 0,
        } as u64;
        let passes = if operations.forward == 0 { 2 } else { 3 };
        operations.forward += forward;
        operations.step += passes * forward;
        before = shape;
    }
    Ok(operations)
}

/// Adds a row, numbered among those of its kind as Keras does: the first has no number.
fn push_row(rows: &mut Vec<LayerSummary>, kind: &str, stem: &str, output: Vec<usize>, parameters: (usize, usize)) {
    let name = match rows.iter().filter(|row| row.kind == kind).count() {
        0 => stem.to_owned(),
        n => format!("{stem}_{n}"),
    };
    let (trainable, non_trainable) = parameters;
    rows.push(LayerSummary { name, kind: kind.to_owned(), output, trainable, non_trainable });
}

/// Layers that do not fit each other, their input, or given weights.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchitectureError {
    /// A layer cannot take what the one before it gives.
    #[error("layer {index} ({kind}): expected {expected}, found {found}")]
    Layer {
        /// From 1; 0 is the input.
        index: usize,
        /// The layer's kind.
        kind: String,
        /// What it needs.
        expected: String,
        /// What it got.
        found: String,
    },
    /// A weight array is missing, or has another shape.
    #[error("weight `{name}`: expected {expected}, found {found}")]
    Weight {
        /// The array's name.
        name: String,
        /// Its shape by the architecture.
        expected: String,
        /// What was given.
        found: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: Shape = Shape { height: 8, width: 8, channels: 3 };

    fn dense(units: usize, activation: Activation) -> LayerSpec {
        LayerSpec::Dense { units, activation }
    }

    #[test]
    fn layers_that_do_not_fit_are_named_with_what_was_expected() {
        let conv = |kernel| LayerSpec::Conv2d { filters: 4, kernel, batch_norm: false, activation: Activation::Relu };
        let last = dense(1, Activation::Sigmoid);
        let pool = LayerSpec::MaxPooling2d {};
        let cases = [
            (vec![], "at least one layer"),
            (vec![last.clone()], "layer 1 (dense): expected a flat input"),
            (vec![LayerSpec::Flatten {}, dense(2, Activation::Sigmoid)], "1 unit in the last layer, found 2"),
            (vec![LayerSpec::Flatten {}, dense(1, Activation::Linear)], "activation `sigmoid` in the last place"),
            (vec![conv(0), LayerSpec::Flatten {}, last.clone()], "layer 1 (conv2d): expected a `kernel`"),
            (vec![pool.clone(), pool.clone(), pool.clone(), pool, last.clone()], "layer 4 (max_pooling2d)"),
            (vec![LayerSpec::Dropout { rate: 1.0 }, LayerSpec::Flatten {}, last], "below 1, found 1"),
        ];
        for (layers, expected) in cases {
            let message = shapes(INPUT, &layers).unwrap_err().to_string();
            assert!(message.contains(expected), "{message} does not say {expected}");
        }
    }

    #[test]
    fn operations_of_the_seed_network_are_those_counted_by_hand() {
        let conv = |filters| LayerSpec::Conv2d { filters, kernel: 2, batch_norm: false, activation: Activation::Relu };
        let pool = LayerSpec::MaxPooling2d {};
        let mut layers = vec![conv(16), pool.clone(), conv(32), pool.clone(), conv(64), pool, LayerSpec::Flatten {}];
        layers.extend([dense(500, Activation::Relu), dense(1, Activation::Sigmoid)]);
        let found = operations(Shape { height: 50, width: 50, channels: 3 }, &layers).unwrap();
        // 2500*12*16 + 625*64*32 + 144*128*64 + 2304*500 + 500 multiply-adds; the first is not needed for its input.
        let multiply_adds = 480_000 + 1_280_000 + 1_179_648 + 1_152_000 + 500;
        assert_eq!(found.forward, 2 * multiply_adds);
        assert_eq!(found.step, 6 * multiply_adds - 2 * 480_000);
    }

    #[test]
    fn names_are_numbered_within_their_kind() {
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
