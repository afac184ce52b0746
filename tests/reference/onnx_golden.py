"""Exports small networks to ONNX as other programs do, and computes their probabilities with ONNX Runtime.

The files `onnx/NAME.onnx` are of PyTorch's two exporters, of Keras' exporter (tf2onnx), and of the `onnx` package. Their names
and documentation, which contain paths of the machine, are removed.
"""

import json
import multiprocessing
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
FOLDER = HERE / "onnx"
IMAGES = 4
OPSET = [helper.make_opsetid("", 17)]


def pixels(side):
    """Returns images of bytes by the rule of `pixels` in the test."""
    index = np.arange(IMAGES * side * side * 3, dtype=np.uint32)
    return (index * np.uint32(2654435761) >> np.uint32(24)).astype(np.uint8).reshape(IMAGES, side, side, 3)


def torch_networks():
    import torch
    from torch import nn

    torch.manual_seed(0)

    class Tutorial(nn.Module):
        """Convolutions with bias and even kernels; flattened as CHW by `view`."""

        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(3, 4, 2, padding="same"), nn.Conv2d(4, 5, 2, padding="same")
            self.dense1, self.dense2 = nn.Linear(45, 7), nn.Linear(7, 1)

        def forward(self, x):
            x = torch.max_pool2d(torch.relu(self.conv1(x)), 2)
            x = torch.relu(torch.max_pool2d(self.conv2(x), 2))
            x = torch.relu(self.dense1(x.view(x.size(0), -1)))
            return torch.sigmoid(self.dense2(x))

    normalised = nn.Sequential(
        *[nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)],
        *[nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU()],
        *[nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(6, 1), nn.Sigmoid()],
    )
    tutorial = Tutorial()
    for layer in [*tutorial.modules(), *normalised.modules()]:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            # So that the probabilities of the images differ.
            layer.weight.data *= 2
        if isinstance(layer, nn.BatchNorm2d):
            for values in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
                nn.init.uniform_(values, 0.5, 1.5)
    for name, network, side in (("tutorial", tutorial, 12), ("normalised", normalised, 10)):
        x, network = torch.zeros(2, 3, side, side), network.eval()
        path = FOLDER / f"pytorch_{name}.onnx"
        torch.onnx.export(network, (x,), path, dynamo=True, dynamic_shapes=({0: torch.export.Dim("N")},), external_data=False)
        yield path
        path = FOLDER / f"torchscript_{name}.onnx"
        # `PRESERVE` keeps batch normalisation and dropout as nodes.
        kept = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False} if name == "normalised" else {}
        torch.onnx.export(network, (x,), path, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "N"}}, **kept)
        yield path


def keras_networks():
    import keras
    from keras import layers as L

    keras.utils.set_random_seed(0)
    conv = lambda filters: [L.Conv2D(filters, 2, padding="same", activation="relu"), L.MaxPooling2D(2)]
    tutorial = [keras.Input((12, 12, 3)), *conv(4), *conv(5), L.Dropout(0.2), L.Flatten(), L.Dense(7, activation="relu")]
    normalised = [
        *[keras.Input((10, 10, 3)), L.Rescaling(1 / 255)],
        *[L.Conv2D(4, 3, padding="same", use_bias=False), L.BatchNormalization(), L.ReLU(), L.MaxPooling2D(2)],
        *[L.Conv2D(6, 3, padding="same"), L.BatchNormalization(), L.ReLU(), L.GlobalAveragePooling2D(), L.Dropout(0.2)],
    ]
    for name, stack in (("tutorial", tutorial), ("normalised", normalised)):
        network = keras.Sequential([*stack, L.Dense(1, activation="sigmoid")])
        for weight in network.weights:
            weight.assign(np.random.uniform(0.5, 1.5, weight.shape) if len(weight.shape) == 1 else weight)
        network(np.zeros((1, *network.input_shape[1:]), np.float32))
        path = FOLDER / f"keras_{name}.onnx"
        network.export(path, format="onnx", verbose=False)
        yield path


def array(random, name, *shape, positive=False):
    values = random.uniform(0.5, 1.5, shape) if positive else random.normal(0, 0.3, shape)
    return numpy_helper.from_array(values.astype(np.float32), name)


def model(name, nodes, arrays, image, output, units):
    declared = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", units])
    graph = helper.make_graph(nodes, name, [image], [declared], arrays)
    return helper.make_model(graph, opset_imports=OPSET, ir_version=8)


