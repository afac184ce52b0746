"""Training in a folder, from which a run can be resumed."""

import dataclasses
import os
import pathlib
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypedDict

from giemsa import _giemsa
from giemsa._check import MAX_COUNT, MAX_SEED, integer
from giemsa._model import Model, Path

Callback: TypeAlias = Callable[[dict[str, Any]], object]
"""Receives ``epoch``, ``loss``, ``acc``, ``val_loss``, ``val_acc``, ``learning_rate`` and ``elapsed_s``."""


class RecipeArguments(TypedDict):
    """A recipe and the changes to it."""

    recipe: str
    epochs: int | None
    batch_size: int | None
    learning_rate: float | None


class SetArguments(TypedDict):
    """The images of a run."""

    validation: Path | None
    validation_split: float
    split_by_image: bool
    negatives: Path | None
    not_cells: Path | None
    seed: int


@dataclasses.dataclass(frozen=True)
class Run:
    """A training run. For research use only, not for diagnosis."""

    folder: pathlib.Path
    """The folder, with ``model.safetensors``, ``history.csv``, ``settings.toml``, ``split.csv`` and the checkpoint."""
    history: list[dict[str, Any]]
    """One row per epoch, as the callback receives them."""
    is_complete: bool
    """Whether all epochs are completed; if not, :func:`resume` continues the run."""

    @property
    def model(self) -> Model:
        """The best model by validation loss. It is not calibrated: ``giemsa calibrate`` does that."""
        return Model.load(self.folder / "model.safetensors")


def train(
    folder: Path,
    *,
    recipe: Path = "compact",
    callback: Callback | None = None,
    out: Path | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    seed: int = 0,
    validation: Path | None = None,
    validation_split: float = 0.3,
    split_by: Literal["patient", "image"] = "patient",
    negatives: Path | None = None,
    not_cells: Path | None = None,
    threads: int | None = None,
) -> Run:
    """Train a network on a folder of images, as ``giemsa train``.

    Ctrl-C saves the run after the current step and raises ``KeyboardInterrupt``; :func:`resume` continues it, and the
    weights are the same as without the interruption.

    :param folder: the folder with the folders Parasitized and Uninfected, directly or below Train and Test.
    :param recipe: a built-in recipe (``compact``, ``keras-tutorial``, …), or the path of a .toml file.
    :param callback: called after each epoch, when its files are written, with a dictionary. An exception stops the run,
        which is saved, and is raised; ``False`` stops it and returns.
    :param out: the run folder; must be new or empty. By default runs/RECIPE-N.
    :param epochs, batch_size, learning_rate: changes to the recipe.
    :param seed: the seed of the split, the initial weights, the order of the images, augmentation and dropout.
    :param validation: a folder with the validation set.
    :param validation_split: the fraction of the images to split off as the validation set, if there is no other.
    :param split_by: the unit of the split. By image, patients are in both sets and the metrics are too good.
    :param negatives: a folder of healthy cells of other sites, as ``giemsa cut`` writes them.
    :param not_cells: a folder of images that are not a single red cell.
    :raises DataError: if the folder cannot be used.
    :raises TrainError: if training cannot begin or go on.
    """
    if split_by not in ("patient", "image"):
        raise ValueError(f"split_by: expected 'patient' or 'image', found {split_by!r}")
    recipe_args = recipe_arguments(recipe, epochs, batch_size, learning_rate)
    sets: SetArguments = {
        "validation": validation,
        "validation_split": validation_split,
        "split_by_image": split_by == "image",
        "negatives": negatives,
        "not_cells": not_cells,
        "seed": integer("seed", seed, 0, MAX_SEED),
    }
    return _run(_giemsa.train(folder, out, recipe_args, sets, callback, threads))


def resume(
    folder: Path, *, epochs: int | None = None, callback: Callback | None = None, threads: int | None = None
) -> Run:
    """Continue a run that was stopped.

    :param folder: the folder of the run.
    :param epochs: another number of epochs, if the learning rate of the recipe is constant.
    :raises TrainError: if it is not the folder of a run, or its images have changed.
    """
    return _run(_giemsa.resume(folder, _at_least_one("epochs", epochs), callback, threads))


def recipe_arguments(
    recipe: Path, epochs: int | None, batch_size: int | None, learning_rate: float | None
) -> RecipeArguments:
    """Return the recipe as the compiled module takes it."""
    return {
        "recipe": os.fspath(recipe),
        "epochs": _at_least_one("epochs", epochs),
        "batch_size": _at_least_one("batch_size", batch_size),
        "learning_rate": None if learning_rate is None else float(learning_rate),
    }


def _at_least_one(name: str, value: int | None) -> int | None:
    return None if value is None else integer(name, value, 1, MAX_COUNT)


def _run(result: tuple[Path, list[dict[str, Any]], bool]) -> Run:
    folder, history, is_complete = result
    return Run(pathlib.Path(folder), history, is_complete)
