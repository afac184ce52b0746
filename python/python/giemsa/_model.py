"""Models and their predictions."""

import functools
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias, Union

import numpy as np
import numpy.typing as npt

from giemsa import _giemsa

if TYPE_CHECKING:
    import PIL.Image

Path: TypeAlias = str | os.PathLike[str]
Image: TypeAlias = Union[Path, bytes, bytearray, npt.NDArray[np.uint8], "PIL.Image.Image"]
"""A path, the bytes of an image file, a PIL image, or an array of uint8 with the shape (height, width, 3), in RGB."""

CLASSES = tuple(_giemsa.CLASSES)
"""The classes, in the order of the columns of probabilities."""


class Model:
    """A trained network with its preprocessing, its calibration and its decision threshold.

    For research use only, not for diagnosis.

    Images are cut out of photographs: one red blood cell each. They are paths, bytes of image files, PIL images and NumPy
    arrays of uint8 with the shape (height, width, 3), also mixed. The channels of arrays are red, green and blue. Arrays of
    OpenCV have another order, which cannot be recognised, since many stained cells are more blue than red: convert them by
    ``image[:, :, ::-1]``.
    """

    def __init__(self, native: _giemsa.NativeModel) -> None:
        """Use :meth:`load`."""
        self._native = native

    @classmethod
    def load(cls, path: Path | None = None) -> "Model":
        """Load a model file, or the built-in model.

        :raises ModelError: if the file cannot be read, or is not a model.
        """
        return cls(_giemsa.NativeModel.load(path))

    @property
    def classes_(self) -> npt.NDArray[np.str_]:
        """The names of the classes, in the order of the columns of :meth:`predict_proba`."""
        return np.array(CLASSES)

    @property
    def card(self) -> str | None:
        """The model card in Markdown: how the model was trained, and how accurate it is. ``None`` without one."""
        return self._native.card

    @property
    def threshold(self) -> float:
        """The decision threshold: an image is Parasitized if its probability of Parasitized is at least this."""
        return self._native.threshold

    @property
    def recipe(self) -> str:
        """The name of the recipe that the model was trained with."""
        return self._native.recipe

    @property
    def sha256(self) -> str:
        """The SHA-256 of the model file, in hexadecimal digits."""
        return self._native.sha256

    def predict(
        self, images: Iterable[Image], *, any_image: bool = False, tta: bool = False, threads: int | None = None
    ) -> npt.NDArray[np.object_]:
        """Predict the class of each image.

        :param images: the images, or an array of uint8 with the shape (images, height, width, 3).
        :param any_image: if true, each image has a class; if false, an image that does not look like a single red cell has
            the class ``None``.
        :param tta: average over the eight rotations and reflections of each image, at eight times the cost.
        :param threads: the number of threads. By default that of the environment variables GIEMSA_THREADS,
            RAYON_NUM_THREADS or OMP_NUM_THREADS, or of the cores.
        :returns: an array of ``str`` and ``None``.
        :raises ImageError: if an image cannot be read, or shows a whole field of a smear.
        """
        rows = self._native.predict(images, tta, threads)
        classes = np.empty(len(rows), dtype=object)
        classes[:] = [row[3] if any_image else row[2] for row in rows]
        return classes

    def predict_proba(
        self, images: Iterable[Image], *, tta: bool = False, threads: int | None = None
    ) -> npt.NDArray[np.float64]:
        """Predict the probability of each class, calibrated.

        The probabilities of an image that is no single red cell have no meaning; :meth:`predict` finds these images.

        :returns: an array with the shape (images, 2); the columns are in the order of :attr:`classes_`.
        :raises ImageError: as :meth:`predict`.
        """
        parasitized = np.array([row[0] for row in self._native.predict(images, tta, threads)])
        return np.stack([parasitized, 1.0 - parasitized], axis=1)

    def explain(self, image: Image, *, threads: int | None = None) -> npt.NDArray[np.float32]:
        """Compute where in an image the evidence is, by occlusion: 513 predictions.

        :returns: an array with the shape (16, 16): differences of logits, positive where the image supports Parasitized,
            negative where it supports Uninfected.
        :raises ImageError: if the image cannot be read.
        """
        rows, columns, values = self._native.explain(image, threads)
        return np.array(values, dtype=np.float32).reshape(rows, columns)

    def __repr__(self) -> str:
        return f"<giemsa.Model {self.recipe}, SHA-256 {self.sha256[:12]}>"

    def __reduce__(self) -> tuple[object, ...]:
        path, content = self._native.file()
        return (_load_built_in, ()) if content is None else (_from_bytes, (content, path))


def _load_built_in() -> Model:
    return Model.load()


def _from_bytes(content: bytes, path: Path) -> Model:
    return Model(_giemsa.NativeModel.from_bytes(content, path))


def as_model(model: Model | Path | None) -> Model:
    """Return the model, load it from its file, or return the built-in one. Files are kept until they change."""
    if isinstance(model, Model):
        return model
    if model is None:
        return _built_in()
    try:
        status = os.stat(model)
    except OSError:
        return Model.load(model)
    return _of_file(os.fspath(model), status.st_mtime_ns, status.st_size)


@functools.cache
def _built_in() -> Model:
    return Model.load()


@functools.lru_cache(maxsize=4)
def _of_file(path: str, _mtime_ns: int, _size: int) -> Model:
    return Model.load(path)
