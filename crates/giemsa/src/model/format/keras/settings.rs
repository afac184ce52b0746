//! One layer in the configuration of a Keras model.

use super::super::FormatError;
use super::super::source::Source;
use crate::nn::{Activation, Shape};
use serde_json::Value;

/// A layer: its class, its name and its settings.
pub(super) struct Layer<'a> {
    pub(super) class: &'a str,
    pub(super) name: &'a str,
    settings: &'a Value,
    source: Source<'a>,
}

impl<'a> Layer<'a> {
    /// Reads the class and the name.
    pub(super) fn new(layer: &'a Value, source: Source<'a>) -> Result<Layer<'a>, FormatError> {
        let text = |value: &'a Value, key: &str| {
            value[key].as_str().ok_or_else(|| source.malformed(format!("a layer without `{key}`")))
        };
        let settings = &layer["config"];
        Ok(Layer { class: text(layer, "class_name")?, name: text(settings, "name")?, settings, source })
    }

    /// The layer has no equivalent here.
    pub(super) fn unsupported(&self, reason: impl ToString) -> FormatError {
        self.source.unsupported(format!("layer `{}` ({})", self.name, self.class), reason)
    }

    /// Checks that a setting is one of some values. A setting that is missing is null.
    pub(super) fn require(&self, key: &str, allowed: &[Value]) -> Result<(), FormatError> {
        let found = &self.settings[key];
        if allowed.contains(found) {
            return Ok(());
        }
        let expected = allowed.first().unwrap_or(&Value::Null);
        Err(self.unsupported(format!("expected `{key}` to be {expected}, found {}", shortened(found))))
    }

    /// Checks that the last dimension are the channels.
    pub(super) fn require_channels_last(&self) -> Result<(), FormatError> {
        self.require("data_format", &["channels_last".into(), Value::Null])
    }

    /// Returns a setting that is a count.
    pub(super) fn count(&self, key: &str) -> Result<usize, FormatError> {
        let count = self.settings[key].as_u64().and_then(|count| usize::try_from(count).ok());
        count.ok_or_else(|| self.wrong_type(key, "a count"))
    }

    /// Returns a setting that is a number.
    pub(super) fn number(&self, key: &str) -> Result<f64, FormatError> {
        self.settings[key].as_f64().ok_or_else(|| self.wrong_type(key, "a number"))
    }

    /// Returns a setting that is true or false, and true if it is missing.
    pub(super) fn is_enabled(&self, key: &str) -> Result<bool, FormatError> {
        match &self.settings[key] {
            Value::Null => Ok(true),
            value => value.as_bool().ok_or_else(|| self.wrong_type(key, "true or false")),
        }
    }

    /// Returns the side of a square kernel.
    pub(super) fn square(&self, key: &str) -> Result<usize, FormatError> {
        let sides = self.settings[key].as_array().map(Vec::as_slice);
        let Some([Value::Number(height), Value::Number(width)]) = sides else {
            return Err(self.wrong_type(key, "two numbers"));
        };
        let side = height.as_u64().filter(|_| height == width).and_then(|side| usize::try_from(side).ok());
        side.ok_or_else(|| self.unsupported(format!("expected a square `{key}`, found {height}x{width}")))
    }

    /// Returns the activation function; the identity if there is none.
    pub(super) fn activation(&self) -> Result<Activation, FormatError> {
        match &self.settings["activation"] {
            Value::Null => Ok(Activation::Linear),
            Value::String(name) if name == "linear" => Ok(Activation::Linear),
            Value::String(name) if name == "relu" => Ok(Activation::Relu),
            Value::String(name) if name == "sigmoid" => Ok(Activation::Sigmoid),
            other => {
                let expected = "expected the activation \"linear\", \"relu\" or \"sigmoid\"";
                Err(self.unsupported(format!("{expected}, found {}", shortened(other))))
            }
        }
    }

    /// Returns the shape of the input of the model, if this layer has it.
    pub(super) fn input_shape(&self) -> Result<Option<Shape>, FormatError> {
        let shapes = ["batch_shape", "batch_input_shape"].map(|key| &self.settings[key]);
        let Some(found) = shapes.into_iter().find(|shape| !shape.is_null()) else { return Ok(None) };
        let shape = shape(found);
        let expected = "expected an input of [null, height, width, channels]";
        shape.map(Some).ok_or_else(|| self.unsupported(format!("{expected}, found {}", shortened(found))))
    }

    fn wrong_type(&self, key: &str, expected: &str) -> FormatError {
        self.unsupported(format!("expected `{key}` to be {expected}, found {}", shortened(&self.settings[key])))
    }
}

/// Returns the shape without the batch dimension; `None` if it is not that of images of one size.
pub(super) fn shape(batch_shape: &Value) -> Option<Shape> {
    let [_, height, width, channels] = batch_shape.as_array()?.as_slice() else { return None };
    let [height, width, channels] = [height, width, channels].map(|n| usize::try_from(n.as_u64()?).ok());
    Some(Shape { height: height?, width: width?, channels: channels? })
}

/// Returns the start of a value as JSON, for errors.
fn shortened(value: &Value) -> String {
    match value {
        Value::Array(values) if values.len() > 8 => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) if text.chars().count() > 64 => {
            format!("{:?}…", text.chars().take(64).collect::<String>())
        }
        other => other.to_string(),
    }
}
