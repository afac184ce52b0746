"""Models: loading, classes, thresholds, refusal, explanation."""

import json
import pickle
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest

import giemsa

TARGET = Path(__file__).parents[2] / "target"
PROGRAMS = [path for path in (TARGET / "release/giemsa", TARGET / "debug/giemsa") if path.exists()]


def test_classifies_the_cells_of_the_documentation(model: giemsa.Model, cells: list[Path]) -> None:
    assert model.classes_.tolist() == list(giemsa.CLASSES) == ["Parasitized", "Uninfected"]
    probabilities = model.predict_proba(cells)
    assert probabilities.dtype == np.float64 and probabilities.shape == (4, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-12)
    assert (probabilities[:2, 0] > 0.9).all() and (probabilities[2:, 0] < 0.2).all()
    assert model.predict(cells).tolist() == ["Parasitized"] * 2 + ["Uninfected"] * 2


@pytest.mark.skipif(not PROGRAMS, reason="the program is not built")
@pytest.mark.parametrize("tta", [False, True])
def test_probabilities_are_those_of_the_program(tta: bool, model: giemsa.Model, cells: list[Path]) -> None:
    options = ["predict", "--format", "jsonl", *(["--tta"] if tta else [])]
    command: list[str | Path] = [PROGRAMS[0], *options, *cells]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [json.loads(line) for line in output.splitlines()]
    expected = [row["probability"]["Parasitized"] for row in rows]
    np.testing.assert_allclose(model.predict_proba(cells, tta=tta)[:, 0], expected, atol=1e-7)
    assert model.predict(cells, tta=tta).tolist() == [row["class"] for row in rows]


def test_an_image_that_is_no_red_cell_has_no_class(model: giemsa.Model, not_a_cell: bytes) -> None:
    assert model.predict([not_a_cell]).tolist() == [None]
    assert model.predict([not_a_cell], any_image=True)[0] in giemsa.CLASSES


def test_a_photograph_of_a_field_raises(model: giemsa.Model, smear: Path) -> None:
    with pytest.raises(giemsa.ImageError, match="a smear photograph with about [0-9]+ cells, not one cell"):
        model.predict([smear])


def test_the_built_in_model_has_a_card_and_a_threshold(model: giemsa.Model) -> None:
    assert model.card is not None and giemsa.RESEARCH_ONLY.rstrip(".") in model.card.replace("**", "")
    # The threshold is in the card, with four decimals.
    assert f"p ≥ {model.threshold:.4f}" in model.card
    assert model.recipe == "compact" and len(model.sha256) == 64 and model.sha256[:12] in repr(model)


def test_the_threshold_decides(model: giemsa.Model, cells: list[Path]) -> None:
    parasitized = model.predict_proba(cells)[:, 0] >= model.threshold
    assert (model.predict(cells) == np.where(parasitized, "Parasitized", "Uninfected")).all()


def test_a_model_can_be_pickled(model: giemsa.Model, cells: list[Path]) -> None:
    copy = pickle.loads(pickle.dumps(model))
    assert copy.sha256 == model.sha256
    np.testing.assert_array_equal(copy.predict_proba(cells), model.predict_proba(cells))


def test_model_files_that_cannot_be_read_raise_with_their_name(tmp_path: Path) -> None:
    text = tmp_path / "text.safetensors"
    text.write_text("no model")
    for path, message in [(text, "not a safetensors file"), (tmp_path, "expected a file, found a folder")]:
        with pytest.raises(giemsa.ModelError, match=message) as raised:
            giemsa.Model.load(path)
        assert Path(raised.value.path) == path and str(path) in str(raised.value)
    error = pickle.loads(pickle.dumps(raised.value))
    assert isinstance(error, giemsa.ModelError) and str(error) == str(raised.value)


def test_explains_where_the_evidence_is(model: giemsa.Model, cells: list[Path]) -> None:
    values = model.explain(cells[0])
    assert values.shape == (16, 16) and values.dtype == np.float32
    # Covering the parasite takes the evidence for Parasitized away.
    assert values.max() > 1.0
    np.testing.assert_array_equal(model.explain(cells[0].read_bytes(), threads=1), values)
    with pytest.raises(giemsa.ImageError, match="missing.png"):
        model.explain("missing.png")


def test_other_threads_run_while_it_computes(model: giemsa.Model, cells: list[Path]) -> None:
    ticks = 0
    stop = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not stop.wait(0.001):
            ticks += 1

    thread = threading.Thread(target=tick)
    thread.start()
    before = ticks
    # With the interpreter's lock, no other thread could count.
    model.explain(cells[0], threads=1)
    counted = ticks - before
    stop.set()
    thread.join()
    assert counted >= 5
