"""Counting the cells on photographs of smears."""

from collections.abc import Iterable
from typing import Any

from giemsa import _giemsa
from giemsa._model import Image, Model, Path, as_model


def count(
    photographs: Image | Iterable[Image],
    *,
    model: Model | Path | None = None,
    name: str = "slide",
    cell_diameter_px: float | None = None,
    red_cells_per_microlitre: float = 5e6,
    tta: bool = False,
    threads: int | None = None,
) -> dict[str, Any]:
    """Find and classify the cells on a photograph of a thin smear, or on several photographs of one slide.

    For research use only, not for diagnosis.

    All photographs must be of one slide, because its cells are compared with each other: call the function once per slide.

    :param photographs: a photograph, or a list: paths, bytes of image files, PIL images, or arrays of uint8 with the shape
        (height, width, 3), in RGB.
    :param model: a model, the path of its file, or ``None`` for the built-in model.
    :param name: the name of the slide.
    :param cell_diameter_px: the diameter of a red cell in pixels; ``None`` to estimate it for each photograph.
    :returns: the slide as ``giemsa count --format json`` prints it: ``counts``, ``parasitaemia`` with its 95 % confidence
        interval, ``limit_of_detection``, and the ``photographs`` with their ``warnings`` and their ``cells``. A cell has a
        box in pixels (``x``, ``y``, ``width``, ``height``), a ``kind``, and, if it is a red cell, a ``class`` and
        ``probability_parasitized``. Of several photographs, those that cannot be counted are in ``skipped``.
    :raises ImageError: if no photograph can be read and shows a smear.
    """
    native = as_model(model)._native
    return _giemsa.count(native, photographs, name, cell_diameter_px, red_cells_per_microlitre, tta, threads)
