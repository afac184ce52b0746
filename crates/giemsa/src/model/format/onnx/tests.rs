//! Graphs that are changed message by message.

use super::messages::{AttributeProto, GraphProto, ModelProto, NodeProto, StringStringEntryProto, TensorProto};
use crate::classes::Class;
use crate::model::format::{Format, FormatError, ImportSettings, import_bytes};
use crate::model::{Model, Recipe};
use crate::nn::Network;
use prost::Message;
use std::path::Path;

const RECIPE: &str = "
    name = 'small'
    layers = [
        { kind = 'conv2d', filters = 4, kernel = 2, batch_norm = true, activation = 'relu' },
        { kind = 'max_pooling2d' },
        { kind = 'conv2d', filters = 4, kernel = 3, activation = 'relu' },
        { kind = 'flatten' },
        { kind = 'dense', units = 3, activation = 'relu' },
        { kind = 'dense', units = 1, activation = 'sigmoid' },
    ]
    input = { side_px = 6, resize = 'fit' }
    training = { epochs = 1, batch_size = 1, learning_rate = 0.01 }
";

fn model() -> Model {
    let recipe = Recipe::parse(RECIPE, "test").unwrap();
    let network = Network::new(recipe.input_shape(), &recipe.layers, 5).unwrap();
    Model { temperature: 2.0, ..Model::new(recipe, network) }
}

fn written(model: &Model) -> ModelProto {
    let bytes = super::write(model, &model.metadata(Path::new("x")).unwrap()).unwrap();
    assert!(super::is_onnx(&bytes));
    ModelProto::decode(bytes.as_slice()).unwrap()
}

fn import(file: &ModelProto) -> Result<Model, FormatError> {
    import_bytes(&file.encode_to_vec(), Path::new("x"), Some(Format::Onnx), &ImportSettings::default())
}

/// The error after a change of the file.
fn error(change: impl FnOnce(&mut ModelProto)) -> String {
    let mut file = written(&model());
    change(&mut file);
    import(&file).expect_err("an error").to_string()
}

/// The error after a change of the graph.
fn graph_error(change: impl FnOnce(&mut GraphProto)) -> String {
    error(|file| change(file.graph.as_mut().unwrap()))
}

/// The error after a change of a node.
fn node_error(name: &str, change: impl FnOnce(&mut NodeProto)) -> String {
    graph_error(|graph| change(graph.node.iter_mut().find(|node| node.name == name).unwrap()))
}

fn set_ints(node: &mut NodeProto, name: &str, ints: &[i64]) {
    node.attribute.retain(|attribute| attribute.name != name);
    node.attribute.push(AttributeProto { name: name.into(), ints: ints.into(), ..Default::default() });
}

fn set_int(node: &mut NodeProto, name: &str, value: i64) {
    node.attribute.retain(|attribute| attribute.name != name);
    node.attribute.push(AttributeProto { name: name.into(), i: Some(value), ..Default::default() });
}

fn array<'a>(graph: &'a mut GraphProto, name: &str) -> &'a mut TensorProto {
    graph.initializer.iter_mut().find(|array| array.name == name).unwrap()
}

#[test]
fn without_the_metadata_of_this_program_the_graph_is_enough() {
    let model = model();
    let mut file = written(&model);
    file.metadata_props.clear();
    let settings = ImportSettings { probability_of: Class::Parasitized, ..ImportSettings::default() };
    let read = import_bytes(&file.encode_to_vec(), Path::new("x"), Some(Format::Onnx), &settings).unwrap();
    assert_eq!((read.temperature, read.recipe.name.as_str()), (2.0, "imported"));
    assert_eq!(read.recipe.layers, model.recipe.layers);
    assert_eq!(read.network.weights(), model.network.weights());
}

#[test]
fn an_unsupported_node_is_an_error_that_names_it_and_its_operator() {
    let message = node_error("conv2d_1", |node| node.op_type = "ConvTranspose".into());
    assert_eq!(message, "x: unsupported node `conv2d_1` (ConvTranspose): there is no such layer in a recipe");
    let message = node_error("conv2d", |node| node.domain = "com.microsoft".into());
    assert_eq!(message, "x: unsupported node `conv2d` (com.microsoft.Conv): expected a standard operator");
    let message = node_error("max_pooling2d", |node| (node.op_type, node.name) = ("LpPool".into(), String::new()));
    assert!(message.starts_with("x: unsupported node with the output `max_pooling2d` (LpPool)"), "{message}");
}

