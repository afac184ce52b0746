"""The exceptions of the package."""

import os


class Error(Exception):
    """An error of giemsa, with the file that it is about."""

    path: str | os.PathLike[str]
    """The file, or the place of an image without one, such as ``images[3]``."""

    def __init__(self, message: str, path: str | os.PathLike[str] = "") -> None:
        super().__init__(message, path)
        self.path = path

    def __str__(self) -> str:
        return str(self.args[0])


class ImageError(Error, ValueError):
    """An image that cannot be read or used."""


class ModelError(Error, ValueError):
    """A model file that cannot be read or used."""


class DataError(Error, ValueError):
    """A folder of images that cannot be used."""


class TrainError(Error, RuntimeError):
    """Training that cannot begin or go on."""
