"""Files of other tools."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import giemsa
from giemsa._formats import Format


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("format", get_args(Format))
def test_a_round_trip_gives_the_same_probabilities(format: Format, image: np.ndarray, tmp_path: Path) -> None:
    file, out = tmp_path / "file", tmp_path / "model.safetensors"
    giemsa.export_model(None, file, format)
    imported = giemsa.import_model(file, out)
    expected = giemsa.Model.load()
    assert imported.recipe == "compact"
    assert imported.threshold == expected.threshold
    assert np.array_equal(imported.predict_proba([image]), expected.predict_proba([image]))
    assert giemsa.Model.load(out).sha256 == imported.sha256


def test_existing_files_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "file.onnx"
    file.write_text("mine")
    with pytest.raises(FileExistsError, match=r"file\.onnx"):
        giemsa.export_model(None, file, "onnx")
    assert file.read_text() == "mine"
    giemsa.export_model(None, file, "onnx", overwrite=True)
    with pytest.raises(FileExistsError, match=r"file\.onnx"):
        giemsa.import_model(file, file)


def test_errors_name_the_file_and_what_was_expected(tmp_path: Path) -> None:
    file = tmp_path / "network.onnx"
    file.write_text("hello, world")
    with pytest.raises(giemsa.ModelError, match=r"network\.onnx.*found a file that starts with") as caught:
        giemsa.import_model(file, tmp_path / "out")
    assert caught.value.path == file
    with pytest.raises(giemsa.ModelError, match=r"missing\.onnx: No such file"):
        giemsa.import_model(tmp_path / "missing.onnx", tmp_path / "out")
    with pytest.raises(ValueError, match="format: expected one of onnx, keras"):
        giemsa.export_model(None, tmp_path / "out", "pickle")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="probability_of: expected Parasitized or Uninfected, found Falciparum"):
        giemsa.import_model(file, tmp_path / "out", probability_of="Falciparum")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown recipe `nonsense`"):
        giemsa.import_model(file, tmp_path / "out", recipe="nonsense")
    assert not (tmp_path / "out").exists()
