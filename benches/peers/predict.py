"""Classifies images and prints one row per image.

usage: predict.py keras|onnxruntime|openvino MODEL PATH
       predict.py write keras|onnxruntime|openvino NETWORK MODEL
PATH is an image or a folder with class folders. `write` writes MODEL, with random weights; NETWORK is keras-tutorial, or
compact for Keras. The compact network of the others is the built-in model, which `giemsa export` writes.
"""

import os
import pathlib
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
BATCH = 100
THREADS = len(os.sched_getaffinity(0))


def images_in(path):
    path = pathlib.Path(path)
    return sorted(path.rglob("*.png")) if path.is_dir() else [path]


def print_rows(files, probabilities):
    for file, probability in zip(files, probabilities):
        print(f"{file},{probability:.6f},{'Parasitized' if probability >= 0.5 else 'Uninfected'}")


def onnxruntime_peer(model, path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1 if pathlib.Path(path).is_dir() else THREADS
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    image = session.get_inputs()[0]
    predict_batches(path, image.shape, lambda x: session.run(None, {image.name: x})[0])


def openvino_peer(model, path):
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": THREADS}
    settings["PERFORMANCE_HINT"] = "THROUGHPUT" if pathlib.Path(path).is_dir() else "LATENCY"
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    # One request per thread.
    requests = threading.local()

    def predict(x):
        if not hasattr(requests, "request"):
            requests.request = compiled.create_infer_request()
        return requests.request.infer({0: x})[0]

    shape = [side.get_length() if side.is_static else None for side in compiled.input(0).partial_shape]
    predict_batches(path, shape, predict)


def predict_batches(path, shape, predict):
    """Decodes and predicts one batch per thread; Pillow and the runtimes release the interpreter lock.

    shape is that of the input: bytes NHWC of the built-in model, which fits images into a square, or floats NCHW of the
    tutorial's network, which stretches them.
    """
    import numpy as np
    from PIL import Image, ImageOps

    files, side, is_builtin = images_in(path), shape[2], shape[3] == 3

    def load(file):
        with Image.open(file) as image:
            image = image.convert("RGB")
            if is_builtin:
                return np.asarray(ImageOps.pad(image, (side, side), Image.Resampling.BOX))
            return np.asarray(image.resize((side, side), Image.Resampling.NEAREST))

    def predict_files(batch):
        x = np.stack([load(file) for file in batch])
        return predict(x if is_builtin else x.transpose(0, 3, 1, 2).astype(np.float32) / 255).ravel()

    batches = [files[i : i + BATCH] for i in range(0, len(files), BATCH)]
    with ThreadPoolExecutor(THREADS) as pool:
        for batch, probabilities in zip(batches, pool.map(predict_files, batches)):
            print_rows(batch, probabilities)


def keras_peer(model, path):
    import keras
    import tensorflow as tf

    network = keras.models.load_model(model)
    size = network.input_shape[1:3]
    files = images_in(path)
    if len(files) == 1:
        image = keras.utils.load_img(files[0], target_size=size, interpolation="nearest")
        x = keras.utils.img_to_array(image)[None] / 255
        return print_rows(files, network(x, training=False).numpy()[:, 0])

    def load(name):
        image = tf.io.decode_png(tf.io.read_file(name), channels=3)
        return tf.image.resize(image, size, method="nearest")

    names = tf.data.Dataset.from_tensor_slices([str(file) for file in files])
    data = names.map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH)
    data = data.map(lambda x: tf.cast(x, tf.float32) / 255).prefetch(tf.data.AUTOTUNE)
    print_rows(files, network.predict(data, verbose=0)[:, 0])


def write(peer, network, model):
    import networks

    networks.keras_network(network).save(model) if peer == "keras" else networks.write_onnx(model)


PEERS = {"keras": keras_peer, "onnxruntime": onnxruntime_peer, "openvino": openvino_peer}

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", peer, network, model] if peer in PEERS:
            write(peer, network, model)
        case [peer, model, path] if peer in PEERS:
            PEERS[peer](model, path)
        case _:
            sys.exit(__doc__)
