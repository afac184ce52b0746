"""Times one framework: a training step of each network, and prediction at several batch sizes, on random images.

usage: engine.py keras|pytorch|onnxruntime|openvino [WORK ...]
WORK is `seed`, `deep` or `predict`; all of them by default. Prints one JSON object a line:
{"peer", "work", "batch", "ms"}, where ms is the median.
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
PREDICTED = (1, 100, 512)
SEED_BATCH, DEEP_BATCH = 100, 64
SECONDS = 1.5


def report(peer, work, batch, run, calls_a_run=1):
    for _ in range(3):
        run()
    times, end = [], time.perf_counter() + SECONDS
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) / calls_a_run)
    ms = statistics.median(times) * 1e3
    print(json.dumps({"peer": peer, "work": work, "batch": batch, "ms": round(ms, 5)}), flush=True)


def images(batch, *shape):
    return np.random.default_rng(0).random((batch, *shape), dtype=np.float32)


def keras_step(work, network, side, batch):
    """Steps as `fit` runs them, 10 a call, so that what a call costs is hardly counted; batches lie ready in memory."""
    import tensorflow as tf

    steps = 10
    network.compile(optimizer="adam", loss="binary_crossentropy")
    pair = (images(batch, side, side, 3), np.float32(np.arange(batch) % 2)[:, None])
    data = tf.data.Dataset.from_tensors(pair).repeat(steps).prefetch(4)
    report("keras", work, batch, lambda: network.fit(data, shuffle=False, verbose=0), steps)


def keras_peer(works):
    import tensorflow as tf

    if "seed" in works:
        keras_step("seed", networks.keras_seed(), networks.SIDE, SEED_BATCH)
    if "deep" in works:
        keras_step("deep", networks.keras_deep(), networks.DEEP_SIDE, DEEP_BATCH)
    if "predict" in works:
        network = networks.keras_seed()
        predict = tf.function(lambda x: network(x, training=False))
        for batch in PREDICTED:
            x = tf.constant(images(batch, networks.SIDE, networks.SIDE, 3))
            report("keras", "predict", batch, lambda: predict(x).numpy())


def pytorch_step(work, network, side, batch):
    import torch

    network = network.to(memory_format=torch.channels_last)
    optimizer, loss = torch.optim.Adam(network.parameters(), fused=True), torch.nn.BCEWithLogitsLoss()
    x = torch.from_numpy(images(batch, 3, side, side)).to(memory_format=torch.channels_last)
    y = (torch.arange(batch) % 2).float()[:, None]

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss(network(x), y).backward()
        optimizer.step()

    report("pytorch", work, batch, step)


def pytorch_peer(works):
    import torch

    torch.set_num_threads(THREADS)
    if "seed" in works:
        pytorch_step("seed", networks.torch_seed(), networks.SIDE, SEED_BATCH)
    if "deep" in works:
        pytorch_step("deep", networks.torch_deep(), networks.DEEP_SIDE, DEEP_BATCH)
    if "predict" in works:
        network = networks.torch_seed().to(memory_format=torch.channels_last).eval()
        with torch.inference_mode():
            for batch in PREDICTED:
                x = torch.from_numpy(images(batch, 3, networks.SIDE, networks.SIDE)).to(memory_format=torch.channels_last)
                report("pytorch", "predict", batch, lambda: network(x))


def onnx_file():
    path = os.path.join(tempfile.mkdtemp(), "seed.onnx")
    networks.write_onnx(path)
    return path


def onnxruntime_peer(works):
    import onnxruntime

    if "predict" not in works:
        return
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(onnx_file(), options, providers=["CPUExecutionProvider"])
    for batch in PREDICTED:
        x = images(batch, 3, networks.SIDE, networks.SIDE)
        report("onnxruntime", "predict", batch, lambda: session.run(None, {"images": x}))


def openvino_peer(works):
    import openvino

    if "predict" not in works:
        return
    core, path = openvino.Core(), onnx_file()
    for precision in ("f32", "bf16"):
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": THREADS}
        for batch in PREDICTED:
            model = core.read_model(path)
            model.reshape([batch, 3, networks.SIDE, networks.SIDE])
            request = core.compile_model(model, "CPU", settings).create_infer_request()
            x = images(batch, 3, networks.SIDE, networks.SIDE)
            report(f"openvino {precision}", "predict", batch, lambda: request.infer({0: x}))


PEERS = {"keras": keras_peer, "pytorch": pytorch_peer, "onnxruntime": onnxruntime_peer, "openvino": openvino_peer}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in PEERS:
        sys.exit(__doc__)
    PEERS[sys.argv[1]](sys.argv[2:] or ["seed", "deep", "predict"])
