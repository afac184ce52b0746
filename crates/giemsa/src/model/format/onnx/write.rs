//! Writes an ONNX graph, from the bytes of preprocessed images to probabilities.

use super::messages::{
    AttributeProto, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TensorType, TypeProto, ValueInfoProto, attribute_type, data_type,
};
use super::{INPUT, OUTPUTS};
use crate::RESEARCH_ONLY;
use crate::model::Model;
use crate::model::container::Metadata;
use crate::model::format::batch_norm::EPSILON;
use crate::model::format::layout;
use crate::nn::{Activation, LayerSpec, Shape, Tensor, architecture};
use prost::Message;
use std::io;

/// Readers of 2022 and later take these versions.
const IR_VERSION: i64 = 8;
const OPSET: i64 = 17;

/// The name of the number of images, which is not fixed.
const BATCH: &str = "N";

/// Returns the content of an ONNX file.
pub(in super::super) fn write(model: &Model, metadata: &Metadata) -> io::Result<Vec<u8>> {
    let entry = |(key, value): (&String, &String)| StringStringEntryProto { key: key.clone(), value: value.clone() };
    let header = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "giemsa".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        doc_string: documentation(model),
        graph: None,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: metadata.iter().map(entry).collect(),
    };
    // The fields of a message can be in any order. With the graph at the end, every truncated file is invalid.
    let mut bytes = header.encode_to_vec();
    bytes.extend(ModelProto { graph: Some(graph(model)?), ..ModelProto::default() }.encode_to_vec());
    Ok(bytes)
}

/// Describes the input and the outputs.
fn documentation(model: &Model) -> String {
    let Shape { height, width, .. } = model.network.input();
    let red_cell = if model.network.outputs() > 1 {
        format!(" Output `{}`, float [{BATCH}]: the probability that an image shows a single red cell.", OUTPUTS[1])
    } else {
        String::new()
    };
    format!(
        "Classifies images of single red blood cells as malaria-parasitized or uninfected. \
         Input `{INPUT}`, uint8 [{BATCH}, {height}, {width}, 3]: RGB images, resized as `input` in the recipe describes. \
         Output `{}`, float [{BATCH}]: the probability of Parasitized.{red_cell} \
         The metadata contain the recipe, the classes and the decision threshold. {RESEARCH_ONLY}",
        OUTPUTS[0]
    )
}

fn graph(model: &Model) -> io::Result<GraphProto> {
    let network = &model.network;
    let mut graph = Graph::new(network.input());
    let mut weights = network.weights().into_iter();
    let rows = network.summary();
    let mut rows = rows.iter().map(|row| row.name.as_str());
    let shapes = architecture::shapes(network.input(), network.layers()).map_err(io::Error::other)?;
    for (spec, shape) in network.layers().iter().zip(shapes) {
        graph.layer(spec, &mut rows, &mut weights)?;
        graph.shape = shape;
    }
    let outputs = &OUTPUTS[..network.outputs()];
    for (index, output) in outputs.iter().enumerate() {
        graph.probability(index as i64, output, model.temperature);
    }
    let Shape { height, width, channels } = network.input();
    let sides = [height, width, channels].map(|side| Dimension { dim_value: Some(side as i64), dim_param: None });
    Ok(GraphProto {
        node: graph.nodes,
        name: model.recipe.name.clone(),
        initializer: graph.arrays,
        input: vec![declaration(INPUT, data_type::UINT8, &sides)],
        output: outputs.iter().map(|output| declaration(output, data_type::FLOAT, &[])).collect(),
    })
}

/// Returns the declaration of an array whose first dimension is the number of images.
fn declaration(name: &str, elem_type: i32, sides: &[Dimension]) -> ValueInfoProto {
    let mut dim = vec![Dimension { dim_value: None, dim_param: Some(BATCH.to_owned()) }];
    dim.extend_from_slice(sides);
    let tensor_type = TensorType { elem_type, shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor_type) }) }
}

