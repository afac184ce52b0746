from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any, final

__all__ = ["CLASSES", "NativeModel", "RESEARCH_ONLY", "number_of_threads"]

RESEARCH_ONLY: str
CLASSES: list[str]

def number_of_threads(threads: int | None = None) -> int:
    """Return the number of threads: the argument, or else that of an environment variable, or else that of the cores."""

@final
class NativeModel:
    @staticmethod
    def load(path: str | PathLike[str] | None) -> NativeModel: ...
    @staticmethod
    def from_bytes(bytes: bytes, path: str | PathLike[str]) -> NativeModel: ...
    def file(self) -> tuple[PathLike[str], bytes | None]: ...
    @property
    def sha256(self) -> str: ...
    @property
    def card(self) -> str | None: ...
    @property
    def threshold(self) -> float: ...
    @property
    def recipe(self) -> str: ...
    def predict(
        self, images: Iterable[Any], tta: bool, threads: int | None
    ) -> list[tuple[float, float | None, str | None, str]]: ...
    def score(
        self, images: Sequence[bytes | None], tta: bool, threads: int | None
    ) -> list[tuple[float | None, str | None, str | None]]: ...
    def explain(self, object: Any, threads: int | None) -> tuple[int, int, list[float]]: ...
