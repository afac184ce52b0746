//! Operators that are layers here.

use super::activations::{Order, Value};
use super::arrays;
use super::network::Network;
use super::node::Node;
use crate::model::format::batch_norm::BatchNorm;
use crate::nn::{LayerSpec, Shape};

/// What an operator computes, or why it is not supported.
type Computed = Result<Value<'static>, String>;

/// The default `epsilon` of `BatchNormalization`.
const DEFAULT_EPSILON: f32 = 1e-5;

impl Network {
    /// Returns the output of the last layer.
    fn output(&self, order: Order) -> Computed {
        Ok(Value::Activations(self.activations(order)))
    }

    /// Returns the order of the first input, which must be the output of the last layer.
    pub(super) fn last_order(&self, node: &Node) -> Result<Order, String> {
        let activations = node.activations()?;
        self.check_sequential(activations.version)?;
        Ok(activations.order)
    }

    /// Checks that the first input is the output of the last layer, NCHW.
    fn expect_nchw(&self, node: &Node) -> Result<(), String> {
        match self.last_order(node)? {
            Order::Nchw => Ok(()),
            Order::Nhwc => Err("expected an input NCHW, found NHWC".to_owned()),
            Order::Flat => Err("expected an input NCHW, found a flat one".to_owned()),
        }
    }

    pub(super) fn conv(&mut self, node: &Node) -> Computed {
        node.check_attributes(&["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"])?;
        self.expect_nchw(node)?;
        let kernel = node.constant(1)?;
        let side = arrays::dims(kernel)?.last().copied().unwrap_or(0);
        node.expect_ints("kernel_shape", &[side as i64, side as i64])?;
        node.expect_ints("strides", &[1, 1])?;
        node.expect_ints("dilations", &[1, 1])?;
        node.expect_int("group", 1)?;
        check_padding(node, side as i64)?;
        let bias = node.optional_constant(2)?.map(|bias| self.read(bias)).transpose()?;
        self.push_conv(side, kernel, bias)?;
        self.output(Order::Nchw)
    }

    pub(super) fn batch_normalization(&mut self, node: &Node) -> Computed {
        node.check_attributes(&["epsilon", "momentum", "training_mode", "spatial"])?;
        self.expect_nchw(node)?;
        node.expect_int("training_mode", 0)?;
        node.expect_int("spatial", 1)?;
        let mut read = |index| self.read(node.constant(index)?);
        let norm = BatchNorm { gamma: read(1)?, beta: read(2)?, moving_mean: read(3)?, moving_variance: read(4)? };
        self.push_norm(norm, node.float("epsilon", DEFAULT_EPSILON))?;
        self.output(Order::Nchw)
    }

    pub(super) fn relu(&mut self, node: &Node) -> Computed {
        node.check_attributes(&[])?;
        let order = self.last_order(node)?;
        self.push_relu()?;
        self.output(order)
    }

    pub(super) fn max_pool(&mut self, node: &Node) -> Computed {
        node.check_attributes(&[
            "auto_pad",
            "ceil_mode",
            "dilations",
            "kernel_shape",
            "pads",
            "storage_order",
            "strides",
        ])?;
        self.expect_nchw(node)?;
        if node.attribute("kernel_shape").is_none() || node.attribute("strides").is_none() {
            return Err("expected a pool of 2x2 pixels with strides of 2".to_owned());
        }
        node.expect_ints("kernel_shape", &[2, 2])?;
        node.expect_ints("strides", &[2, 2])?;
        node.expect_ints("pads", &[0; 4])?;
        node.expect_ints("dilations", &[1, 1])?;
        let Shape { height, width, channels } = self.shape;
        // With these settings, an odd last row or column is not dropped.
        let keeps_the_last =
            node.int("ceil_mode", 0) != 0 || !matches!(node.text("auto_pad", "NOTSET"), b"NOTSET" | b"VALID");
        if keeps_the_last && (height % 2 != 0 || width % 2 != 0) {
            return Err(format!("expected no padding, found an input of {height}x{width} pixels with padding"));
        }
        self.push(LayerSpec::MaxPooling2d {}, Shape { height: height / 2, width: width / 2, channels })?;
        self.output(Order::Nchw)
    }

