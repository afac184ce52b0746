//! From the configuration of a Keras model to layers of a recipe.

use super::super::FormatError;
use super::super::batch_norm::EPSILON;
use super::super::source::Source;
use super::settings::{self, Layer};
use crate::model::Recipe;
use crate::nn::{Activation, LayerSpec, Shape};
use serde_json::{Value, json};

/// A Keras model without its weights.
pub(super) struct KerasModel {
    pub(super) input: Shape,
    pub(super) layers: Vec<LayerSpec>,
    /// Where the weights are, one entry per convolution and dense layer.
    pub(super) stored: Vec<Stored>,
}

/// The place of the weights of a convolution or a dense layer, with batch normalisation after it.
pub(super) struct Stored {
    /// The convolution or the dense layer.
    pub(super) kernel: Place,
    /// Whether it has a bias.
    pub(super) has_bias: bool,
    /// The batch normalisation.
    pub(super) batch_norm: Option<StoredBatchNorm>,
}

/// The place of the weights of batch normalisation.
pub(super) struct StoredBatchNorm {
    pub(super) place: Place,
    /// Whether it has gamma.
    pub(super) scale: bool,
    /// Whether it has beta.
    pub(super) center: bool,
    pub(super) epsilon: f32,
}

/// The place of the weights of a layer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    /// The name of the layer: that of its group in files of Keras 2.
    pub(super) name: String,
    /// The class and its number: the name of its group in files of Keras 3.
    pub(super) group: String,
}

impl Place {
    /// Returns the place of a layer, if `before` layers of the same class precede it.
    fn new(name: Option<&str>, class: &str, before: usize) -> Place {
        let group = if before == 0 { class.to_owned() } else { format!("{class}_{before}") };
        Place { name: name.unwrap_or(&group).to_owned(), group }
    }
}

impl KerasModel {
    fn new(input: Shape) -> KerasModel {
        KerasModel { input, layers: Vec::new(), stored: Vec::new() }
    }

    /// Returns the model that a recipe is in Keras.
    pub(super) fn of_recipe(recipe: &Recipe) -> KerasModel {
        let mut model = KerasModel::new(recipe.input_shape());
        for layer in &recipe.layers {
            match layer {
                LayerSpec::Conv2d { batch_norm, .. } => {
                    model.push_stored(None, "conv2d", !batch_norm);
                    if *batch_norm {
                        model.push_batch_norm(None, true, true, EPSILON);
                    }
                }
                LayerSpec::Dense { .. } => model.push_stored(None, "dense", true),
                _ => {}
            }
        }
        model.layers.clone_from(&recipe.layers);
        model
    }

    fn push_stored(&mut self, name: Option<&str>, class: &str, has_bias: bool) {
        // No class is a prefix of another.
        let before = self.stored.iter().filter(|stored| stored.kernel.group.starts_with(class)).count();
        self.stored.push(Stored { kernel: Place::new(name, class, before), has_bias, batch_norm: None });
    }

    fn push_batch_norm(&mut self, name: Option<&str>, scale: bool, center: bool, epsilon: f32) {
        let before = self.stored.iter().filter(|stored| stored.batch_norm.is_some()).count();
        let place = Place::new(name, "batch_normalization", before);
        if let Some(last) = self.stored.last_mut() {
            last.batch_norm = Some(StoredBatchNorm { place, scale, center, epsilon });
        }
    }

    /// Adds a layer, which may become a part of the last one.
    fn add(&mut self, layer: &Layer) -> Result<(), FormatError> {
        match layer.class {
            "InputLayer" => {}
            "Rescaling" => self.check_rescaling(layer)?,
            "Conv2D" => self.add_conv2d(layer)?,
            "BatchNormalization" => self.add_batch_norm(layer)?,
            "Activation" => self.add_activation(layer, layer.activation()?)?,
            "ReLU" => {
                layer.require("max_value", &[Value::Null])?;
                layer.require("negative_slope", &[json!(0.0), json!(0), Value::Null])?;
                layer.require("threshold", &[json!(0.0), json!(0), Value::Null])?;
                self.add_activation(layer, Activation::Relu)?;
            }
            "MaxPooling2D" => {
                layer.require("pool_size", &[json!([2, 2])])?;
                layer.require("strides", &[json!([2, 2]), Value::Null])?;
                layer.require("padding", &[json!("valid"), Value::Null])?;
                layer.require_channels_last()?;
                self.layers.push(LayerSpec::MaxPooling2d {});
            }
            "GlobalAveragePooling2D" => {
                layer.require("keepdims", &[json!(false), Value::Null])?;
                layer.require_channels_last()?;
                self.layers.push(LayerSpec::GlobalAveragePooling2d {});
            }
            "Dropout" => {
                layer.require("noise_shape", &[Value::Null])?;
                self.layers.push(LayerSpec::Dropout { rate: layer.number("rate")? as f32 });
            }
            "Flatten" => {
                layer.require_channels_last()?;
                self.layers.push(LayerSpec::Flatten {});
            }
            "Dense" => {
                self.push_stored(Some(layer.name), "dense", layer.is_enabled("use_bias")?);
                let units = layer.count("units")?;
                self.layers.push(LayerSpec::Dense { units, activation: layer.activation()? });
            }
            _ => return Err(layer.unsupported("this class of layers does not exist here")),
        }
        Ok(())
    }

