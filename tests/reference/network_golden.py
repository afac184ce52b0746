"""Writes network_golden.json: forward pass, backward pass and optimizer steps of two networks, computed by Keras.

Weights and images are not stored: Keras and the tests both compute them with `uniform`. Keras runs in double precision,
so any difference is the rounding error of the tested code. The script also prints the rounding error of Keras in single
precision, for comparison.
"""

import json
import os
import pathlib

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
import numpy as np
import tensorflow as tf
from keras import layers as L

IMAGES = 1000  # a stream of `uniform`; streams 0, 1, ... are those of the weights, in their order
SAMPLED = 200


def uniform(stream, n):
    """Returns n numbers of a stream, uniform in 0..1 with 24 bits: MurmurHash3's finalizer of index and stream."""
    x = np.arange(n, dtype=np.uint32) + np.uint32(stream * 0x9E3779B9 % 2**32)
    x = (x ^ x >> np.uint32(16)) * np.uint32(0x85EBCA6B)
    x = (x ^ x >> np.uint32(13)) * np.uint32(0xC2B2AE35)
    x ^= x >> np.uint32(16)
    return (x >> np.uint32(8)) * 2.0**-24


def images(shape, n):
    """Returns images of noise, twice as bright in class 1. The class of an image is the lowest bit of its index."""
    size = int(np.prod(shape))
    targets = np.arange(n) % 2
    pixels = uniform(IMAGES, n * size).reshape(n, size) * (0.5 + 0.5 * targets[:, None])
    return pixels.reshape(n, *shape), targets[:, None].astype(float)


def seed_network():
    conv = lambda filters: [L.Conv2D(filters, 2, padding="same", activation="relu"), L.MaxPooling2D(2)]
    # Without dropout, whose random masks differ between frameworks.
    return keras.Sequential(
        [keras.Input((50, 50, 3)), *conv(16), *conv(32), *conv(64), L.Flatten(), L.Dense(500, activation="relu"), L.Dense(1)]
    )


def normalised_network():
    """Builds a network with odd sides and channel counts that are not multiples of the vector length."""

    def conv(filters):
        return [L.Conv2D(filters, 3, padding="same", use_bias=False), L.BatchNormalization(momentum=0.99, epsilon=1e-3), L.ReLU()]

    return keras.Sequential(
        [keras.Input((11, 14, 3)), *conv(16), *conv(6), L.MaxPooling2D(2), *conv(20), L.GlobalAveragePooling2D(), L.Dense(1)]
    )


def name_of(weight):
    """Returns a name such as conv2d_1.kernel."""
    return ".".join(weight.path.split("/")[-2:])


def weight_rules(network):
    """Returns name, shape, and the centre and half width of the uniform distribution of each weight."""
    rules = []
    for weight in network.weights:
        kind = weight.path.split("/")[-1]
        fan = int(np.prod(weight.shape[:-1])) + int(np.prod(weight.shape[:-2], initial=1)) * weight.shape[-1]
        centre, width = {
            "kernel": (0.0, (6 / fan) ** 0.5),
            "bias": (0.0, 0.05),
            "gamma": (1.0, 0.25),
            "beta": (0.0, 0.25),
            "moving_mean": (0.0, 0.125),
            "moving_variance": (1.0, 0.5),
        }[kind]
        rules.append({"name": name_of(weight), "shape": list(weight.shape), "centre": centre, "width": float(np.float32(width))})
    return rules


def build(make, precision):
    """Builds a network and sets its weights by the rules, rounded to single precision."""
    keras.backend.clear_session()
    keras.config.set_floatx(precision)
    network = make()
    rules = weight_rules(network)
    for stream, (weight, rule) in enumerate(zip(network.weights, rules)):
        unit = np.float32(2 * uniform(stream, int(np.prod(rule["shape"]))) - 1)
        values = np.float32(rule["centre"]) + np.float32(rule["width"]) * unit
        weight.assign(values.reshape(rule["shape"]))
    return network, rules


def gradients(network, x, y):
    with tf.GradientTape() as tape:
        logits = network(x, training=True)
        loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(y, logits.dtype), logits))
    found = tape.gradient(loss, [weight.value for weight in network.trainable_weights])
    return loss, logits, [np.asarray(gradient) for gradient in found]


