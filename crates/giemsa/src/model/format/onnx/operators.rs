//! The operators that are supported.

use super::activations::{Activations, Order, Value};
use super::dims;
use super::messages::data_type;
use super::network::Network;
use super::node::Node;

/// Adds what a node computes to the network, and returns its output. `batch` is the number of images if it is fixed.
///
/// # Errors
/// The reason why the node is not supported.
pub(super) fn apply<'a>(node: &Node<'a>, network: &mut Network, batch: Option<i64>) -> Result<Value<'a>, String> {
    if !matches!(node.proto.domain.as_str(), "" | "ai.onnx") {
        return Err("expected a standard operator".to_owned());
    }
    match node.proto.op_type.as_str() {
        "Constant" => constant(node),
        "Identity" => Ok(node.input(0)?.clone()),
        "Cast" => cast(node),
        "Transpose" => transpose(node),
        "Div" => divide(node, network),
        "Mul" => multiply(node, network),
        "Add" => add(node, network),
        "Neg" => network.scale_logits(node, -1.0),
        "Sigmoid" => network.sigmoid(node),
        "Conv" => network.conv(node),
        "BatchNormalization" => network.batch_normalization(node),
        "Relu" => network.relu(node),
        "MaxPool" => network.max_pool(node),
        "GlobalAveragePool" => network.global_average_pool(node),
        "ReduceMean" => network.reduce_mean(node),
        "Gemm" => network.gemm(node),
        "MatMul" => network.mat_mul(node),
        "Dropout" => dropout(node, network),
        "Flatten" | "Reshape" | "Squeeze" => flatten(node, network, batch),
        "Shape" => dims::shape(node, node.activations()?, network.shape),
        "Gather" => gather(node, network),
        "Slice" => dims::slice(node),
        "Concat" => dims::concat(node),
        "Unsqueeze" => Ok(Value::Dims(dims::of(node.input(0)?)?)),
        _ => Err("there is no such layer in a recipe".to_owned()),
    }
}

fn constant<'a>(node: &Node<'a>) -> Result<Value<'a>, String> {
    match &node.proto.attribute[..] {
        [attribute] => match (attribute.name.as_str(), &attribute.t) {
            ("value", Some(value)) => Ok(Value::Constant(value)),
            ("value_int", _) => Ok(Value::Dims(vec![attribute.i])),
            ("value_ints", _) if attribute.ints.len() <= 4 => {
                Ok(Value::Dims(attribute.ints.iter().copied().map(Some).collect()))
            }
            ("value_float", _) => Ok(Value::Number(attribute.f.unwrap_or(0.0))),
            _ => Err("expected an array, a number or a few integers".to_owned()),
        },
        _ => Err("expected one attribute".to_owned()),
    }
}

/// Conversions of images to 32-bit floats, and of dimensions between integers.
fn cast<'a>(node: &Node<'a>) -> Result<Value<'a>, String> {
    node.check_attributes(&["to", "saturate", "round_mode"])?;
    let to = node.int("to", 0);
    let value = node.input(0)?;
    let expected = match value {
        Value::Dims(_) => [data_type::INT64, data_type::INT32],
        _ => [data_type::FLOAT; 2],
    };
    if expected.map(i64::from).contains(&to) && !matches!(value, Value::Constant(_)) {
        return Ok(value.clone());
    }
    Err(format!("expected a conversion of images to 32-bit floats, found one to the ONNX data type {to}"))
}

fn transpose<'a>(node: &Node<'a>) -> Result<Value<'a>, String> {
    node.check_attributes(&["perm"])?;
    let activations = node.activations()?;
    let permutation = node.attribute("perm").map_or(&[][..], |attribute| &attribute.ints);
    let order = match (activations.order, permutation) {
        (Order::Nhwc, [0, 3, 1, 2]) => Order::Nchw,
        (Order::Nchw, [0, 2, 3, 1]) => Order::Nhwc,
        _ => return Err("expected a conversion between NHWC and NCHW".to_owned()),
    };
    Ok(Value::Activations(Activations { order, ..activations }))
}

/// A division by 255, or of the logits by a temperature.
fn divide(node: &Node, network: &mut Network) -> Result<Value<'static>, String> {
    node.check_attributes(&[])?;
    let divisor = node.number(1)?;
    if network.layers.is_empty() {
        return scale_images(node, network, 1.0 / divisor);
    }
    network.scale_logits(node, 1.0 / divisor)
}

/// A multiplication of the images by 1 / 255, of the channels of the last layer, or of the logits. The constant may be the
/// first or the second input.
fn multiply(node: &Node, network: &mut Network) -> Result<Value<'static>, String> {
    node.check_attributes(&[])?;
    let node = &constant_second(node);
    match (node.number(1), node.input(0)?) {
        (Ok(factor), _) if network.layers.is_empty() => scale_images(node, network, factor),
        (Ok(factor), Value::Output(_)) => network.scale_logits(node, factor),
        (Ok(factor), _) if network.logits().is_some() => network.scale_logits(node, factor),
        _ => network.multiply_channels(node),
    }
}

fn scale_images(node: &Node, network: &mut Network, factor: f32) -> Result<Value<'static>, String> {
    let order = network.last_order(node)?;
    network.scale_images(factor)?;
    Ok(Value::Activations(network.activations(order)))
}

/// A bias, or the offset 0 of a rescaling of images.
fn add(node: &Node, network: &mut Network) -> Result<Value<'static>, String> {
    node.check_attributes(&[])?;
    let node = &constant_second(node);
    if !network.layers.is_empty() {
        return network.add_bias(node);
    }
    let order = network.last_order(node)?;
    let offset = node.number(1)?;
    if offset != 0.0 {
        return Err(format!("expected no offset of the images, found {offset}"));
    }
    Ok(Value::Activations(network.activations(order)))
}

/// Returns the node of a commutative operator with its constant as second input.
fn constant_second<'a>(node: &Node<'a>) -> Node<'a> {
    let mut inputs = node.inputs.clone();
    if matches!(inputs.first(), Some(Some(Value::Constant(_) | Value::Number(_)))) {
        inputs.reverse();
    }
    Node { proto: node.proto, inputs }
}

fn dropout(node: &Node, network: &mut Network) -> Result<Value<'static>, String> {
    match node.input(0)? {
        Value::Output(output) => Ok(Value::Output(*output)),
        _ => network.dropout(node),
    }
}

/// Operators that change only the dimensions.
fn flatten(node: &Node, network: &mut Network, batch: Option<i64>) -> Result<Value<'static>, String> {
    match (node.input(0)?, node.proto.op_type.as_str()) {
        (Value::Output(output), _) => network.reshape_output(*output),
        (Value::Dims(_) | Value::Constant(_), "Squeeze") => dims::of(node.input(0)?).map(Value::Dims),
        (Value::Activations(_), "Squeeze") if network.logits() == Some(1) => network.output_of(node).map(Value::Output),
        (_, "Squeeze") => network.squeeze(node),
        (_, "Flatten") => network.flatten_node(node),
        _ => network.reshape(node, batch),
    }
}

fn gather(node: &Node, network: &Network) -> Result<Value<'static>, String> {
    match node.input(0)? {
        Value::Dims(_) | Value::Constant(_) => dims::gather(node),
        _ => network.select_unit(node),
    }
}
