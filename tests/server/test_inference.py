"""Triton's client against the server."""

import base64

import numpy as np
import pytest
import tritonclient.http as triton
from PIL import Image
from tritonclient.utils import InferenceServerException

from conftest import CELLS, Server

OUTPUTS = ["probability_parasitized", "class", "cell", "error"]


@pytest.fixture(scope="module")
def client(server: Server) -> triton.InferenceServerClient:
    return triton.InferenceServerClient(server.address)


def tensor(array: np.ndarray, datatype: str, binary: bool = True) -> list[triton.InferInput]:
    tensor = triton.InferInput("image", array.shape, datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return [tensor]


def files(contents: list[bytes]) -> list[triton.InferInput]:
    return tensor(np.array(contents, dtype=object), "BYTES")


def check(result: triton.InferResult, rows: list[dict]) -> None:
    probabilities = [row["probability"]["Parasitized"] for row in rows]
    assert np.allclose(result.as_numpy("probability_parasitized"), probabilities, rtol=0, atol=1e-6)
    assert np.allclose(result.as_numpy("cell"), [row["cell"] for row in rows], rtol=0, atol=1e-6)
    classes = [name.decode() if isinstance(name, bytes) else name for name in result.as_numpy("class")]
    assert classes == [row["class"] for row in rows]


def test_metadata(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live() and client.is_server_ready()
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    model = client.get_model_metadata("compact")
    assert [output["name"] for output in model["outputs"]] == OUTPUTS
    version = model["versions"][0]
    assert client.get_model_metadata("compact", version) == model
    assert client.is_model_ready("compact") and client.is_model_ready("compact", version)
    assert not client.is_model_ready("other") and not client.is_model_ready("compact", "1")


@pytest.mark.parametrize("binary_output", [True, False])
def test_files_in_binary_data(client, expected, binary_output: bool) -> None:
    outputs = [triton.InferRequestedOutput(name, binary_data=binary_output) for name in OUTPUTS]
    result = client.infer("compact", files([cell.read_bytes() for cell in CELLS]), outputs=outputs, request_id="7")
    check(result, expected)
    assert result.get_response()["id"] == "7"
    assert result.get_response()["parameters"]["notice"] == "For research use only, not for diagnosis."


def test_all_outputs_without_a_list(client, expected) -> None:
    version = client.get_model_metadata("compact")["versions"][0]
    result = client.infer("compact", files([cell.read_bytes() for cell in CELLS]), model_version=version)
    check(result, expected)
    assert result.get_response()["model_version"] == version


def test_files_in_json(client, expected) -> None:
    texts = np.array([base64.b64encode(cell.read_bytes()) for cell in CELLS], dtype=object)
    check(client.infer("compact", tensor(texts, "BYTES", binary=False)), expected)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("datatype", ["UINT8", "FP32"])
def test_pixels(client, expected, datatype: str, binary: bool) -> None:
    for cell, row in zip(CELLS, expected, strict=True):
        pixels = np.asarray(Image.open(cell).convert("RGB"))
        if datatype == "FP32":
            pixels = pixels.astype(np.float32) / 255
        check(client.infer("compact", tensor(pixels[np.newaxis], datatype, binary)), [row])


def test_a_batch_of_pixels(client) -> None:
    pixels = np.stack([np.asarray(Image.open(cell).convert("RGB").resize((80, 80))) for cell in CELLS])
    single = [client.infer("compact", tensor(image[np.newaxis], "UINT8")) for image in pixels]
    both = client.infer("compact", tensor(pixels, "UINT8")).as_numpy("probability_parasitized")
    assert np.allclose(both, [result.as_numpy("probability_parasitized")[0] for result in single], atol=1e-6)
    assert len({round(float(probability), 4) for probability in both}) == len(CELLS)


def test_a_bad_image_fails_by_itself(client, expected) -> None:
    result = client.infer("compact", files([CELLS[0].read_bytes(), b"text", CELLS[1].read_bytes()]))
    probabilities = result.as_numpy("probability_parasitized")
    assert np.allclose(probabilities[[0, 2]], [row["probability"]["Parasitized"] for row in expected[:2]], atol=1e-6)
    assert probabilities[1] == -1 and result.as_numpy("cell")[1] == -1
    assert result.as_numpy("class")[1] == b""
    assert list(result.as_numpy("error")) == [b"", b"expected a PNG, JPEG, TIFF or BMP image, found text", b""]


@pytest.mark.parametrize(
    ("model", "inputs", "status", "message"),
    [
        ("other", files([b"x"]), "404", "no model 'other'"),
        ("compact", tensor(np.zeros((1, 2, 2, 3), np.float64), "FP64"), "400", "BYTES, UINT8 or FP32"),
        ("compact", tensor(np.zeros((1, 3, 8, 8), np.uint8), "UINT8"), "400", r"\[N, height, width, 3\]"),
        ("compact", tensor(np.full((1, 2, 2, 3), 255, np.float32), "FP32"), "400", "0.0..=1.0"),
        ("compact", files([b"x"] * 1001), "400", "1 to 1000 images"),
    ],
)
def test_errors(client, model: str, inputs, status: str, message: str) -> None:
    with pytest.raises(InferenceServerException, match=message) as error:
        client.infer(model, inputs)
    assert error.value.status() == status


def test_compressed_requests_are_refused(client) -> None:
    with pytest.raises(InferenceServerException, match="compressed"):
        client.infer("compact", files([b"x"]), request_compression_algorithm="gzip")
