"""Cross-validation on a cluster of Ray: each fold is a task."""

import json
import os
import pathlib
import tempfile
import tomllib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import ray

from giemsa import _giemsa
from giemsa._errors import TrainError
from giemsa._model import Path

_RETRIES = 10


class _Recipe(NamedTuple):
    """A built-in recipe, or the content of a file."""

    name: str
    content: bytes | None

    def argument(self, folder: pathlib.Path) -> str:
        """Return the built-in name, or write the content to a file in this folder and return its path."""
        if self.content is None:
            return self.name
        path = folder / f"{self.name}.toml"
        path.write_bytes(self.content)
        return str(path)


class _Validation(NamedTuple):
    """A cross-validation: of one recipe, with one seed."""

    folder: str
    recipe: _Recipe
    folds: int
    seed: int
    epochs: int | None

    def arguments(self, folder: pathlib.Path) -> dict[str, Any]:
        changes = {"epochs": self.epochs, "batch_size": None, "learning_rate": None}
        recipe = {"recipe": self.recipe.argument(folder), **changes}
        return {"folder": self.folder, "recipe": recipe, "folds": self.folds, "seed": self.seed}


def cross_validate(
    folder: Path,
    recipes: Iterable[Path] = ("compact",),
    folds: int = 5,
    seeds: Iterable[int] = (0,),
    *,
    destination: Path = "runs/cross-validation",
    epochs: int | None = None,
    cpus_per_fold: int = 1,
) -> list[dict[str, Any]]:
    """Cross-validate recipes by patient, each fold on any node of the cluster.

    The folder ``destination/RECIPE/seed-SEED`` receives, byte for byte, the files of ``giemsa cross-validate FOLDER --recipe
    RECIPE --folds FOLDS --seed SEED``. A fold whose process or node dies is trained again elsewhere. After an interruption,
    the same call trains only the folds that are missing.

    :param folder: the folder of images, which all nodes have at this path.
    :param recipes: built-in recipes, and the paths of .toml files on this machine.
    :param seeds: the seeds of the folds and of training; each recipe is cross-validated with each of them.
    :param destination: a folder of this machine.
    :param epochs: the number of epochs, if not that of the recipes.
    :param cpus_per_fold: the CPUs of a task, and its number of threads. The results do not depend on it.
    :returns: per recipe and seed ``recipe``, ``seed``, ``folder``, and the metrics of ``folds.json``: ``folds`` and
        ``spread``.
    :raises DataError: if the folder cannot be cross-validated.
    :raises TrainError: if the nodes have other images, or another instruction set, than this machine.
    """
    source = os.path.abspath(folder)
    of_names = {recipe.name: recipe for recipe in map(_recipe, recipes)}
    validations = {
        pathlib.Path(destination, name, f"seed-{seed}"): _Validation(source, recipe, folds, seed, epochs)
        for name, recipe in of_names.items()
        for seed in seeds
    }
    for out, validation in validations.items():
        _call(_giemsa.begin_cross_validation, validation, out)
    _train(validations, cpus_per_fold)
    for out, validation in validations.items():
        # All folds are finished, so this writes the report.
        _call(_giemsa.cross_validate, validation, out)
    return [_result(validation, out) for out, validation in validations.items()]


def _recipe(recipe: Path) -> _Recipe:
    path = pathlib.Path(recipe)
    if path.suffix.lower() == ".toml":
        return _Recipe(path.stem, path.read_bytes())
    return _Recipe(os.fspath(recipe), None)


def _call(function: Callable[..., None], validation: _Validation, out: pathlib.Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        function(validation.arguments(pathlib.Path(place)), out, None)


def _train(validations: dict[pathlib.Path, _Validation], cpus_per_fold: int) -> None:
    """Train the folds that are not finished, and store the files of each when it is."""
    task = ray.remote(_train_fold).options(num_cpus=cpus_per_fold, max_retries=_RETRIES)
    running = {
        task.remote(validation, fold, cpus_per_fold): out
        for out, validation in validations.items()
        for fold in range(1, validation.folds + 1)
        if not (out / f"fold-{fold}" / "predictions.csv").exists()
    }
    while running:
        [done], _ = ray.wait(list(running), num_returns=1)
        try:
            files = ray.get(done)
        except ray.exceptions.RayTaskError as error:
            # The exception of the task itself, such as a DataError.
            raise error.cause from None
        _store(files, running.pop(done))


def _train_fold(validation: _Validation, fold: int, threads: int) -> dict[str, bytes]:
    """Train and evaluate a fold on this node, and return its files."""
    with tempfile.TemporaryDirectory() as place:
        out = pathlib.Path(place, "out")
        _giemsa.cross_validate_fold(validation.arguments(pathlib.Path(place)), fold, out, threads)
        files = [path for path in out.rglob("*") if path.is_file() and not path.name.startswith(".")]
        return {str(path.relative_to(out)): path.read_bytes() for path in files}


def _store(files: dict[str, bytes], out: pathlib.Path) -> None:
    """Write the files of a fold; the one that marks it as finished is the last."""
    settings = out / "settings.toml"
    here, there = (tomllib.loads(text.decode()) for text in (settings.read_bytes(), files.pop("settings.toml")))
    if here != there:
        different = ", ".join(name for name in here if here[name] != there.get(name))
        raise TrainError(f"{settings}: a node has other values of {different}", settings)
    for name in sorted(files, key=lambda name: name.endswith("/predictions.csv")):
        path = out / name
        path.parent.mkdir(exist_ok=True)
        written = path.with_name(f".giemsa-{path.name}")
        written.write_bytes(files[name])
        written.replace(path)


def _result(validation: _Validation, out: pathlib.Path) -> dict[str, Any]:
    metrics = json.loads((out / "folds.json").read_text())
    return {"recipe": validation.recipe.name, "seed": validation.seed, "folder": out, **metrics}
