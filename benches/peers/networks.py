"""The networks that are timed: the recipes `keras-tutorial` and `compact` in each framework, with random weights."""

TUTORIAL, COMPACT = "keras-tutorial", "compact"
NETWORKS = (TUTORIAL, COMPACT)
# Input side in pixels, and the batch size of a training step.
SIDE = {TUTORIAL: 50, COMPACT: 64}
STEP_BATCH = {TUTORIAL: 100, COMPACT: 64}

TUTORIAL_FILTERS = (16, 32, 64)
COMPACT_FILTERS = (16, "pool", 32, "pool", 48, 48, "pool", 96, 96)


def keras_network(name):
    import keras
    from keras import layers as L

    stack = [keras.Input((SIDE[name], SIDE[name], 3))]
    if name == TUTORIAL:
        for filters in TUTORIAL_FILTERS:
            stack += [L.Conv2D(filters, 2, padding="same", activation="relu"), L.MaxPooling2D(2)]
        stack += [L.Dropout(0.2), L.Flatten(), L.Dense(500, activation="relu")]
    else:
        for filters in COMPACT_FILTERS:
            if filters == "pool":
                stack.append(L.MaxPooling2D(2))
            else:
                stack += [L.Conv2D(filters, 3, padding="same", use_bias=False), L.BatchNormalization(), L.ReLU()]
        stack.append(L.GlobalAveragePooling2D())
    return keras.Sequential([*stack, L.Dropout(0.2), L.Dense(1, activation="sigmoid")])


def torch_network(name):
    from torch import nn

    layers, channels = [], 3
    if name == TUTORIAL:
        for filters in TUTORIAL_FILTERS:
            layers += [nn.Conv2d(channels, filters, 2, padding="same"), nn.ReLU(), nn.MaxPool2d(2)]
            channels = filters
        layers += [nn.Dropout(0.2), nn.Flatten(), nn.Linear(2304, 500), nn.ReLU()]
        channels = 500
    else:
        for filters in COMPACT_FILTERS:
            if filters == "pool":
                layers.append(nn.MaxPool2d(2))
            else:
                layers += [nn.Conv2d(channels, filters, 3, padding="same", bias=False), nn.BatchNorm2d(filters), nn.ReLU()]
                channels = filters
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Dropout(0.2), nn.Linear(channels, 1))


class Graph:
    """Collects the nodes and random weights of an ONNX graph."""

    def __init__(self):
        import numpy as np

        self.random, self.nodes, self.weights = np.random.default_rng(0), [], []

    def weight(self, *shape):
        import numpy as np
        from onnx import numpy_helper

        name = f"weight{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.float32(self.random.normal(0, 0.05, shape)), name))
        return name

    def node(self, kind, inputs, **attributes):
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [f"{kind}{len(self.nodes)}"], **attributes))
        return self.nodes[-1].output[0]

    def conv(self, last, channels, filters, kernel, pads):
        inputs = [last, self.weight(filters, channels, kernel, kernel), self.weight(filters)]
        return self.node("Relu", [self.node("Conv", inputs, pads=pads)])

    def pool(self, last):
        return self.node("MaxPool", [last], kernel_shape=[2, 2], strides=[2, 2])

    def dense(self, last, inputs, units):
        return self.node("Gemm", [last, self.weight(inputs, units), self.weight(units)])


def write_onnx(path):
    """Writes the recipe `keras-tutorial` for prediction, NCHW, with any batch size. Dropout is the identity in prediction.

    The file of `compact` is the built-in model, which `giemsa export` writes.
    """
    import onnx
    from onnx import TensorProto, helper

    graph, last, channels = Graph(), "images", 3
    for filters in TUTORIAL_FILTERS:
        last = graph.pool(graph.conv(last, channels, filters, 2, [0, 0, 1, 1]))
        channels = filters
    last = graph.node("Relu", [graph.dense(graph.node("Flatten", [last]), 2304, 500)])
    last = graph.node("Sigmoid", [graph.dense(last, 500, 1)])
    declare = helper.make_tensor_value_info
    images = declare("images", TensorProto.FLOAT, ["n", 3, SIDE[TUTORIAL], SIDE[TUTORIAL]])
    outputs = [declare(last, TensorProto.FLOAT, ["n", 1])]
    body = helper.make_graph(graph.nodes, TUTORIAL, [images], outputs, graph.weights)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