    pub(super) fn global_average_pool(&mut self, node: &Node) -> Computed {
        node.check_attributes(&[])?;
        self.expect_nchw(node)?;
        self.average()?;
        self.output(Order::Nchw)
    }

    /// Global average pooling as a mean over both sides.
    pub(super) fn reduce_mean(&mut self, node: &Node) -> Computed {
        node.check_attributes(&["axes", "keepdims", "noop_with_empty_axes"])?;
        let order = self.last_order(node)?;
        check_axes(node, order)?;
        self.average()?;
        self.output(if node.int("keepdims", 1) == 0 { Order::Flat } else { order })
    }

    fn average(&mut self) -> Result<(), String> {
        self.push(LayerSpec::GlobalAveragePooling2d {}, Shape { height: 1, width: 1, ..self.shape })
    }

    /// Removes both sides, of one pixel.
    pub(super) fn squeeze(&mut self, node: &Node) -> Computed {
        node.check_attributes(&["axes"])?;
        let order = self.last_order(node)?;
        check_axes(node, order)?;
        if self.shape.height * self.shape.width != 1 {
            return Err(format!("expected an input of one pixel, found {}", self.shape));
        }
        self.output(Order::Flat)
    }

    pub(super) fn dropout(&mut self, node: &Node) -> Computed {
        node.check_attributes(&["ratio", "seed"])?;
        let order = self.last_order(node)?;
        if node.optional(2).is_some() {
            return Err("expected it without `training_mode`".to_owned());
        }
        let rate = if node.optional(1).is_some() { node.number(1)? } else { node.float("ratio", 0.5) };
        self.push(LayerSpec::Dropout { rate }, self.shape)?;
        self.output(order)
    }

    pub(super) fn flatten_node(&mut self, node: &Node) -> Computed {
        node.check_attributes(&["axis"])?;
        let order = self.last_order(node)?;
        node.expect_int("axis", 1)?;
        self.flatten(order)?;
        self.output(Order::Flat)
    }

    /// Flattening, or an image of one pixel, as a reshaping. `batch` is the number of images if it is fixed.
    pub(super) fn reshape(&mut self, node: &Node, batch: Option<i64>) -> Computed {
        node.check_attributes(&["allowzero"])?;
        let order = self.last_order(node)?;
        let dims = super::dims::of(node.input(1)?)?;
        let is_batch = |dim: Option<i64>| matches!(dim, None | Some(-1 | 0)) || (batch.is_some() && dim == batch);
        let is_len = |dim: Option<i64>| dim == Some(-1) || dim == Some(self.shape.len() as i64);
        match dims[..] {
            [images, values] if is_batch(images) && is_len(values) => {
                self.flatten(order)?;
                self.output(Order::Flat)
            }
            [images, channels, Some(1), Some(1)] if order == Order::Flat && is_batch(images) && is_len(channels) => {
                self.output(Order::Nchw)
            }
            _ => Err(format!(
                "expected the shape of a flattened image of {}, found {}",
                self.shape,
                super::dims::show(&dims)
            )),
        }
    }

    pub(super) fn gemm(&mut self, node: &Node) -> Computed {
        node.check_attributes(&["alpha", "beta", "transA", "transB", "broadcast"])?;
        node.expect_float("alpha", 1.0)?;
        node.expect_float("beta", 1.0)?;
        node.expect_int("transA", 0)?;
        let bias = match node.optional_constant(2)? {
            Some(array) if arrays::dims(array)?.last() != Some(&arrays::len(array)?) => {
                return Err("expected the same bias for all images".to_owned());
            }
            array => array.map(|bias| self.read(bias)).transpose()?,
        };
        self.dense(node, node.int("transB", 0) != 0, bias)
    }

