"""Drawn cells and photographs, to try the package without data."""

import pathlib

from giemsa import _giemsa
from giemsa._check import MAX_SEED, integer
from giemsa._model import Path

MOST = 1_000_000


def draw_cells(
    folder: Path, *, images: int = 400, patients: int = 12, seed: int = 0, threads: int | None = None
) -> list[pathlib.Path]:
    """Draw cells into ``folder/Parasitized`` and ``folder/Uninfected``, for examples and tests.

    They resemble cells, and are no measure of accuracy.

    :param folder: a new or empty folder. It appears complete or not at all.
    :param patients: the number of patients, at least 4. Three of four are infected. The name of a file begins with its
        patient, as in the NIH data set: ``C3P3thinF_….png``.
    :returns: the paths of the images.
    :raises DataError: if the folder is not empty, or cannot be written.
    """
    images, patients = integer("images", images, 0, MOST), integer("patients", patients, 4, MOST)
    drawn = _giemsa.draw_cells(folder, images, patients, integer("seed", seed, 0, MAX_SEED), threads)
    return [pathlib.Path(path) for path in drawn]


def draw_smears(
    folder: Path,
    *,
    slides: int = 1,
    photographs_per_slide: int = 1,
    parasitaemia: float = 0.05,
    seed: int = 0,
    threads: int | None = None,
) -> list[pathlib.Path]:
    """Draw photographs of thin smears into ``folder/slide_….``, and their boxes into ``folder/annotations.json`` (COCO).

    :param parasitaemia: the probability that a red cell is infected.
    :returns: the paths of the photographs.
    :raises DataError: if the folder is not empty, or cannot be written.
    """
    slides = integer("slides", slides, 0, MOST)
    photographs_per_slide = integer("photographs_per_slide", photographs_per_slide, 0, MOST)
    seed = integer("seed", seed, 0, MAX_SEED)
    drawn = _giemsa.draw_smears(folder, slides, photographs_per_slide, parasitaemia, seed, threads)
    return [pathlib.Path(path) for path in drawn]