def bytes_network():
    """Bytes, NHWC; SAME_UPPER; float_data; a constant node; a bias before batch normalisation; a negative, scaled logit."""
    random, node = np.random.default_rng(0), helper.make_node
    kernel = array(random, "kernel", 4, 3, 2, 2)
    values = numpy_helper.to_array(kernel).ravel()
    arrays = [helper.make_tensor("kernel", TensorProto.FLOAT, [4, 3, 2, 2], values), array(random, "bias", 4)]
    arrays += [array(random, name, 4, positive=True) for name in ("gamma", "beta", "mean", "variance")]
    arrays += [array(random, "matrix", 64, 1), array(random, "offset", 1), numpy_helper.from_array(np.int64([0, -1]), "flat")]
    nodes = [
        node("Cast", ["image"], ["cast"], to=TensorProto.FLOAT),
        node("Constant", [], ["maximum"], value=numpy_helper.from_array(np.float32(255))),
        node("Div", ["cast", "maximum"], ["unit"]),
        node("Transpose", ["unit"], ["nchw"], perm=[0, 3, 1, 2]),
        node("Conv", ["nchw", "kernel", "bias"], ["conv"], auto_pad="SAME_UPPER"),
        node("BatchNormalization", ["conv", "gamma", "beta", "mean", "variance"], ["norm"], epsilon=0.01),
        node("Relu", ["norm"], ["relu"]),
        node("MaxPool", ["relu"], ["pool"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Transpose", ["pool"], ["nhwc"], perm=[0, 2, 3, 1]),
        node("Reshape", ["nhwc", "flat"], ["flattened"]),
        node("MatMul", ["flattened", "matrix"], ["product"]),
        node("Add", ["offset", "product"], ["logit"]),
        node("Neg", ["logit"], ["negative"]),
        node("Constant", [], ["half"], value_float=0.5),
        node("Mul", ["half", "negative"], ["scaled"]),
        node("Sigmoid", ["scaled"], ["probability"]),
        node("Identity", ["probability"], ["result"]),
    ]
    return model("bytes", nodes, arrays, helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 8, 8, 3]), "result", 1)


def floats_network():
    """Floats, NCHW; batch normalisation as a node with another epsilon; dropout; Gemm with both layouts; two units."""
    random, node = np.random.default_rng(1), helper.make_node
    arrays = [array(random, "kernel", 4, 3, 3, 3), array(random, "bias", 4)]
    arrays += [array(random, name, 4, positive=True) for name in ("gamma", "beta", "mean", "variance")]
    arrays += [array(random, "matrix", 5, 64), array(random, "offset", 1, 5), array(random, "last", 5, 2)]
    nodes = [
        node("Conv", ["x", "kernel", "bias"], ["conv"], pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["conv", "gamma", "beta", "mean", "variance"], ["norm"]),
        node("MaxPool", ["norm"], ["pool"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Relu", ["pool"], ["relu"]),
        node("Dropout", ["relu"], ["kept"]),
        node("Flatten", ["kept"], ["flattened"]),
        node("Gemm", ["flattened", "matrix", "offset"], ["dense"], transB=1),
        node("Relu", ["dense"], ["hidden"]),
        node("Gemm", ["hidden", "last"], ["logits"]),
        node("Sigmoid", ["logits"], ["probabilities"]),
    ]
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])
    return model("floats", nodes, arrays, image, "probabilities", 2)


def onnx_networks():
    for name, network in (("onnx_bytes", bytes_network()), ("onnx_floats", floats_network())):
        path = FOLDER / f"{name}.onnx"
        onnx.save(network, path)
        yield path


def export(networks):
    """Writes the files of one exporter, and returns their paths."""
    return list(networks())


def strip(network):
    """Removes documentation and metadata, such as the lines of Python that PyTorch writes."""
    del network.metadata_props[:], network.graph.metadata_props[:], network.graph.value_info[:]
    network.doc_string = network.graph.doc_string = ""
    for part in [*network.graph.node, *network.graph.initializer, *network.graph.input, *network.graph.output]:
        part.doc_string = ""
        del part.metadata_props[:]


def probabilities(network):
    session = onnxruntime.InferenceSession(network.SerializeToString(), providers=["CPUExecutionProvider"])
    image = session.get_inputs()[0]
    is_nchw = image.shape[1] == 3
    x = pixels(image.shape[2])
    if image.type != "tensor(uint8)":
        # A network that divides by 255 itself has floats in 0..=255 as input.
        divides = any(node.op_type in ("Mul", "Div") for node in network.graph.node)
        x = x.astype(np.float32) if divides else x / np.float32(255)
    found = session.run(None, {image.name: x.transpose(0, 3, 1, 2) if is_nchw else x})[0]
    return [[float(f"{value:.8g}") for value in row] for row in found.reshape(IMAGES, -1)]


def main():
    FOLDER.mkdir(exist_ok=True)
    expected = {}
    # PyTorch and TensorFlow cannot be loaded by the same process.
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        paths = sum(pool.imap(export, [onnx_networks, keras_networks, torch_networks]), [])
    for path in paths:
        network = onnx.load(path)
        strip(network)
        onnx.checker.check_model(network, full_check=True)
        onnx.save(network, path)
        expected[path.name] = probabilities(network)
        operators = " ".join(node.op_type for node in network.graph.node)
        print(f"{path.name}, {path.stat().st_size} bytes, IR {network.ir_version}: {operators}")
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(values)}" for name, values in expected.items())
    (HERE / "onnx_golden.json").write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main()
