//! Operators between the logits and the outputs of the graph.

use super::activations::{Activations, Order, Output, Value};
use super::arrays;
use super::messages::GraphProto;
use super::network::Network;
use super::node::{Node, shortened};
use crate::model::format::FormatError;
use crate::model::format::source::Source;
use std::collections::HashMap;
use std::ops::RangeInclusive;

/// The scales of logits: the inverses of the temperatures of model files.
const SCALES: RangeInclusive<f32> = 1e-3..=1e3;

impl Network {
    /// Returns the logits, if these are the outputs of the last layer.
    fn as_logits(&self, activations: Activations) -> Result<Output, String> {
        self.check_sequential(activations.version)?;
        match self.logits() {
            Some(_) if activations.order == Order::Flat => {
                Ok(Output { version: self.version, unit: None, scale: 1.0, is_probability: false })
            }
            _ => Err("expected it after the last dense layer".to_owned()),
        }
    }

    /// Returns the first input as logits or probabilities.
    pub(super) fn output_of(&self, node: &Node) -> Result<Output, String> {
        match node.input(0)? {
            Value::Output(output) => Ok(*output),
            Value::Activations(activations) => self.as_logits(*activations),
            other => Err(format!("expected the output of a layer as input 1, found {}", other.kind())),
        }
    }

    pub(super) fn sigmoid(&self, node: &Node) -> Result<Value<'static>, String> {
        node.check_attributes(&[])?;
        let output = logits(self.output_of(node)?)?;
        Ok(Value::Output(Output { is_probability: true, ..output }))
    }

    /// Multiplies logits by a number.
    pub(super) fn scale_logits(&self, node: &Node, factor: f32) -> Result<Value<'static>, String> {
        let output = logits(self.output_of(node)?)?;
        Ok(Value::Output(Output { scale: output.scale * factor, ..output }))
    }

    /// Selects a unit of the last layer.
    pub(super) fn select_unit(&self, node: &Node) -> Result<Value<'static>, String> {
        node.check_attributes(&["axis"])?;
        let output = self.output_of(node)?;
        let units = self.logits().unwrap_or(0) as i64;
        let is_second_axis = matches!(node.int("axis", 0), 1 | -1);
        match arrays::integers(node.constant(1)?)?[..] {
            [unit] if is_second_axis && output.unit.is_none() && (-units..units).contains(&unit) => {
                Ok(Value::Output(Output { unit: Some(unit.rem_euclid(units)), ..output }))
            }
            _ => Err("expected the index of a unit of the last layer on the axis 1".to_owned()),
        }
    }

    /// Changes the dimensions of an output with one value per image.
    pub(super) fn reshape_output(&self, output: Output) -> Result<Value<'static>, String> {
        if output.unit.is_none() && self.logits() != Some(1) {
            return Err("expected an output with one value per image".to_owned());
        }
        Ok(Value::Output(output))
    }
}

/// Checks that an output is not a probability yet.
fn logits(output: Output) -> Result<Output, String> {
    if output.is_probability { Err("expected logits, found probabilities".to_owned()) } else { Ok(output) }
}

/// Returns the factor of the logit of the class, after checking all outputs of the graph.
pub(super) fn logit_scale(
    graph: &GraphProto,
    values: &HashMap<&str, Value>,
    network: &Network,
    source: Source,
) -> Result<f32, FormatError> {
    let mut scales = [None; 2];
    for declared in &graph.output {
        let unsupported =
            |reason: &str| Err(source.unsupported(format_args!("output `{}`", shortened(&declared.name)), reason));
        let output = match values.get(declared.name.as_str()) {
            Some(Value::Output(output)) if output.is_probability && output.version == network.version => output,
            _ => return unsupported("expected a Sigmoid after the last dense layer"),
        };
        let units = match (output.unit, network.logits()) {
            (Some(unit), _) => unit as usize..unit as usize + 1,
            (None, Some(units @ 1..=2)) => 0..units,
            (None, _) => return unsupported("expected one or two probabilities"),
        };
        let Some(found) = scales.get_mut(units) else { return unsupported("expected one or two probabilities") };
        found.fill(Some(output.scale));
    }
    match scales {
        [Some(scale), None | Some(1.0)] if SCALES.contains(&scale.abs()) => Ok(scale),
        [None, _] => Err(source.unsupported("output", "expected the probability of a class")),
        _ => Err(source.unsupported(
            "output",
            "expected the logit of the class multiplied by 0.001 to 1000, and that of a red cell by 1",
        )),
    }
}
