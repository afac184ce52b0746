"""Compares the probabilities of exported ONNX files in ONNX Runtime and OpenVINO with those of giemsa.

    python check_onnx.py GIEMSA CELLS MODEL WORK

GIEMSA is the program, CELLS a folder of drawn cells, MODEL a trained model of the recipe keras-tutorial, WORK a folder.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino

from cells import check, predict_all, read, write_resized


def run_onnxruntime(file: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"image": images})))


def run_openvino(file: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    # By default, OpenVINO computes with 16 bits where the processor can.
    model = openvino.Core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return {output.any_name: values for output, values in model({"image": images}).items()}


RUNTIMES = {
    f"ONNX Runtime {onnxruntime.__version__}": run_onnxruntime,
    f"OpenVINO {openvino.__version__.split('-')[0]}": run_openvino,
}


def main(giemsa: str, cells: str, tutorial: str, work: str) -> None:
    for name, model, side in [("compact", "builtin", 64), ("keras-tutorial", tutorial, 50)]:
        file = Path(work) / f"{name}.onnx"
        command = [giemsa, "export", model, "--to", "onnx", "--out", file, "--force"]
        subprocess.run(command, check=True, capture_output=True)
        onnx.checker.check_model(onnx.load(file), full_check=True)
        paths = write_resized(Path(cells), Path(work) / f"cells-{side}", side)
        expected = predict_all(giemsa, model, paths)
        for runtime, run in RUNTIMES.items():
            found = run(file, read(paths))
            assert found.keys() == expected.keys(), f"{file}: expected the outputs {list(expected)}, found {list(found)}"
            for output, values in expected.items():
                check(f"{name}, {output}, {runtime}", values, found[output])


if __name__ == "__main__":
    main(*sys.argv[1:])
