//! Reads an ONNX graph: follows its nodes from the images to the probabilities, and collects the layers on the way.

use super::activations::{Activations, Order, Value};
use super::messages::{GraphProto, ModelProto, ValueInfoProto, data_type};
use super::network::Network;
use super::node::{Node, label, shortened};
use super::{arrays, elements, operators, outputs};
use crate::model::container::Metadata;
use crate::model::format::source::Source;
use crate::model::format::{Contents, FormatError, assemble};
use crate::nn::Shape;
use crate::nn::architecture::MAX_SIDE_PX;
use prost::Message;
use std::collections::{HashMap, HashSet};

/// The oldest version of the operators: in older ones, batch normalisation and broadcasting differ.
const MIN_OPSET: i64 = 7;

/// Reads an ONNX file.
///
/// # Errors
/// If it is not one, or its graph is not a sequential network of layers that exist here.
pub(in super::super) fn read(bytes: &[u8], source: Source) -> Result<Contents, FormatError> {
    elements::check(bytes).map_err(|reason| source.malformed(reason))?;
    let file = ModelProto::decode(bytes).map_err(|error| source.malformed(error))?;
    let opset = file.opset_import.iter().find(|opset| matches!(opset.domain.as_str(), "" | "ai.onnx"));
    let opset = opset.map_or(0, |opset| opset.version);
    if opset < MIN_OPSET {
        return Err(source.unsupported("opset", format!("expected at least {MIN_OPSET}, found {opset}")));
    }
    let graph = file.graph.ok_or_else(|| source.malformed("it contains no graph"))?;
    let (network, logit_scale) = follow(&graph, bytes.len(), source)?;
    let metadata: Metadata = file.metadata_props.into_iter().map(|entry| (entry.key, entry.value)).collect();
    let (input, layers, weights) = network.finish(source)?;
    Ok(Contents { layers: Some((input, layers)), weights, metadata: assemble::own_metadata(metadata), logit_scale })
}

/// Returns the network of a graph and the factor of its logit.
fn follow(graph: &GraphProto, file_len: usize, source: Source) -> Result<(Network, f32), FormatError> {
    let mut values: HashMap<&str, Value> = HashMap::new();
    for array in &graph.initializer {
        arrays::check_location(array)
            .map_err(|reason| source.unsupported(format_args!("array `{}`", shortened(&array.name)), reason))?;
        values.insert(&array.name, Value::Constant(array));
    }
    let input = input(graph, source)?;
    let mut network = Network::new(input.shape, input.are_bytes, file_len);
    values.insert(input.name, Value::Activations(Activations { version: 0, order: input.order }));
    for proto in &graph.node {
        let unsupported = |reason| source.unsupported(label(proto), reason);
        let value = |name: &String| match name.as_str() {
            "" => Ok(None),
            name => values.get(name).cloned().map(Some).ok_or_else(|| format!("no value `{}`", shortened(name))),
        };
        let inputs = proto.input.iter().map(value).collect::<Result<_, _>>().map_err(unsupported)?;
        let output = operators::apply(&Node { proto, inputs }, &mut network, input.batch).map_err(unsupported)?;
        // Only the first output is used; the others, such as the mask of Dropout, have no value.
        let name = proto.output.first().map_or("", String::as_str);
        if name.is_empty() || values.insert(name, output).is_some() {
            return Err(unsupported(format!("expected an output with a new name, found `{}`", shortened(name))));
        }
    }
    let scale = outputs::logit_scale(graph, &values, &network, source)?;
    Ok((network, scale))
}

/// The input of a graph.
struct Input<'a> {
    name: &'a str,
    shape: Shape,
    order: Order,
    /// The number of images, if it is fixed.
    batch: Option<i64>,
    /// Whether the elements are bytes instead of floats.
    are_bytes: bool,
}

/// Returns the input that is not a constant.
fn input<'a>(graph: &'a GraphProto, source: Source) -> Result<Input<'a>, FormatError> {
    let constants: HashSet<&str> = graph.initializer.iter().map(|array| array.name.as_str()).collect();
    let mut inputs = graph.input.iter().filter(|input| !constants.contains(input.name.as_str()));
    let (Some(input), None) = (inputs.next(), inputs.next()) else {
        return Err(source.unsupported("graph", "expected one input that is not a constant"));
    };
    let unsupported = |reason: String| source.unsupported(format_args!("input `{}`", shortened(&input.name)), reason);
    let (elem_type, dims) = declared(input).ok_or_else(|| unsupported("expected the shape of an array".to_owned()))?;
    let are_bytes = match elem_type {
        data_type::UINT8 => true,
        data_type::FLOAT => false,
        other => return Err(unsupported(format!("expected uint8 or 32-bit floats, found the ONNX data type {other}"))),
    };
    let (order, height, width) = match dims[..] {
        [_, Some(height), Some(width), Some(3)] => (Order::Nhwc, height, width),
        [_, Some(3), Some(height), Some(width)] => (Order::Nchw, height, width),
        _ => {
            let found = super::dims::show(&dims[..dims.len().min(8)]);
            return Err(unsupported(format!("expected [N, height, width, 3] or [N, 3, height, width], found {found}")));
        }
    };
    let side = |side: i64| usize::try_from(side).ok().filter(|side| (1..=MAX_SIDE_PX).contains(side));
    let (Some(height), Some(width)) = (side(height), side(width)) else {
        return Err(unsupported(format!("expected sides of 1 to {MAX_SIDE_PX} pixels, found {height}x{width}")));
    };
    let shape = Shape { height, width, channels: 3 };
    Ok(Input { name: &input.name, shape, order, batch: dims[0], are_bytes })
}

/// Returns the declared element type and dimensions; `None` for a dimension that is not fixed.
fn declared(input: &ValueInfoProto) -> Option<(i32, Vec<Option<i64>>)> {
    let tensor = input.r#type.as_ref()?.tensor_type.as_ref()?;
    let dims = tensor.shape.as_ref()?.dim.iter().map(|dim| dim.dim_value.filter(|&value| value > 0));
    Some((tensor.elem_type, dims.collect()))
}
