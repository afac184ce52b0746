"""Broken input never ends the interpreter, and memory does not grow."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow as pa
import pytest

import giemsa

MUTATIONS = 10_000


def originals(cell: Path) -> list[bytes]:
    """Small files of every format, in several colour modes."""
    image = PIL.Image.open(cell).convert("RGB").resize((40, 36))
    files = []
    kinds: list[tuple[str, str, dict[str, Any]]] = [
        ("RGB", "png", {}),
        ("P", "png", {}),
        ("RGBA", "png", {}),
        ("L", "png", {}),
        ("RGB", "jpeg", {}),
        ("L", "jpeg", {}),
        ("RGB", "jpeg", {"progressive": True}),
        ("RGB", "bmp", {}),
        ("P", "bmp", {}),
        ("RGB", "tiff", {}),
        ("RGB", "tiff", {"compression": "tiff_lzw"}),
        ("L", "tiff", {"compression": "tiff_adobe_deflate"}),
    ]
    for mode, file_format, options in kinds:
        file = io.BytesIO()
        image.convert(mode).save(file, file_format, **options)
        files.append(file.getvalue())
    return files


def mutated(original: bytes, random: np.random.Generator) -> bytes:
    content = bytearray(original)
    match random.integers(4):
        case 0:
            del content[random.integers(len(content)) :]
        case 1:
            start = random.integers(len(content))
            del content[start : start + random.integers(1, 40)]
        case 2:
            start = random.integers(len(content))
            content[start:start] = random.bytes(int(random.integers(1, 40)))
    # Half of the changes are in the header, where lengths and offsets are.
    for _ in range(random.integers(1, 6)):
        if content:
            end = min(len(content), 80) if random.random() < 0.5 else len(content)
            content[random.integers(end)] = random.integers(256)
    return bytes(content)


def test_mutated_images_are_rows_with_a_class_or_an_error(cells: list[Path]) -> None:
    random, files = np.random.default_rng(1), originals(cells[0])
    readable = 0
    for start in range(0, MUTATIONS, 500):
        images = [mutated(files[index % len(files)], random) for index in range(start, start + 500)]
        rows = giemsa.score_batch(pa.record_batch({"path": [str(start)] * 500, "image": images})).to_pylist()
        assert len(rows) == 500
        for row in rows:
            assert (row["class"] is None) == (row["error"] is not None) and row["error"] != ""
            readable += row["probability_parasitized"] is not None
    # Both kinds of results occur.
    assert 500 < readable < MUTATIONS - 500


def test_mutated_images_raise_only_image_errors(model: giemsa.Model, cells: list[Path]) -> None:
    random, files = np.random.default_rng(2), originals(cells[0])
    for index in range(600):
        content = mutated(files[index % len(files)], random)
        for predict in (model.predict, giemsa.count) if index % 20 == 0 else (model.predict,):
            try:
                predict([content])
            except giemsa.ImageError as error:
                assert str(error).startswith(("images[0]: ", "photographs[0]: "))


def test_random_arrays_raise_or_are_predicted(model: giemsa.Model) -> None:
    random = np.random.default_rng(3)
    dtypes = [np.uint8, np.int8, np.uint16, np.float32, np.bool_, np.complex64, object, "U3", "datetime64[s]"]
    for _ in range(500):
        shape = tuple(random.choice([0, 1, 2, 3, 4, 30], size=random.integers(0, 5)))
        array: Any = np.zeros(shape, dtype=dtypes[random.integers(len(dtypes))])
        for images in (array, [array]):
            try:
                assert len(model.predict(images)) > 0
            except (ValueError, TypeError) as error:
                assert str(error)


def test_mutated_models_raise_model_errors(model: giemsa.Model, tmp_path: Path, tiny_recipe: Path) -> None:
    folder = tmp_path / "cells"
    giemsa.draw_cells(folder, images=40, patients=4)
    run = giemsa.train(folder, recipe=tiny_recipe, out=tmp_path / "run", epochs=1)
    original = (run.folder / "model.safetensors").read_bytes()
    random, path = np.random.default_rng(4), tmp_path / "mutated.safetensors"
    for _ in range(300):
        path.write_bytes(mutated(original, random))
        with pytest.raises(giemsa.ModelError, match="mutated.safetensors"):
            giemsa.Model.load(path)


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def test_memory_does_not_grow(model: giemsa.Model, cells: list[Path]) -> None:
    contents = [path.read_bytes() for path in cells] * 50
    arrays = [np.asarray(PIL.Image.open(path).convert("RGB")) for path in cells] * 50
    batch = pa.record_batch({"path": ["a"] * 200, "image": contents})

    def work(rounds: int) -> float:
        for _ in range(rounds):
            model.predict(arrays)
            model.predict(contents)
            giemsa.score_batch(batch)
        return resident_mb()

    before = work(3)
    # Keeping what one round copies would add more than 60 MB.
    assert work(10) < before + 30