    /// Checks that a layer scales bytes as the preprocessing does, which precedes the first layer.
    fn check_rescaling(&self, layer: &Layer) -> Result<(), FormatError> {
        if !self.layers.is_empty() {
            return Err(layer.unsupported("expected it before all other layers"));
        }
        let scale = layer.number("scale")?;
        if (scale * 255.0 - 1.0).abs() > 1e-6 {
            return Err(layer.unsupported(format!("expected `scale` to be 1 / 255, found {scale}")));
        }
        layer.require("offset", &[json!(0.0), json!(0), Value::Null])
    }

    fn add_conv2d(&mut self, layer: &Layer) -> Result<(), FormatError> {
        let kernel = layer.square("kernel_size")?;
        let same_as_valid = json!(if kernel == 1 { "valid" } else { "same" });
        layer.require("padding", &[json!("same"), same_as_valid])?;
        layer.require("strides", &[json!([1, 1]), Value::Null])?;
        layer.require("dilation_rate", &[json!([1, 1]), Value::Null])?;
        layer.require("groups", &[json!(1), Value::Null])?;
        layer.require_channels_last()?;
        self.push_stored(Some(layer.name), "conv2d", layer.is_enabled("use_bias")?);
        let (filters, activation) = (layer.count("filters")?, layer.activation()?);
        self.layers.push(LayerSpec::Conv2d { filters, kernel, batch_norm: false, activation });
        Ok(())
    }

    /// Makes batch normalisation a part of the convolution before it.
    fn add_batch_norm(&mut self, layer: &Layer) -> Result<(), FormatError> {
        layer.require("axis", &[json!(-1), json!(3), json!([3]), json!([-1]), Value::Null])?;
        layer.require("renorm", &[json!(false), Value::Null])?;
        match self.layers.last_mut() {
            Some(LayerSpec::Conv2d { batch_norm: batch_norm @ false, activation: Activation::Linear, .. }) => {
                *batch_norm = true;
            }
            _ => return Err(layer.unsupported("expected it right after a convolution without an activation")),
        }
        let (scale, center) = (layer.is_enabled("scale")?, layer.is_enabled("center")?);
        let epsilon = layer.number("epsilon")? as f32;
        self.push_batch_norm(Some(layer.name), scale, center, epsilon);
        Ok(())
    }

    /// Makes an activation a part of the convolution or the dense layer before it.
    fn add_activation(&mut self, layer: &Layer, function: Activation) -> Result<(), FormatError> {
        match self.layers.last_mut() {
            Some(LayerSpec::Conv2d { activation: activation @ Activation::Linear, .. })
            | Some(LayerSpec::Dense { activation: activation @ Activation::Linear, .. }) => {
                *activation = function;
                Ok(())
            }
            _ => Err(layer.unsupported("expected it after a convolution or a dense layer without an activation")),
        }
    }
}

/// Reads the configuration of a model: `config.json` of Keras 3, or `model_config` of Keras 2.
///
/// # Errors
/// [`FormatError::Malformed`] if it is not JSON, or has no layers; [`FormatError::Unsupported`] with the first layer that does
/// not exist here.
pub(super) fn parse(config: &str, source: Source) -> Result<KerasModel, FormatError> {
    let config: Value = serde_json::from_str(config).map_err(|e| source.malformed(format!("configuration: {e}")))?;
    let class = config["class_name"].as_str().unwrap_or_default();
    if !["Sequential", "Functional", "Model"].contains(&class) {
        return Err(source.unsupported(format!("model ({class:?})"), "expected a `Sequential` or a `Functional` model"));
    }
    let Some(values) = config["config"]["layers"].as_array() else {
        return Err(source.malformed("configuration: no list of layers"));
    };
    let layers = values.iter().map(|layer| Layer::new(layer, source)).collect::<Result<Vec<_>, _>>()?;
    if class != "Sequential" {
        check_chain(values, &layers)?;
    }
    let input = match layers.first().map(Layer::input_shape).transpose()?.flatten() {
        Some(shape) => shape,
        None => settings::shape(&config["config"]["build_input_shape"])
            .ok_or_else(|| source.malformed("configuration: no shape of the input"))?,
    };
    let mut model = KerasModel::new(input);
    layers.iter().try_for_each(|layer| model.add(layer))?;
    Ok(model)
}

/// Checks that the input of each layer of a functional model is the output of the layer before it.
fn check_chain(values: &[Value], layers: &[Layer]) -> Result<(), FormatError> {
    let mut before: Vec<&str> = Vec::new();
    for (value, layer) in values.iter().zip(layers) {
        let mut inputs = Vec::new();
        collect_inputs(&value["inbound_nodes"], &mut inputs);
        if inputs != before {
            let [expected, found] = [&before, &inputs].map(|names| names.join(", "));
            let reason = format!("expected a chain of layers: the input `{expected}`, found `{found}`");
            return Err(layer.unsupported(reason));
        }
        before = vec![layer.name];
    }
    Ok(())
}

/// Collects the names of the layers that the nodes of a layer refer to.
fn collect_inputs<'a>(nodes: &'a Value, names: &mut Vec<&'a str>) {
    match nodes {
        // Keras 2: [name, index of the node, index of the tensor, arguments].
        Value::Array(values) if matches!(values[..], [Value::String(_), Value::Number(_), ..]) => {
            names.extend(values[0].as_str());
        }
        Value::Array(values) => values.iter().for_each(|value| collect_inputs(value, names)),
        // Keras 3: a tensor with its history, which is the same triple.
        Value::Object(object) => object.values().for_each(|value| collect_inputs(value, names)),
        _ => {}
    }
}
