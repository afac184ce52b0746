"""Times one framework on random images in memory: a training step of each network, and prediction at several batch sizes.

usage: engine.py keras|pytorch|onnxruntime|openvino COMPACT
COMPACT is the ONNX file of the built-in model, whose recipe is compact. Prints one JSON object per measurement:
{"peer", "network", "work", "batch", "ms"}, where ms is the median.
"""

import json
import os
import statistics
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import networks
import numpy as np

THREADS = len(os.sched_getaffinity(0))
BATCHES = (1, 16, 100, 512)
SECONDS = 1.5


def report(peer, network, work, batch, run, calls_per_run=1):
    for _ in range(3):
        run()
    times, end = [], time.perf_counter() + SECONDS
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) / calls_per_run)
    ms = round(statistics.median(times) * 1e3, 5)
    print(json.dumps({"peer": peer, "network": network, "work": work, "batch": batch, "ms": ms}), flush=True)


def images(batch, *shape):
    return np.random.default_rng(0).random((batch, *shape), dtype=np.float32)


def keras_step(name):
    """Runs steps through `fit`, 10 per call so that the overhead of a call hardly counts, on batches in memory."""
    import tensorflow as tf

    steps, batch, side = 10, networks.STEP_BATCH[name], networks.SIDE[name]
    network = networks.keras_network(name)
    network.compile(optimizer="adam", loss="binary_crossentropy")
    pair = (images(batch, side, side, 3), np.float32(np.arange(batch) % 2)[:, None])
    data = tf.data.Dataset.from_tensors(pair).repeat(steps).prefetch(4)
    report("keras", name, "step", batch, lambda: network.fit(data, shuffle=False, verbose=0), steps)


def keras_predict(name):
    import tensorflow as tf

    network, side = networks.keras_network(name), networks.SIDE[name]
    predict = tf.function(lambda x: network(x, training=False))
    for batch in BATCHES:
        x = tf.constant(images(batch, side, side, 3))
        report("keras", name, "predict", batch, lambda: predict(x).numpy())


def pytorch_step(name):
    import torch

    torch.set_num_threads(THREADS)
    batch, side = networks.STEP_BATCH[name], networks.SIDE[name]
    network = networks.torch_network(name).to(memory_format=torch.channels_last)
    optimizer, loss = torch.optim.Adam(network.parameters(), fused=True), torch.nn.BCEWithLogitsLoss()
    x = torch.from_numpy(images(batch, 3, side, side)).to(memory_format=torch.channels_last)
    y = (torch.arange(batch) % 2).float()[:, None]

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss(network(x), y).backward()
        optimizer.step()

    report("pytorch", name, "step", batch, step)


def pytorch_predict(name):
    import torch

    torch.set_num_threads(THREADS)
    network, side = networks.torch_network(name).to(memory_format=torch.channels_last).eval(), networks.SIDE[name]
    with torch.inference_mode():
        for batch in BATCHES:
            x = torch.from_numpy(images(batch, 3, side, side)).to(memory_format=torch.channels_last)
            report("pytorch", name, "predict", batch, lambda: network(x))


def onnx_file(name):
    """Returns the ONNX file of a network, and a function that returns its images: bytes NHWC or floats NCHW."""
    side = networks.SIDE[name]
    if name == networks.COMPACT:
        return sys.argv[2], lambda batch: (images(batch, side, side, 3) * 255).astype(np.uint8)
    path = os.path.join(tempfile.mkdtemp(), f"{name}.onnx")
    networks.write_onnx(path)
    return path, lambda batch: images(batch, 3, side, side)


def onnxruntime_predict(name):
    import onnxruntime

    options, (path, inputs) = onnxruntime.SessionOptions(), onnx_file(name)
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    for batch in BATCHES:
        x = {session.get_inputs()[0].name: inputs(batch)}
        report("onnxruntime", name, "predict", batch, lambda: session.run(None, x))


def openvino_predict(name):
    import openvino

    core, (path, inputs) = openvino.Core(), onnx_file(name)
    for precision in ("f32", "bf16"):
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": THREADS}
        for batch in BATCHES:
            model, x = core.read_model(path), inputs(batch)
            model.reshape(x.shape)
            request = core.compile_model(model, "CPU", settings).create_infer_request()
            report(f"openvino {precision}", name, "predict", batch, lambda: request.infer({0: x}))


PEERS = {
    "keras": {"step": keras_step, "predict": keras_predict},
    "pytorch": {"step": pytorch_step, "predict": pytorch_predict},
    "onnxruntime": {"predict": onnxruntime_predict},
    "openvino": {"predict": openvino_predict},
}

if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in PEERS:
        sys.exit(__doc__)
    for measure in PEERS[sys.argv[1]].values():
        for network in networks.NETWORKS:
            measure(network)