    pub(super) fn mat_mul(&mut self, node: &Node) -> Computed {
        node.check_attributes(&[])?;
        self.dense(node, false, None)
    }

    fn dense(&mut self, node: &Node, is_transposed: bool, bias: Option<Vec<f32>>) -> Computed {
        if self.last_order(node)? != Order::Flat {
            return Err(format!("expected a flat input, found {}", self.shape));
        }
        self.push_dense(node.constant(1)?, is_transposed, bias)?;
        self.output(Order::Flat)
    }

    /// A bias as an addition of a constant, after a convolution or a product of matrices.
    pub(super) fn add_bias(&mut self, node: &Node) -> Computed {
        let (order, bias) = self.channels(node)?;
        self.push_bias(bias)?;
        self.output(order)
    }

    /// Factors of the channels, after a convolution or a product of matrices.
    pub(super) fn multiply_channels(&mut self, node: &Node) -> Computed {
        let (order, factors) = self.channels(node)?;
        self.push_factors(&factors)?;
        self.output(order)
    }

    /// Returns a constant with one number per channel of the last layer.
    fn channels(&mut self, node: &Node) -> Result<(Order, Vec<f32>), String> {
        let order = self.last_order(node)?;
        let array = node.constant(1)?;
        let found = arrays::dims(array)?;
        let channels = self.shape.channels;
        let expected = match order {
            Order::Nchw => vec![1, channels, 1, 1],
            Order::Nhwc => vec![1, 1, 1, channels],
            Order::Flat => vec![1, channels],
        };
        let missing = expected.len().checked_sub(found.len());
        if missing.is_none_or(|missing| expected[missing..] != found || expected[..missing].iter().any(|&dim| dim != 1))
        {
            return Err(format!(
                "expected a number for each of {channels} channels, found an array of shape {found:?}"
            ));
        }
        Ok((order, self.read(array)?))
    }
}

/// Checks that the padding keeps the size, with that of an even kernel below and to the right.
fn check_padding(node: &Node, side: i64) -> Result<(), String> {
    let [before, after] = [(side - 1) / 2, side / 2];
    match node.text("auto_pad", "NOTSET") {
        b"NOTSET" => {
            let found = node.attribute("pads").map_or(&[0; 4][..], |attribute| &attribute.ints);
            let expected = [before, before, after, after];
            if found == expected {
                return Ok(());
            }
            Err(format!("expected `pads` {expected:?}, as the size is kept, found {:?}", &found[..found.len().min(8)]))
        }
        b"SAME_UPPER" => Ok(()),
        b"SAME_LOWER" if side % 2 == 1 => Ok(()),
        b"VALID" if side == 1 => Ok(()),
        other => {
            let found = super::node::shortened(&String::from_utf8_lossy(other));
            Err(format!("expected padding that keeps the size, found `auto_pad` {found}"))
        }
    }
}

/// Checks that the axes, an attribute or an input, are both sides of an image.
fn check_axes(node: &Node, order: Order) -> Result<(), String> {
    let mut axes = match node.optional_constant(1)? {
        Some(axes) => arrays::integers(axes)?,
        None => node.attribute("axes").map(|attribute| attribute.ints.clone()).unwrap_or_default(),
    };
    axes.iter_mut().for_each(|axis| *axis += if *axis < 0 { 4 } else { 0 });
    axes.sort_unstable();
    let expected: &[i64] = match order {
        Order::Nchw => &[2, 3],
        Order::Nhwc => &[1, 2],
        Order::Flat => return Err("expected the output of a convolution, found a flat input".to_owned()),
    };
    if axes == expected {
        return Ok(());
    }
    Err(format!("expected the axes {expected:?}, which are height and width, found {:?}", &axes[..axes.len().min(8)]))
}
