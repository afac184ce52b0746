//! Dimensions that a graph computes, as exporters write them to flatten any number of images: `Shape`, `Gather`, `Slice`,
//! `Concat` and others on a few integers.

use super::activations::{Activations, Order, Value};
use super::arrays;
use super::node::Node;
use crate::nn::Shape;

/// Dimensions; `None` is the number of images.
type Dims = Vec<Option<i64>>;

/// The most dimensions of one value.
const MAX_DIMS: usize = 16;

/// Returns the dimensions that a value contains.
pub(super) fn of(value: &Value) -> Result<Dims, String> {
    match value {
        Value::Dims(dims) => Ok(dims.clone()),
        Value::Constant(array) => Ok(arrays::integers(array)?.into_iter().map(Some).collect()),
        other => Err(format!("expected dimensions, found {}", other.kind())),
    }
}

/// Shows dimensions, with `N` for the number of images.
pub(super) fn show(dims: &[Option<i64>]) -> String {
    let dims: Vec<String> = dims.iter().map(|dim| dim.map_or("N".to_owned(), |dim| dim.to_string())).collect();
    format!("[{}]", dims.join(", "))
}

/// Computes the dimensions of activations.
pub(super) fn shape(node: &Node, activations: Activations, shape: Shape) -> Result<Value<'static>, String> {
    node.check_attributes(&[])?;
    let [height, width, channels] = [shape.height, shape.width, shape.channels].map(|side| Some(side as i64));
    Ok(Value::Dims(match activations.order {
        Order::Nchw => vec![None, channels, height, width],
        Order::Nhwc => vec![None, height, width, channels],
        Order::Flat => vec![None, channels],
    }))
}

/// Selects dimensions by their indices.
pub(super) fn gather(node: &Node) -> Result<Value<'static>, String> {
    node.check_attributes(&["axis"])?;
    node.expect_int("axis", 0)?;
    let dims = of(node.input(0)?)?;
    let indices = arrays::integers(node.constant(1)?)?;
    let selected: Option<Dims> =
        indices.into_iter().map(|index| dims.get(position(index, dims.len())).copied()).collect();
    selected.map(Value::Dims).ok_or_else(|| "an index is out of range".to_owned())
}

/// Selects a range of dimensions.
pub(super) fn slice(node: &Node) -> Result<Value<'static>, String> {
    node.check_attributes(&[])?;
    let dims = of(node.input(0)?)?;
    let integers = |index| arrays::integers(node.constant(index)?);
    let is_default = |index, expected: i64| match node.optional_constant(index)? {
        Some(found) => Ok(arrays::integers(found)? == [expected]),
        None => Ok::<bool, String>(true),
    };
    match (&integers(1)?[..], &integers(2)?[..]) {
        (&[start], &[end]) if is_default(3, 0)? && is_default(4, 1)? => {
            let [start, end] = [start, end].map(|index| position(index, dims.len()).min(dims.len()));
            Ok(Value::Dims(dims.get(start..end).unwrap_or_default().to_vec()))
        }
        _ => Err("expected a slice of one axis with a step of 1".to_owned()),
    }
}

/// Concatenates dimensions.
pub(super) fn concat(node: &Node) -> Result<Value<'static>, String> {
    node.check_attributes(&["axis"])?;
    let mut dims = Dims::new();
    for index in 0..node.inputs.len() {
        dims.extend(of(node.input(index)?)?);
        if dims.len() > MAX_DIMS {
            return Err(format!("expected at most {MAX_DIMS} dimensions"));
        }
    }
    Ok(Value::Dims(dims))
}

/// Returns the position of an index that counts from the end if it is negative.
fn position(index: i64, len: usize) -> usize {
    let index = if index < 0 { index.saturating_add(len as i64) } else { index };
    usize::try_from(index).unwrap_or(usize::MAX)
}
