"""Metrics with confidence intervals."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from giemsa import _giemsa
from giemsa._check import MAX_SEED, integer
from giemsa._model import CLASSES


def evaluate(
    y_true: Iterable[str],
    p: npt.ArrayLike,
    *,
    groups: Iterable[object] | None = None,
    threshold: float = 0.5,
    draws: int = 2000,
    seed: int = 0,
    threads: int | None = None,
) -> dict[str, Any]:
    """Compute the metrics of ``giemsa evaluate``, with 95 % confidence intervals. The positive class is Parasitized.

    For research use only, not for diagnosis.

    :param y_true: the true classes, by name. Numbers are refused, because Keras and clinicians number the classes in
        opposite ways.
    :param p: the probabilities of Parasitized, or an array with the shape (images, 2) as
        :meth:`Model.predict_proba` returns it.
    :param groups: the patient of each image. The intervals are by patient: cells of one patient resemble each other, so
        intervals by image, as without ``groups``, are too narrow.
    :param threshold: the decision threshold, such as :attr:`Model.threshold`.
    :param draws: the number of bootstrap resamples, 100 to 100,000.
    :param seed: the seed of the bootstrap.
    :returns: a dictionary as in ``metrics.json``: metrics by name (``accuracy``, ``sensitivity``, ``roc_auc``, …), their
        ``intervals``, confusion counts, metrics ``by_patient``, ``calibration_bins`` and ``detection_limits``. A metric that
        is undefined is ``None``.
    """
    classes = [_class(label, index) for index, label in enumerate(y_true)]
    probabilities = _probabilities(p)
    patients = None if groups is None else [_group(group, index) for index, group in enumerate(groups)]
    lengths = {"y_true": len(classes), "p": len(probabilities)}
    if patients is not None:
        lengths["groups"] = len(patients)
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{count} in {name}" for name, count in lengths.items())
        raise ValueError(f"expected the same number of images everywhere, found {found}")
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold: expected a number in 0..=1, found {threshold}")
    draws, seed = integer("draws", draws, 100, 100_000), integer("seed", seed, 0, MAX_SEED)
    return _giemsa.evaluate(classes, probabilities, patients, threshold, draws, seed, threads)


def _class(label: object, index: int) -> str:
    if isinstance(label, str):
        return str(label)
    names = " or ".join(map(repr, CLASSES))
    raise TypeError(f"y_true[{index}]: expected the name of a class, {names}, found {label!r}")


def _probabilities(p: npt.ArrayLike) -> list[float]:
    """Return the probabilities of Parasitized."""
    array = np.asarray(p)
    if array.dtype.kind not in "fiub" or array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] != 2):
        raise ValueError(
            "p: expected the probabilities of Parasitized, or an array with the shape (images, 2), "
            f"found {array.dtype} with the shape {array.shape}"
        )
    column = array if array.ndim == 1 else array[:, CLASSES.index("Parasitized")]
    probabilities: list[float] = column.astype(np.float64).tolist()
    return probabilities


def _group(group: object, index: int) -> str:
    if group is None or group == "" or group != group:
        raise ValueError(f"groups[{index}]: expected a patient, found {group!r}")
    return str(group)
