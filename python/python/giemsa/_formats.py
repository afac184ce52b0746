"""Files of ONNX, Keras and PyTorch."""

import os
from typing import Literal, TypeAlias

from giemsa import _giemsa
from giemsa._model import Model, Path, as_model

Format: TypeAlias = Literal["onnx", "keras", "keras-weights", "legacy-h5", "safetensors-pytorch"]
"""The formats of ``giemsa export`` and ``giemsa import``."""


def export_model(model: Model | Path | None, path: Path, format: Format, *, overwrite: bool = False) -> None:
    """Write a model in the format of another tool. ``docs/formats.md`` describes the input and the output of each.

    For research use only, not for diagnosis.

    :param model: a model, the path of its file, or ``None`` for the built-in model.
    :param overwrite: replace an existing file.
    :raises FileExistsError: if the file exists.
    """
    _check_free(path, overwrite)
    _giemsa.export_model(as_model(model)._native, path, format)


def import_model(
    path: Path,
    out: Path,
    *,
    format: Format | None = None,
    recipe: Path | None = None,
    probability_of: Literal["Parasitized", "Uninfected"] = "Uninfected",
    overwrite: bool = False,
) -> Model:
    """Read a network that another tool has trained, write it as a model file, and load that.

    :param out: the model file.
    :param format: by default, it is detected by the content.
    :param recipe: a recipe with the layers of the file. Files of weights need one.
    :param probability_of: the class whose probability the output of the network is. Keras numbers classes in the order of the
        alphabet.
    :param overwrite: replace an existing file.
    :raises ModelError: if the file cannot be read, or contains a layer that does not exist here.
    :raises FileExistsError: if ``out`` exists.
    """
    _check_free(out, overwrite)
    _giemsa.import_model(path, out, format, None if recipe is None else os.fspath(recipe), probability_of)
    return Model.load(out)


def _check_free(path: Path, overwrite: bool) -> None:
    if not overwrite and os.path.lexists(path):
        raise FileExistsError(f"{os.fspath(path)}: this file exists; overwrite=True replaces it")
