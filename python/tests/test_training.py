"""Training in a folder: callbacks, Ctrl-C and resuming."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import giemsa


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "cells"
    giemsa.draw_cells(folder, images=160, patients=8, seed=1)
    return folder


def test_the_callback_receives_each_epoch(folder: Path, tmp_path: Path, tiny_recipe: Path, cells: list[Path]) -> None:
    rows: list[dict[str, Any]] = []
    run = giemsa.train(folder, recipe=tiny_recipe, callback=rows.append, out=tmp_path / "run", epochs=3)
    assert [row["epoch"] for row in rows] == [1, 2, 3] and rows == run.history and run.is_complete
    keys = {"epoch", "loss", "acc", "val_loss", "val_acc", "learning_rate", "elapsed_s"}
    assert set(rows[0]) == keys
    # The file of the program has the same rows.
    assert len((run.folder / "history.csv").read_text().splitlines()) == 4
    assert run.model.predict_proba(cells).shape == (4, 2) and run.model.recipe == "tiny"


def test_ctrl_c_saves_and_resuming_gives_the_same_weights(folder: Path, tmp_path: Path) -> None:
    code = f"""
import giemsa
def started(row):
    print(row["epoch"], flush=True)
try:
    giemsa.train({str(folder)!r}, out={str(tmp_path / "stopped")!r}, epochs=8, seed=4, callback=started)
except KeyboardInterrupt as error:
    print(*error.__notes__)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "1\n"
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert f"the run is saved in {tmp_path / 'stopped'}; giemsa.resume(" in output

    stopped = giemsa.resume(tmp_path / "stopped")
    assert stopped.is_complete and [row["epoch"] for row in stopped.history] == list(range(1, 9))
    whole = giemsa.train(folder, out=tmp_path / "whole", epochs=8, seed=4)
    weights = [(run.folder / "model.safetensors").read_bytes() for run in (stopped, whole)]
    assert weights[0] == weights[1]


def test_an_exception_of_the_callback_stops_the_run_which_is_saved(
    folder: Path, tmp_path: Path, tiny_recipe: Path
) -> None:
    def fail(row: dict[str, Any]) -> None:
        if row["epoch"] == 2:
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine") as raised:
        giemsa.train(folder, recipe=tiny_recipe, callback=fail, out=tmp_path / "run", epochs=4)
    assert "the run is saved" in raised.value.__notes__[0]
    assert len(giemsa.resume(tmp_path / "run").history) == 4


def test_false_stops_the_run(folder: Path, tmp_path: Path, tiny_recipe: Path) -> None:
    run = giemsa.train(folder, recipe=tiny_recipe, callback=lambda row: False, out=tmp_path / "run", epochs=4)
    assert not run.is_complete and len(run.history) == 1


def test_the_callback_can_predict_on_the_only_thread(
    folder: Path, tmp_path: Path, tiny_recipe: Path, model: giemsa.Model, cells: list[Path]
) -> None:
    predicted = []
    giemsa.train(
        folder,
        recipe=tiny_recipe,
        callback=lambda row: predicted.append(model.predict(cells, threads=1)),
        out=tmp_path / "run",
        epochs=2,
        threads=1,
    )
    assert len(predicted) == 2


def test_the_default_folder_is_the_next_one_of_the_recipe(
    folder: Path, tmp_path: Path, tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = [giemsa.train(folder, recipe=tiny_recipe, epochs=1).folder for _ in range(2)]
    assert runs == [Path("runs/tiny-1"), Path("runs/tiny-2")]


def test_wrong_arguments_raise_before_anything_is_written(folder: Path, tmp_path: Path, tiny_recipe: Path) -> None:
    out = tmp_path / "run"
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"recipe": "none"}, giemsa.TrainError, "unknown recipe `none`"),
        ({"recipe": tmp_path / "none.toml"}, giemsa.TrainError, "none.toml: No such file"),
        ({"epochs": 0}, ValueError, "epochs: expected an integer in 1..=4294967295, found 0"),
        ({"learning_rate": -1.0}, giemsa.TrainError, "learning_rate"),
        ({"split_by": "cell"}, ValueError, "split_by: expected 'patient' or 'image', found 'cell'"),
        ({"validation_split": 1.0}, ValueError, "validation_split: expected a fraction between 0 and 1, found 1"),
        ({"validation": tmp_path / "none"}, giemsa.DataError, "none"),
        ({"seed": -1}, ValueError, "seed: expected an integer in 0..=9223372036854775807, found -1"),
        ({"epochs": 2.5}, TypeError, "epochs: expected an integer, found 2.5"),
        ({"batch_size": -3}, ValueError, "batch_size: expected an integer in 1..=4294967295, found -3"),
    ]
    for options, error, message in wrong:
        with pytest.raises(error, match=message):
            giemsa.train(folder, out=out, **{"recipe": tiny_recipe, **options})
    assert not out.exists()
    with pytest.raises(giemsa.DataError, match="no such folder"):
        giemsa.train(tmp_path / "none", out=out)
    with pytest.raises(giemsa.DataError, match="no class folders"):
        giemsa.train(tmp_path, out=out)
    with pytest.raises(giemsa.TrainError, match="expected a new or empty folder"):
        giemsa.train(folder, recipe=tiny_recipe, out=folder)
    with pytest.raises(giemsa.TrainError, match="not the folder of a training run"):
        giemsa.resume(folder)


def test_an_unreadable_image_is_a_warning(tmp_path: Path, tiny_recipe: Path) -> None:
    folder = tmp_path / "cells"
    giemsa.draw_cells(folder, images=200, patients=8)
    (folder / "Uninfected/C9P9thinF_broken.png").write_text("no image")
    with pytest.warns(UserWarning, match="skipped .*C9P9thinF_broken.png: expected a PNG"):
        giemsa.train(folder, recipe=tiny_recipe, out=tmp_path / "run", epochs=1)


def test_drawing_refuses_a_folder_with_files_and_too_few_patients(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(giemsa.DataError, match="expected a new or empty folder"):
        giemsa.draw_cells(folder)
    with pytest.raises(ValueError, match="patients: expected an integer in 4..=1000000, found 0"):
        giemsa.draw_cells(tmp_path / "new", patients=0)
    with pytest.raises(ValueError, match="parasitaemia: expected a fraction in 0..=1, found 2"):
        giemsa.draw_smears(tmp_path / "new", parasitaemia=2)
