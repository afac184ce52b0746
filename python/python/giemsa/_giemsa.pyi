from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any, TypeAlias, final

from giemsa._training import RecipeArguments, SetArguments

__all__ = [
    "CLASSES",
    "NativeModel",
    "RESEARCH_ONLY",
    "begin_cross_validation",
    "count",
    "cross_validate",
    "cross_validate_fold",
    "draw_cells",
    "draw_smears",
    "evaluate",
    "export_model",
    "fit",
    "import_model",
    "number_of_threads",
    "resume",
    "train",
]

_Path: TypeAlias = str | PathLike[str]

RESEARCH_ONLY: str
CLASSES: list[str]

@final
class NativeModel:
    @staticmethod
    def load(path: _Path | None) -> NativeModel: ...
    @staticmethod
    def from_bytes(bytes: bytes, path: _Path) -> NativeModel: ...
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

def number_of_threads(threads: int | None = None) -> int:
    """Return the number of threads: the argument, or else that of an environment variable, or else that of the cores."""

def count(
    model: NativeModel,
    photographs: Any,
    name: str,
    cell_diameter_px: float | None,
    red_cells_per_microlitre: float,
    tta: bool,
    threads: int | None,
) -> dict[str, Any]: ...
def evaluate(
    classes: Sequence[str],
    probabilities: Sequence[float],
    groups: Sequence[str] | None,
    threshold: float,
    draws: int,
    seed: int,
    threads: int | None,
) -> dict[str, Any]: ...
def export_model(model: NativeModel, path: _Path, format: str) -> None: ...
def import_model(
    path: _Path, out: _Path, format: str | None, recipe: str | None, probability_of: str
) -> None: ...
def draw_cells(
    folder: _Path, images: int, patients: int, seed: int, threads: int | None
) -> list[PathLike[str]]: ...
def draw_smears(
    folder: _Path, slides: int, photographs_per_slide: int, parasitaemia: float, seed: int, threads: int | None
) -> list[PathLike[str]]: ...
def train(
    folder: _Path, out: _Path | None, recipe: RecipeArguments, sets: SetArguments, callback: Any, threads: int | None
) -> tuple[PathLike[str], list[dict[str, Any]], bool]: ...
def begin_cross_validation(arguments: dict[str, Any], out: _Path, threads: int | None) -> None: ...
def cross_validate(arguments: dict[str, Any], out: _Path, threads: int | None) -> None: ...
def cross_validate_fold(arguments: dict[str, Any], fold: int, out: _Path, threads: int | None) -> None: ...
def resume(
    folder: _Path, epochs: int | None, callback: Any, threads: int | None
) -> tuple[PathLike[str], list[dict[str, Any]], bool]: ...
def fit(
    images: Iterable[Any],
    labels: Sequence[str],
    is_validation: Sequence[bool],
    recipe: RecipeArguments,
    seed: int,
    out: _Path,
    callback: Any,
    threads: int | None,
) -> list[dict[str, Any]]: ...