/// The nodes and arrays so far.
struct Graph {
    nodes: Vec<NodeProto>,
    arrays: Vec<TensorProto>,
    /// The name of the last output.
    last: String,
    /// The shape of the last output for one image.
    shape: Shape,
    /// Whether the last output is `[N, C]` instead of `[N, C, H, W]`.
    is_flat: bool,
}

impl Graph {
    /// Converts the bytes of NHWC images to numbers in 0..=1, NCHW.
    fn new(input: Shape) -> Graph {
        let last = INPUT.to_owned();
        let mut graph = Graph { nodes: Vec::new(), arrays: Vec::new(), last, shape: input, is_flat: false };
        graph.node("Cast", "to_float", &[], vec![int("to", i64::from(data_type::FLOAT))]);
        graph.floats("byte_maximum", &[], &[255.0]);
        graph.node("Div", "to_unit_range", &["byte_maximum"], vec![]);
        graph.node("Transpose", "to_nchw", &[], vec![ints("perm", &[0, 3, 1, 2])]);
        graph
    }

    /// Adds a node with the last output as first input, and with an output of the same name.
    fn node(&mut self, op: &str, name: &str, arrays: &[&str], attributes: Vec<AttributeProto>) {
        let inputs = std::iter::once(self.last.as_str()).chain(arrays.iter().copied());
        self.nodes.push(NodeProto {
            input: inputs.map(str::to_owned).collect(),
            output: vec![name.to_owned()],
            name: name.to_owned(),
            op_type: op.to_owned(),
            attribute: attributes,
            domain: String::new(),
        });
        self.last = name.to_owned();
    }

    fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) {
        let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.array(name, dims, data_type::FLOAT, raw_data);
    }

    fn integers(&mut self, name: &str, dims: &[usize], values: &[i64]) {
        let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.array(name, dims, data_type::INT64, raw_data);
    }

    fn array(&mut self, name: &str, dims: &[usize], data_type: i32, raw_data: Vec<u8>) {
        let dims = dims.iter().map(|&dim| dim as i64).collect();
        self.arrays.push(TensorProto { dims, data_type, name: name.to_owned(), raw_data, ..TensorProto::default() });
    }

    /// Adds a layer. `rows` are the names of the layer table, `weights` those of the network from this layer on.
    fn layer<'a>(
        &mut self,
        spec: &LayerSpec,
        rows: &mut impl Iterator<Item = &'a str>,
        weights: &mut impl Iterator<Item = Tensor>,
    ) -> io::Result<()> {
        let name = rows.next().unwrap_or_default();
        match *spec {
            LayerSpec::Conv2d { kernel, batch_norm, activation, .. } => {
                self.convolution(name, kernel, !batch_norm, weights)?;
                if batch_norm {
                    self.batch_norm(rows.next().unwrap_or_default(), weights)?;
                }
                self.activation(name, activation);
            }
            LayerSpec::MaxPooling2d {} => {
                let attributes = vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
                self.node("MaxPool", name, &[], attributes);
            }
            // A flat output is the mean of its one pixel.
            LayerSpec::GlobalAveragePooling2d {} if self.is_flat => {}
            LayerSpec::GlobalAveragePooling2d {} => self.node("GlobalAveragePool", name, &[], vec![]),
            LayerSpec::Dropout { .. } => {}
            LayerSpec::Flatten {} => self.flatten(name),
            LayerSpec::Dense { activation, .. } => {
                self.flatten(&format!("{name}.flatten"));
                let [kernel, bias] = [next(weights)?, next(weights)?];
                self.floats(&kernel.name, &kernel.shape, &kernel.values);
                self.floats(&bias.name, &bias.shape, &bias.values);
                self.node("Gemm", name, &[&kernel.name, &bias.name], vec![]);
                self.activation(name, activation);
            }
        }
        Ok(())
    }

    fn convolution(
        &mut self,
        name: &str,
        side: usize,
        has_bias: bool,
        weights: &mut impl Iterator<Item = Tensor>,
    ) -> io::Result<()> {
        if self.is_flat {
            let shape = format!("{name}.input_shape");
            self.integers(&shape, &[4], &[-1, self.shape.channels as i64, 1, 1]);
            self.node("Reshape", &format!("{name}.reshape"), &[&shape], vec![]);
            self.is_flat = false;
        }
        let kernel = next(weights)?;
        let hwio: [usize; 4] = kernel.shape.as_slice().try_into().map_err(io::Error::other)?;
        let [height, width, inputs, outputs] = hwio;
        self.floats(&kernel.name, &[outputs, inputs, height, width], &layout::hwio_to_oihw(&kernel.values, hwio));
        let mut arrays = vec![kernel.name];
        if has_bias {
            let bias = next(weights)?;
            self.floats(&bias.name, &bias.shape, &bias.values);
            arrays.push(bias.name);
        }
        let arrays: Vec<&str> = arrays.iter().map(String::as_str).collect();
        let side = side as i64;
        let [before, after] = [(side - 1) / 2, side / 2];
        let attributes = vec![ints("kernel_shape", &[side, side]), ints("pads", &[before, before, after, after])];
        self.node("Conv", name, &arrays, attributes);
        Ok(())
    }

    fn batch_norm(&mut self, name: &str, weights: &mut impl Iterator<Item = Tensor>) -> io::Result<()> {
        let mut names = Vec::new();
        for _ in 0..4 {
            let Tensor { name, shape, values } = next(weights)?;
            self.floats(&name, &shape, &values);
            names.push(name);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.node("BatchNormalization", name, &names, vec![float("epsilon", EPSILON)]);
        Ok(())
    }

    /// Adds the activation of the layer. The sigmoid of the last layer is in [`Graph::probability`].
    fn activation(&mut self, layer: &str, activation: Activation) {
        if activation == Activation::Relu {
            self.node("Relu", &format!("{layer}.relu"), &[], vec![]);
        }
    }

    /// Flattens the last output, as NHWC, so that the rows of the next kernel keep their order.
    fn flatten(&mut self, name: &str) {
        if self.is_flat {
            return;
        }
        if self.shape.height * self.shape.width > 1 {
            self.node("Transpose", &format!("{name}.to_nhwc"), &[], vec![ints("perm", &[0, 2, 3, 1])]);
        }
        self.node("Flatten", name, &[], vec![int("axis", 1)]);
        self.is_flat = true;
    }

    /// Computes an output from the logits, which remain the last output: the probability of Parasitized, which is that of the
    /// negative logit, calibrated; or the probability of a red cell.
    fn probability(&mut self, index: i64, output: &str, temperature: f32) {
        let logits = self.last.clone();
        let [unit, logit] = [format!("{output}.unit"), format!("{output}.logit")];
        self.integers(&unit, &[], &[index]);
        self.node("Gather", &logit, &[&unit], vec![int("axis", 1)]);
        if index == 0 {
            self.node("Neg", &format!("{output}.negative"), &[], vec![]);
            self.floats("temperature", &[], &[temperature]);
            self.node("Div", &format!("{output}.calibrated"), &["temperature"], vec![]);
        }
        self.node("Sigmoid", output, &[], vec![]);
        self.last = logits;
    }
}

fn next(weights: &mut impl Iterator<Item = Tensor>) -> io::Result<Tensor> {
    weights.next().ok_or_else(|| io::Error::other("the network has fewer weight arrays than its layers"))
}

fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), i: Some(value), kind: attribute_type::INT, ..AttributeProto::default() }
}

fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { name: name.to_owned(), f: Some(value), kind: attribute_type::FLOAT, ..AttributeProto::default() }
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        ints: values.to_vec(),
        kind: attribute_type::INTS,
        ..AttributeProto::default()
    }
}
