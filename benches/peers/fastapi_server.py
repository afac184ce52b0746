"""The built-in model behind FastAPI, with ONNX Runtime: answers `POST /api/cells` with a body that is an image.

    GIEMSA_ONNX=compact.onnx uvicorn --app-dir benches/peers --workers 2 fastapi_server:app

GIEMSA_ONNX is the file of `giemsa export builtin --to onnx`. Each worker runs the network with one thread. Preprocessing is that of
the model, as docs/model-file.md defines it, for images whose outside is black, as those of the NIH data set; it refuses others.
Images are classified in the worker's own thread: it takes a millisecond, and a pool of threads makes it slower.
"""

import io
import os

import numpy as np
import onnxruntime
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from PIL import Image, ImageOps

REFERENCE = (160, 128, 136)
BLACK_BELOW = 16
LEAST_EXPONENT = 0.2

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["GIEMSA_ONNX"], options, providers=["CPUExecutionProvider"])
metadata = session.get_modelmeta().custom_metadata_map
THRESHOLD = float(metadata["threshold"])
RED_CELL_THRESHOLD = float(metadata.get("red_cell_threshold", 0))
SIDE = session.get_inputs()[0].shape[1]
OUTPUTS = [output.name for output in session.get_outputs()]

app = FastAPI()


def channel_table(median: int, reference: int) -> np.ndarray:
    """Returns the normalised value of every byte of a channel."""
    byte = np.arange(256)
    if median > reference:
        return np.rint(byte * (reference / median)).astype(np.uint8)
    exponent = max(np.log(reference / 255) / np.log(max(median, 1) / 255), LEAST_EXPONENT)
    return np.rint(255 * (byte / 255) ** exponent).astype(np.uint8)


# One table per channel and median.
TABLES = [np.stack([channel_table(median, reference) for median in range(256)]) for reference in REFERENCE]


def preprocess(image: Image.Image) -> np.ndarray:
    right, bottom = image.width - 1, image.height - 1
    corners = [image.getpixel(place) for place in [(0, 0), (right, 0), (0, bottom), (right, bottom)]]
    if sum(max(corner) < BLACK_BELOW for corner in corners) < 2:
        raise ValueError("the outside of the cell is not black")
    pixels = np.array(ImageOps.pad(image, (SIDE, SIDE), Image.Resampling.BOX))
    cell = (pixels >= BLACK_BELOW).any(axis=2)
    if cell.any():
        medians = np.sort(pixels[cell], axis=0)[(cell.sum() - 1) // 2]
        for channel, median in enumerate(medians):
            pixels[..., channel] = TABLES[channel][median][pixels[..., channel]]
    pixels[~cell] = 0
    return pixels


def classify(body: bytes) -> dict:
    try:
        with Image.open(io.BytesIO(body)) as image:
            pixels = preprocess(image.convert("RGB"))
    except (OSError, ValueError) as error:
        return {"error": str(error)}
    outputs = dict(zip(OUTPUTS, session.run(OUTPUTS, {"image": pixels[None]})))
    if outputs.get("probability_red_cell", [1])[0] < RED_CELL_THRESHOLD:
        return {"error": "not a red cell"}
    parasitized = float(outputs["probability_parasitized"][0])
    name = "Parasitized" if parasitized >= THRESHOLD else "Uninfected"
    return {"class": name, "probability": {"Parasitized": parasitized, "Uninfected": 1 - parasitized}}


@app.post("/api/cells")
async def cells(request: Request) -> JSONResponse:
    return JSONResponse({"results": [classify(await request.body())]})
