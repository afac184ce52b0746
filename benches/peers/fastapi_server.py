"""The built-in model behind FastAPI, with ONNX Runtime: answers `POST /api/cells` with a body that is an image.

    GIEMSA_ONNX=compact.onnx uvicorn --app-dir benches/peers --workers 2 fastapi_server:app

GIEMSA_ONNX is the file of `giemsa export builtin --to onnx`. Each worker runs the network with one thread, and classifies images in
the thread that reads the requests: one takes about a millisecond, and a pool of threads would make it slower. The image is fitted
into the square of the network as docs/model-file.md defines it. What `giemsa serve` also does, it does not: look for several
cells in an image, and limit what clients send.
"""

import os
import tomllib

import cv2
import numpy as np
import onnxruntime
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

cv2.setNumThreads(1)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["GIEMSA_ONNX"], options, providers=["CPUExecutionProvider"])
metadata = session.get_modelmeta().custom_metadata_map
THRESHOLD = float(metadata["threshold"])
RED_CELL_THRESHOLD = float(metadata.get("red_cell_threshold", 0))
PREPROCESSING = tomllib.loads(metadata["recipe"])["input"]
assert PREPROCESSING["resize"] == "fit" and "colour" not in PREPROCESSING, PREPROCESSING
SIDE = PREPROCESSING["side_px"]
OUTPUTS = [output.name for output in session.get_outputs()]

app = FastAPI()


def fit(image: np.ndarray) -> np.ndarray:
    """Fits an image into a square, centred on black: by area when shrinking, bilinearly when enlarging."""
    height, width = image.shape[:2]
    longest = max(width, height)
    new_width, new_height = ((length * SIDE * 2 + longest) // (longest * 2) for length in (width, height))
    method = cv2.INTER_AREA if longest >= SIDE else cv2.INTER_LINEAR
    left, top = (SIDE - new_width) // 2, (SIDE - new_height) // 2
    square = np.zeros((SIDE, SIDE, 3), np.uint8)
    square[top : top + new_height, left : left + new_width] = cv2.resize(image, (new_width, new_height), interpolation=method)
    return square


def classify(body: bytes) -> dict:
    try:
        image = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:
        return {"error": str(error)}
    if image is None:
        return {"error": "no image"}
    outputs = dict(zip(OUTPUTS, session.run(OUTPUTS, {"image": fit(image)[None]})))
    if outputs.get("probability_red_cell", [1])[0] < RED_CELL_THRESHOLD:
        return {"error": "not a red cell"}
    parasitized = float(outputs["probability_parasitized"][0])
    name = "Parasitized" if parasitized >= THRESHOLD else "Uninfected"
    return {"class": name, "probability": {"Parasitized": parasitized, "Uninfected": 1 - parasitized}}


@app.post("/api/cells")
async def cells(request: Request) -> JSONResponse:
    return JSONResponse({"results": [classify(await request.body())]})
