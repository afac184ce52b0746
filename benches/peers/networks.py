"""The two networks that are timed, in each framework's own words, with random weights."""

SIDE, DEEP_SIDE = 50, 64
DEEP_FILTERS = (16, 16, "pool", 32, 32, "pool", 64, 64, "pool", 96, 96)


def keras_seed():
    import keras
    from keras import layers as L

    stack = [keras.Input((SIDE, SIDE, 3))]
    for filters in (16, 32, 64):
        stack += [L.Conv2D(filters, 2, padding="same", activation="relu"), L.MaxPooling2D(2)]
    stack += [L.Dropout(0.2), L.Flatten(), L.Dense(500, activation="relu"), L.Dropout(0.2), L.Dense(1, activation="sigmoid")]
    return keras.Sequential(stack)


def keras_deep():
    import keras
    from keras import layers as L

    stack = [keras.Input((DEEP_SIDE, DEEP_SIDE, 3))]
    for filters in DEEP_FILTERS:
        if filters == "pool":
            stack.append(L.MaxPooling2D(2))
        else:
            stack += [L.Conv2D(filters, 3, padding="same", use_bias=False), L.BatchNormalization(), L.ReLU()]
    return keras.Sequential([*stack, L.GlobalAveragePooling2D(), L.Dense(1, activation="sigmoid")])


def torch_seed():
    from torch import nn

    layers, channels = [], 3
    for filters in (16, 32, 64):
        layers += [nn.Conv2d(channels, filters, 2, padding="same"), nn.ReLU(), nn.MaxPool2d(2)]
        channels = filters
    layers += [nn.Dropout(0.2), nn.Flatten(), nn.Linear(2304, 500), nn.ReLU(), nn.Dropout(0.2), nn.Linear(500, 1)]
    return nn.Sequential(*layers)


def torch_deep():
    from torch import nn

    layers, channels = [], 3
    for filters in DEEP_FILTERS:
        if filters == "pool":
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(channels, filters, 3, padding="same", bias=False), nn.BatchNorm2d(filters), nn.ReLU()]
            channels = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1))


def write_onnx(path):
    """The first network, NCHW, with any batch size; dropout does nothing in prediction."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random, nodes, weights, last = np.random.default_rng(0), [], [], "images"

    def weight(name, *shape):
        weights.append(numpy_helper.from_array(np.float32(random.normal(0, 0.05, shape)), name))
        return name

    def node(kind, inputs, **attributes):
        nodes.append(helper.make_node(kind, inputs, [f"{kind}{len(nodes)}"], **attributes))
        return nodes[-1].output[0]

    channels = 3
    for i, filters in enumerate((16, 32, 64)):
        inputs = [last, weight(f"kernel{i}", filters, channels, 2, 2), weight(f"bias{i}", filters)]
        last = node("Relu", [node("Conv", inputs, pads=[0, 0, 1, 1])])
        last = node("MaxPool", [last], kernel_shape=[2, 2], strides=[2, 2])
        channels = filters
    last = node("Flatten", [last])
    last = node("Relu", [node("Gemm", [last, weight("kernel3", 2304, 500), weight("bias3", 500)])])
    last = node("Sigmoid", [node("Gemm", [last, weight("kernel4", 500, 1), weight("bias4", 1)])])
    declare = helper.make_tensor_value_info
    images = declare("images", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])
    graph = helper.make_graph(nodes, "seed", [images], [declare(last, TensorProto.FLOAT, ["n", 1])], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
