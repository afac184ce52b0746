"""Predictions for Arrow batches."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import giemsa

COLUMNS = ["path", "probability_parasitized", "class", "error", "model_sha256"]


def batch(cells: list[Path], image: Callable[[list[bytes]], Any]) -> pa.RecordBatch:
    contents = [path.read_bytes() for path in cells]
    return pa.record_batch({"path": pa.array([path.name for path in cells]), "image": image(contents)})


TYPES: dict[str, Callable[[list[bytes]], Any]] = {
    "binary": lambda contents: pa.array(contents, pa.binary()),
    "large_binary": lambda contents: pa.array(contents, pa.large_binary()),
    "binary_view": lambda contents: pa.array(contents, pa.binary_view()),
    "dictionary": lambda contents: pa.array(contents, pa.binary()).dictionary_encode(),
    "struct": lambda contents: pa.array([{"bytes": content, "path": "ignored"} for content in contents]),
}


@pytest.mark.parametrize("image", TYPES.values(), ids=TYPES)
def test_all_types_give_the_probabilities_of_the_model(
    image: Callable[[list[bytes]], Any], model: giemsa.Model, cells: list[Path]
) -> None:
    result = giemsa.score_batch(batch(cells, image))
    result.validate(full=True)
    assert result.schema == giemsa.score_schema() and result.schema.names == COLUMNS
    assert result.column("path").to_pylist() == [path.name for path in cells]
    expected = model.predict_proba(cells)[:, 0]
    np.testing.assert_array_equal(result.column("probability_parasitized").to_numpy(), expected)
    assert result.column("class").to_pylist() == ["Parasitized"] * 2 + ["Uninfected"] * 2
    assert result.column("error").to_pylist() == [None] * 4
    assert set(result.column("model_sha256").to_pylist()) == {model.sha256}


def test_the_path_of_a_struct_is_used_without_a_column_of_paths(cells: list[Path]) -> None:
    structs: list[Any] = [{"bytes": path.read_bytes(), "path": path.name} for path in cells]
    result = giemsa.score_batch(pa.record_batch({"image": pa.array([*structs, None])}))
    assert result.column("path").to_pylist() == [path.name for path in cells] + [None]
    assert result.column("error").to_pylist() == [None] * 4 + ["the image is null"]


def test_a_bad_image_is_a_row_with_an_error(cells: list[Path]) -> None:
    good = cells[0].read_bytes()
    bad = [b"", b"text", good[:100], b"GIF89a", None]
    rows = giemsa.score_batch(
        pa.record_batch({"path": ["a", "b", "c", "d", "e", "f"], "image": [good, *bad]})
    ).to_pylist()
    assert rows[0]["class"] == "Parasitized" and rows[0]["error"] is None
    assert rows[1]["error"] == "the file is empty"
    assert rows[2]["error"] == "expected a PNG, JPEG, TIFF or BMP image, found text"
    assert rows[3]["error"].startswith("damaged PNG image: ")
    assert rows[5]["error"] == "the image is null"
    assert all(row["class"] is None and row["probability_parasitized"] is None for row in rows[1:])


def test_an_image_that_is_no_red_cell_has_a_reason_and_no_class(not_a_cell: bytes) -> None:
    row = giemsa.score_batch(pa.record_batch({"path": ["a"], "image": [not_a_cell]})).to_pylist()[0]
    assert row["class"] is None and row["error"] == "not a red cell"


def test_a_slice_of_a_batch_has_the_rows_of_the_slice(cells: list[Path]) -> None:
    whole = batch(cells, TYPES["binary"])
    assert giemsa.score_batch(whole.slice(1, 2)).to_pylist() == giemsa.score_batch(whole).to_pylist()[1:3]


def test_an_empty_batch_has_an_empty_result(cells: list[Path]) -> None:
    result = giemsa.score_batch(batch(cells, TYPES["binary"]).slice(0, 0))
    assert result.num_rows == 0 and result.schema == giemsa.score_schema()


def test_accepts_any_object_with_the_arrow_interface(cells: list[Path]) -> None:
    class Foreign:
        def __init__(self, inner: pa.RecordBatch) -> None:
            self.inner = inner

        def __arrow_c_array__(self, requested_schema: object | None = None, /) -> tuple[object, object]:
            capsules: tuple[object, object] = self.inner.__arrow_c_array__(requested_schema)
            return capsules

    whole = batch(cells, TYPES["binary"])
    assert giemsa.score_batch(Foreign(whole)).equals(giemsa.score_batch(whole))


def test_wrong_columns_raise_with_what_was_expected_and_found(cells: list[Path]) -> None:
    wrong: list[tuple[Any, type[Exception], str]] = [
        (pa.record_batch({"path": ["a"]}), ValueError, r"expected a column image, found \['path'\]"),
        (pa.record_batch({"image": [b"a"]}), ValueError, r"expected a column path, found \['image'\]"),
        (pa.record_batch({"path": ["a"], "image": ["b"]}), TypeError, "expected binary, .* found string"),
        (pa.record_batch({"path": [1], "image": [b"b"]}), TypeError, "path: expected string, found int64"),
        (pa.record_batch({"path": ["a"], "image": [{"x": 1}]}), TypeError, r"expected the struct \{bytes, path\}"),
        ({"path": ["a"], "image": [b"b"]}, TypeError, "expected an Arrow record batch, found dict"),
    ]
    for record_batch, error, message in wrong:
        with pytest.raises(error, match=message):
            giemsa.score_batch(record_batch)


def test_the_model_is_a_model_or_its_file(model: giemsa.Model, cells: list[Path], tmp_path: Path) -> None:
    whole = batch(cells, TYPES["binary"])
    expected = giemsa.score_batch(whole)
    assert giemsa.score_batch(whole, model).equals(expected)
    assert giemsa.score_batch(whole, pickle.loads(pickle.dumps(model)), threads=1).equals(expected)
    with pytest.raises(giemsa.ModelError, match="missing.safetensors: No such file"):
        giemsa.score_batch(whole, tmp_path / "missing.safetensors")