def sample(name, values):
    """Summarises an array: sum and norm of all values, and all values of a small array or about 200 of a large one."""
    values = np.asarray(values).ravel()
    stride = 1 if len(values) <= SAMPLED else len(values) // SAMPLED | 1
    return {
        "name": name,
        "sum": digits(values.sum()),
        "norm": digits(np.sqrt((values**2).sum())),
        "stride": stride,
        "values": digits(values[::stride]),
    }


def digits(values):
    if np.ndim(values) == 0:
        return float(f"{float(values):.8g}")
    return [digits(value) for value in np.asarray(values).ravel()]


def step_losses(make, precision, settings, steps, batch):
    """Returns the loss of each step, cycling through three batches."""
    network, _ = build(make, precision)
    decay = settings["weight_decay"] or None
    # Keras rounds 0.999 to single precision in the bias correction but not in the moments, which makes its first steps
    # 6e-6 too short. Values that are exact in single precision avoid the difference.
    beta_1, beta_2 = float(np.float32(0.9)), float(np.float32(0.999))
    optimizer = keras.optimizers.Adam(settings["learning_rate"], beta_1, beta_2, epsilon=1e-7, weight_decay=decay)
    if settings["weight_decay"]:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    loss = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=settings["label_smoothing"])
    network.compile(optimizer=optimizer, loss=loss)
    x, y = images(network.input_shape[1:], 3 * batch)
    losses = []
    for step in range(steps):
        part = slice(step % 3 * batch, step % 3 * batch + batch)
        losses.append(float(network.train_on_batch(x[part], y[part])))
    return losses


def summary(network):
    """Returns rows like those of `summary()`. A separate activation layer belongs to the row before it."""
    rows = []
    for layer in network.layers:
        if not isinstance(layer, L.ReLU):
            trainable = sum(int(np.prod(w.shape)) for w in layer.trainable_weights)
            rest = sum(int(np.prod(w.shape)) for w in layer.non_trainable_weights)
            rows.append([layer.name, type(layer).__name__, list(layer.output.shape[1:]), trainable, rest])
    return rows


def case(name, make, steps):
    network, rules = build(make, "float64")
    shape = network.input_shape[1:]
    x, y = images(shape, 8)
    golden = {"name": name, "input": list(shape), "summary": summary(network), "weights": rules}
    golden["logits"] = digits(network(x, training=False))
    x, y = images(shape, 10)
    loss, logits, found = gradients(network, x, y)
    names = [name_of(weight) for weight in network.trainable_weights]
    golden["training"] = {"loss": digits(loss), "logits": digits(logits)}
    golden["gradients"] = [sample(*pair) for pair in zip(names, found)]
    moved = [weight for weight in network.weights if "moving" in weight.path]
    golden["moving"] = [sample(name_of(weight), weight) for weight in moved]
    golden["runs"] = []
    for settings in steps:
        exact = step_losses(make, "float64", settings, settings["steps"], 10)
        single = step_losses(make, "float32", settings, settings["steps"], 10)
        off = max(abs(a / b - 1) for a, b in zip(single, exact))
        print(f"{name} {settings}: losses {exact[0]:.6f} to {exact[-1]:.6f}, Keras in single precision off by {off:.1e}")
        golden["runs"].append({**settings, "losses": digits(exact)})
    single, _ = build(make, "float32")
    off = [np.abs(a - b).max() / np.abs(b).max() for a, b in zip(gradients(single, x, y)[2], found)]
    print(f"{name}: gradients of Keras in single precision off by {max(off):.1e} of the largest")
    return golden


def main():
    adam = {"learning_rate": 0.001, "weight_decay": 0.0, "label_smoothing": 0.0, "steps": 20}
    adamw = {"learning_rate": 0.003, "weight_decay": 2.0, "label_smoothing": 0.1, "steps": 10}
    cases = [case("seed", seed_network, [adam]), case("normalised", normalised_network, [adam | {"steps": 10}, adamw])]
    lines = ",\n".join(json.dumps(case) for case in cases)
    pathlib.Path(__file__).with_suffix(".json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
