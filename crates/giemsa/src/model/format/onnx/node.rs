//! A node, with its inputs and attributes.

use super::activations::{Activations, Value};
use super::arrays;
use super::messages::{AttributeProto, NodeProto, TensorProto};

/// The most characters of a name in an error.
const MAX_NAME: usize = 60;

/// A node with the values of its inputs. The errors of its methods are reasons, to which a reader adds the [`label`].
pub(super) struct Node<'a> {
    pub(super) proto: &'a NodeProto,
    /// `None` for an input that is left out.
    pub(super) inputs: Vec<Option<Value<'a>>>,
}

/// Shortens a name for an error.
pub(super) fn shortened(name: &str) -> String {
    match name.char_indices().nth(MAX_NAME) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// Returns the name of a node, or of its output if it has none, and its operator.
pub(super) fn label(node: &NodeProto) -> String {
    let operator = match node.domain.as_str() {
        "" | "ai.onnx" => node.op_type.clone(),
        domain => format!("{domain}.{}", node.op_type),
    };
    let operator = shortened(&operator);
    match (node.name.as_str(), node.output.first()) {
        ("", Some(output)) => format!("node with the output `{}` ({operator})", shortened(output)),
        (name, _) => format!("node `{}` ({operator})", shortened(name)),
    }
}

impl<'a> Node<'a> {
    /// Returns an input, if it is there.
    pub(super) fn optional(&self, index: usize) -> Option<&Value<'a>> {
        self.inputs.get(index).and_then(Option::as_ref)
    }

    /// Returns an input.
    pub(super) fn input(&self, index: usize) -> Result<&Value<'a>, String> {
        self.optional(index).ok_or_else(|| format!("expected an input {}", index + 1))
    }

    /// Returns a constant input, if it is there.
    pub(super) fn optional_constant(&self, index: usize) -> Result<Option<&'a TensorProto>, String> {
        self.optional(index).map(|_| self.constant(index)).transpose()
    }

    /// Returns a constant input.
    pub(super) fn constant(&self, index: usize) -> Result<&'a TensorProto, String> {
        match self.input(index)? {
            Value::Constant(array) => Ok(array),
            other => Err(format!("expected a constant as input {}, found {}", index + 1, other.kind())),
        }
    }

    /// Returns a constant input that is one number.
    pub(super) fn number(&self, index: usize) -> Result<f32, String> {
        match self.input(index)? {
            Value::Number(number) => Ok(*number),
            _ => arrays::float(self.constant(index)?),
        }
    }

    /// Returns the first input, which must be the output of a layer.
    pub(super) fn activations(&self) -> Result<Activations, String> {
        match self.input(0)? {
            Value::Activations(activations) => Ok(*activations),
            other => Err(format!("expected the output of a layer as input 1, found {}", other.kind())),
        }
    }

    /// Checks that there are no attributes but these.
    pub(super) fn check_attributes(&self, known: &[&str]) -> Result<(), String> {
        let unknown = self.proto.attribute.iter().find(|attribute| !known.contains(&attribute.name.as_str()));
        unknown.map_or(Ok(()), |attribute| Err(format!("unknown attribute `{}`", shortened(&attribute.name))))
    }

    /// Returns an attribute, if it is there.
    pub(super) fn attribute(&self, name: &str) -> Option<&'a AttributeProto> {
        self.proto.attribute.iter().find(|attribute| attribute.name == name)
    }

    /// Returns an attribute that is an integer.
    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.i.unwrap_or(0))
    }

    /// Returns an attribute that is a number.
    pub(super) fn float(&self, name: &str, default: f32) -> f32 {
        self.attribute(name).map_or(default, |attribute| attribute.f.unwrap_or(0.0))
    }

    /// Returns an attribute that is a text.
    pub(super) fn text(&self, name: &str, default: &'static str) -> &'a [u8] {
        self.attribute(name).map_or(default.as_bytes(), |attribute| attribute.s.as_deref().unwrap_or_default())
    }

    /// Checks an attribute that is an integer; a missing attribute has this value.
    pub(super) fn expect_int(&self, name: &str, expected: i64) -> Result<(), String> {
        let found = self.int(name, expected);
        if found == expected { Ok(()) } else { Err(format!("expected `{name}` {expected}, found {found}")) }
    }

    /// Checks an attribute that is a number; a missing attribute has this value.
    pub(super) fn expect_float(&self, name: &str, expected: f32) -> Result<(), String> {
        let found = self.float(name, expected);
        if found == expected { Ok(()) } else { Err(format!("expected `{name}` {expected}, found {found}")) }
    }

    /// Checks an attribute that is a list of integers; a missing attribute has this value.
    pub(super) fn expect_ints(&self, name: &str, expected: &[i64]) -> Result<(), String> {
        match self.attribute(name) {
            Some(attribute) if attribute.ints != expected => Err(format!(
                "expected `{name}` {expected:?}, found {:?}",
                &attribute.ints[..attribute.ints.len().min(8)]
            )),
            _ => Ok(()),
        }
    }
}
