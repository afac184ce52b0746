"""Cross-validation on two nodes of Ray."""

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster
from shared import NODE, processes, wait_for

import giemsa
import giemsa.ray
from giemsa import _giemsa
from giemsa._ray_cross_validation import _store

pytestmark = pytest.mark.usefixtures("cluster")

PROGRAM = os.environ.get("GIEMSA_PROGRAM")
"""The program; without it, its function in the package."""

RECIPE = """
name = "small"
layers = [
    { kind = "conv2d", filters = 16, kernel = 2, activation = "relu" },
    { kind = "max_pooling2d" },
    { kind = "flatten" },
    { kind = "dense", units = 1, activation = "sigmoid" },
]
input = { side_px = 32, resize = "stretch_nearest" }
training = { epochs = 2, batch_size = 20, learning_rate = 0.001 }
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = tmp_path_factory.mktemp("recipes") / "small.toml"
    recipe.write_text(RECIPE)
    return recipe


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def cross_validate_here(folder: Path, recipe: Path | str, folds: int, seed: int, epochs: int, out: Path) -> None:
    """Cross-validate on this machine, as a user does."""
    if PROGRAM is None:
        arguments = {"recipe": str(recipe), "epochs": epochs, "batch_size": None, "learning_rate": None}
        _giemsa.cross_validate({"folder": folder, "recipe": arguments, "folds": folds, "seed": seed}, out, None)
    else:
        options = ["--recipe", recipe, "--folds", folds, "--seed", seed, "--epochs", epochs, "--out", out]
        run = subprocess.run(
            [PROGRAM, "cross-validate", folder, *map(str, options)], capture_output=True, text=True, check=False
        )
        # 5: some images are unreadable.
        assert run.returncode in (0, 5), run.stderr


def test_the_files_are_those_of_one_machine(folder: Path, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    results = giemsa.ray.cross_validate(folder, ["keras-tutorial", recipe], 3, [0, 7], destination=out, epochs=1)
    names = [(result["recipe"], result["seed"]) for result in results]
    assert names == [("keras-tutorial", 0), ("keras-tutorial", 7), ("small", 0), ("small", 7)]
    for result in results:
        name, seed = result["recipe"], result["seed"]
        alone = tmp_path / f"alone-{name}-{seed}"
        cross_validate_here(folder, recipe if name == "small" else name, 3, seed, 1, alone)
        assert result["folder"] == out / name / f"seed-{seed}"
        found = files_in(result["folder"])
        assert found == files_in(alone)
        assert {"settings.toml", "index.html", "folds.json", "fold-3/predictions.csv"} <= found.keys()
        assert len(result["folds"]) == 3 and 0 <= result["spread"]["accuracy"]["mean"] <= 1


def kill_worker(cluster: Cluster) -> None:
    os.kill(processes("ray::_train_fold")[0], signal.SIGKILL)


def kill_node(cluster: Cluster) -> None:
    [node] = cluster.worker_nodes
    cluster.remove_node(node, allow_graceful=False)


@pytest.mark.parametrize("kill", [kill_worker, kill_node])
def test_a_fold_whose_process_dies_is_trained_again(
    kill: Callable[[Cluster], None], cluster: Cluster, folder: Path, recipe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    at_kill: list[int] = []

    def finished() -> int:
        return len(list(out.glob("*/*/*/predictions.csv")))

    def wait_and_kill() -> None:
        # A fold, and on each node if there are two.
        wait_for(lambda: len(processes("ray::_train_fold")) == 2 or finished() == 1)
        at_kill.append(finished())
        kill(cluster)

    killer = threading.Thread(target=wait_and_kill)
    killer.start()
    [result] = giemsa.ray.cross_validate(folder, [recipe], 3, destination=out, epochs=100)
    killer.join()
    if not cluster.worker_nodes:
        cluster.add_node(**NODE)
    assert at_kill and at_kill[0] < 2
    cross_validate_here(folder, recipe, 3, 0, 100, tmp_path / "alone")
    assert files_in(result["folder"]) == files_in(tmp_path / "alone")


def test_finished_folds_are_not_trained_again(folder: Path, recipe: Path, tmp_path: Path) -> None:
    [result] = giemsa.ray.cross_validate(folder, [recipe], 2, destination=tmp_path)
    before = files_in(result["folder"])
    times = {path: path.stat().st_mtime_ns for path in result["folder"].glob("fold-*/*")}
    (result["folder"] / "fold-2/predictions.csv").unlink()
    giemsa.ray.cross_validate(folder, [recipe], 2, destination=tmp_path)
    assert files_in(result["folder"]) == before
    assert all(path.stat().st_mtime_ns == time for path, time in times.items() if "fold-1" in str(path))


def test_other_settings_are_refused(folder: Path, recipe: Path, tmp_path: Path) -> None:
    giemsa.ray.cross_validate(folder, [recipe], 2, destination=tmp_path)
    with pytest.raises(giemsa.TrainError, match=r"begun with 2 folds"):
        giemsa.ray.cross_validate(folder, [recipe], 3, destination=tmp_path)


def test_a_node_with_another_instruction_set_is_an_error(folder: Path, recipe: Path, tmp_path: Path) -> None:
    [result] = giemsa.ray.cross_validate(folder, [recipe], 2, destination=tmp_path)
    out = result["folder"]
    settings = (out / "settings.toml").read_text()
    there = re.sub('instruction_set = ".*"', 'instruction_set = "another"', settings)
    with pytest.raises(giemsa.TrainError, match="a node has other values of instruction_set"):
        _store({"settings.toml": there.encode(), "fold-1/predictions.csv": b"wrong"}, out)
    assert b"wrong" not in files_in(out)["fold-1/predictions.csv"]


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(giemsa.DataError, match="missing"):
        giemsa.ray.cross_validate(tmp_path / "missing", ["keras-tutorial"], 3, destination=tmp_path / "out")