#[test]
fn unsupported_settings_are_errors() {
    type Change = fn(&mut NodeProto);
    let cases: [(&str, Change, &str); 14] = [
        ("conv2d", |node| set_ints(node, "strides", &[2, 2]), "expected `strides` [1, 1], found [2, 2]"),
        ("conv2d", |node| set_ints(node, "dilations", &[2, 1]), "expected `dilations` [1, 1], found [2, 1]"),
        ("conv2d", |node| set_int(node, "group", 3), "expected `group` 1, found 3"),
        ("conv2d", |node| set_ints(node, "pads", &[0; 4]), "expected `pads` [0, 0, 1, 1], as the size is kept, found"),
        ("conv2d", |node| set_ints(node, "pads", &[1, 1, 0, 0]), "expected `pads` [0, 0, 1, 1]"),
        ("conv2d", |node| set_int(node, "colour", 1), "unknown attribute `colour`"),
        ("batch_normalization", |node| set_int(node, "training_mode", 1), "expected `training_mode` 0, found 1"),
        (
            "max_pooling2d",
            |node| set_ints(node, "kernel_shape", &[3, 3]),
            "expected `kernel_shape` [2, 2], found [3, 3]",
        ),
        ("max_pooling2d", |node| set_int(node, "ceil_mode", 1), ""),
        ("max_pooling2d", |node| node.attribute.clear(), "expected a pool of 2x2 pixels with strides of 2"),
        ("to_nchw", |node| set_ints(node, "perm", &[0, 3, 2, 1]), "expected a conversion between NHWC and NCHW"),
        ("to_float", |node| set_int(node, "to", 11), "found one to the ONNX data type 11"),
        ("dense", |node| set_int(node, "transA", 1), "expected `transA` 0, found 1"),
        ("dense", |node| set_int(node, "transB", 1), "expected a kernel for 36 inputs, found the shape [36, 3]"),
    ];
    for (name, change, expected) in cases {
        if expected.is_empty() {
            // An even size has no last row or column to keep.
            let mut file = written(&model());
            change(file.graph.as_mut().unwrap().node.iter_mut().find(|node| node.name == name).unwrap());
            assert!(import(&file).is_ok());
            continue;
        }
        let message = node_error(name, change);
        assert!(message.starts_with(&format!("x: unsupported node `{name}` (")), "{message}");
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn images_must_be_divided_by_255() {
    let message = graph_error(|graph| array(graph, "byte_maximum").raw_data = 256_f32.to_le_bytes().to_vec());
    assert!(message.contains("node `to_unit_range` (Div): expected one division of the images by 255"), "{message}");
    let message =
        node_error("to_unit_range", |node| (node.op_type, node.input) = ("Identity".into(), vec!["to_float".into()]));
    assert!(message.contains("expected a division of the images by 255 before the first layer"), "{message}");
}

#[test]
fn graphs_with_branches_are_errors() {
    let message = node_error("conv2d_1", |node| node.input[0] = "conv2d.relu".into());
    assert!(message.contains("node `conv2d_1` (Conv): expected a sequential graph"), "{message}");
    let message = node_error("dense.relu", |node| (node.op_type, node.input) = ("Add".into(), vec!["dense".into(); 2]));
    assert!(message.contains("expected a constant as input 2, found the output of a layer"), "{message}");
    let message = node_error("conv2d_1", |node| node.input[0] = "nothing".into());
    assert!(message.contains("no value `nothing`"), "{message}");
}

#[test]
fn arrays_that_do_not_fit_their_dimensions_are_errors() {
    let message = graph_error(|graph| array(graph, "conv2d.kernel").dims = vec![4, 3, 2, i64::MAX]);
    assert!(message.contains("node `conv2d` (Conv)"), "{message}");
    let message = graph_error(|graph| array(graph, "dense.kernel").dims = vec![36, 1 << 40]);
    assert!(message.contains("node `dense` (Gemm): too many nodes share this array"), "{message}");
    let message = graph_error(|graph| array(graph, "dense.kernel").dims = vec![36, -1]);
    assert!(message.contains("expected dimensions that are not negative"), "{message}");
    let message = graph_error(|graph| {
        let kernel = array(graph, "conv2d.kernel");
        (kernel.dims, kernel.raw_data) = (vec![1 << 60, 3, 0, 0], Vec::new());
        graph.node.iter_mut().for_each(|node| node.attribute.retain(|attribute| attribute.name != "kernel_shape"));
        let conv = graph.node.iter_mut().find(|node| node.name == "conv2d").unwrap();
        set_ints(conv, "pads", &[0; 4]);
    });
    assert!(message.ends_with("node `conv2d` (Conv): expected an array with values"), "{message}");
    let message = graph_error(|graph| array(graph, "dense.bias").data_type = 11);
    assert!(message.contains("expected an array of 32-bit floats, found the ONNX data type 11"), "{message}");
    let message = graph_error(|graph| array(graph, "dense.bias").raw_data.truncate(7));
    assert!(message.contains("expected 32-bit floats, found 7 bytes"), "{message}");
    let message = graph_error(|graph| array(graph, "dense.bias").data_location = super::messages::EXTERNAL);
    assert!(message.contains("array `dense.bias`: expected its values in this file"), "{message}");
    let message =
        graph_error(|graph| array(graph, "dense.bias").raw_data[..4].copy_from_slice(&f32::NAN.to_le_bytes()));
    assert!(message.contains("dense.bias"), "{message}");
}

#[test]
fn many_nodes_that_share_an_array_are_an_error() {
    // 700 convolutions of 128 channels from one kernel of 64 KiB: 44 MiB of weights from a file of 200 KiB.
    let message = error(|file| {
        file.metadata_props.clear();
        let graph = file.graph.as_mut().unwrap();
        let mut first = graph.node[3].clone();
        (first.op_type, first.input) = ("Conv".into(), vec!["to_nchw".into(), "first".into()]);
        first.attribute.clear();
        let array = |name: &str, dims: [i64; 4]| {
            let len = dims.iter().product::<i64>() as usize;
            TensorProto {
                name: name.into(),
                dims: dims.into(),
                data_type: 1,
                raw_data: vec![0; 4 * len],
                ..Default::default()
            }
        };
        graph.initializer.extend([array("first", [128, 3, 1, 1]), array("shared", [128, 128, 1, 1])]);
        graph.node.truncate(3);
        graph.node.push(NodeProto { output: vec!["0".into()], ..first.clone() });
        for index in 0..700 {
            let [input, output] = [index.to_string(), (index + 1).to_string()];
            graph.node.push(NodeProto { input: vec![input, "shared".into()], output: vec![output], ..first.clone() });
        }
    });
    assert!(message.ends_with("too many nodes share this array"), "{message}");
}

#[test]
fn inputs_outputs_and_versions_that_are_not_supported_are_errors() {
    let message = graph_error(|graph| graph.output[0].name = "dense_1".into());
    assert_eq!(message, "x: unsupported output `dense_1`: expected a Sigmoid after the last dense layer");
    let message = graph_error(|graph| graph.output.clear());
    assert_eq!(message, "x: unsupported output: expected the probability of a class");
    let message = graph_error(|graph| graph.input.push(graph.output[0].clone()));
    assert!(message.contains("expected one input that is not a constant"), "{message}");
    let sides = |sides: [Option<i64>; 4]| {
        graph_error(|graph| {
            let tensor = graph.input[0].r#type.as_mut().unwrap().tensor_type.as_mut().unwrap();
            let dims = &mut tensor.shape.as_mut().unwrap().dim;
            dims.iter_mut().zip(sides).for_each(|(dim, side)| dim.dim_value = side);
        })
    };
    let message = sides([None, None, Some(6), Some(3)]);
    assert!(
        message.ends_with("expected [N, height, width, 3] or [N, 3, height, width], found [N, N, 6, 3]"),
        "{message}"
    );
    let message = sides([None, Some(1 << 40), Some(6), Some(3)]);
    assert!(message.contains("expected sides of 1 to 1024 pixels"), "{message}");
    let message = error(|file| file.opset_import[0].version = 6);
    assert_eq!(message, "x: unsupported opset: expected at least 7, found 6");
    let message = error(|file| file.graph = None);
    assert_eq!(message, "x: not a valid onnx file: it contains no graph");
}

#[test]
fn a_temperature_beyond_those_of_models_is_an_error() {
    for temperature in [0.0, 1e-4, 1e4, f32::NAN] {
        let message = graph_error(|graph| array(graph, "temperature").raw_data = temperature.to_le_bytes().to_vec());
        assert!(message.contains("expected the logit of the class multiplied by 0.001 to 1000"), "{message}");
    }
}

#[test]
fn metadata_of_another_program_are_ignored() {
    let mut file = written(&model());
    file.metadata_props = vec![StringStringEntryProto { key: "threshold".into(), value: "none".into() }];
    assert_eq!(import(&file).unwrap().threshold, 0.5);
}
