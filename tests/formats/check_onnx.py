"""Compares the probabilities of exported ONNX files in ONNX Runtime and OpenVINO with those of giemsa.

usage: check_onnx.py GIEMSA CELLS MODEL=FILE ...
GIEMSA is the program, CELLS a folder with PNG files of cells, FILE the ONNX file of MODEL, which is a model file or `builtin`.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
import openvino
from PIL import Image

# The largest difference of a probability.
TOLERANCE = 1e-5
OUTPUTS = ("probability_parasitized", "probability_red_cell")


def resized(cells, side, folder):
    """Writes the cells with the side that the network takes, so that all programs classify the same bytes."""
    files = []
    for path in sorted(cells.rglob("*.png")):
        files.append(folder / f"{len(files):05}.png")
        with Image.open(path) as image:
            image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR).save(files[-1])
    return files


def of_giemsa(giemsa, model, folder):
    command = [giemsa, "predict", folder, "--any-image", "--format", "jsonl"]
    command += [] if model == "builtin" else ["--model", model]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    rows = sorted((json.loads(line) for line in lines), key=lambda row: row["path"])
    found = {OUTPUTS[0]: np.array([row["probability"]["Parasitized"] for row in rows])}
    if rows[0]["cell"] is not None:
        found[OUTPUTS[1]] = np.array([row["cell"] for row in rows])
    return found


def of_onnxruntime(file, images):
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"image": images})))


def of_openvino(file, images):
    # By default, OpenVINO computes with 16 bits where the processor can.
    model = openvino.Core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return {output.any_name: values for output, values in model({"image": images}).items()}


def check(giemsa, cells, model, file):
    """Checks a file, and returns the largest difference."""
    network = onnx.load(file)
    onnx.checker.check_model(network, full_check=True)
    side = network.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    with tempfile.TemporaryDirectory() as folder:
        files = resized(cells, side, pathlib.Path(folder))
        images = np.stack([np.asarray(Image.open(path)) for path in files])
        expected = of_giemsa(giemsa, model, folder)
    largest = 0
    for runtime in (of_onnxruntime, of_openvino):
        found = runtime(file, images)
        if found.keys() != expected.keys():
            sys.exit(f"{file}: expected the outputs {sorted(expected)}, found {sorted(found)}")
        for name, values in expected.items():
            difference = np.abs(found[name] - values).max()
            largest = max(largest, difference)
            runtime_name = runtime.__name__.removeprefix("of_")
            spread = f"{values.min():.4f} to {values.max():.4f}"
            print(f"{file}: {runtime_name}, {name} of {len(files)} cells, {spread}: largest difference {difference:.1e}")
    return largest


def main(giemsa, cells, *pairs):
    largest = [check(giemsa, pathlib.Path(cells), *pair.rsplit("=", 1)) for pair in pairs]
    if max(largest) > TOLERANCE:
        sys.exit(f"expected differences of at most {TOLERANCE}")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
