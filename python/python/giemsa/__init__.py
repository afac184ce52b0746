"""Classifies red blood cells as malaria-parasitized or uninfected, and counts them on photographs of thin smears.

For research use only, not for diagnosis.

>>> import giemsa
>>> model = giemsa.Model.load()
>>> model.classes_.tolist()
['Parasitized', 'Uninfected']
"""

from typing import TYPE_CHECKING

from giemsa._drawing import draw_cells, draw_smears
from giemsa._errors import DataError, Error, ImageError, ModelError, TrainError
from giemsa._evaluate import evaluate
from giemsa._formats import export_model, import_model
from giemsa._giemsa import RESEARCH_ONLY, number_of_threads
from giemsa._model import CLASSES, Image, Model, Path
from giemsa._score_batch import score_batch, score_schema
from giemsa._smear import count
from giemsa._training import Run, resume, train

if TYPE_CHECKING:
    from giemsa._classifier import GiemsaClassifier

__all__ = [
    "CLASSES",
    "DataError",
    "Error",
    "GiemsaClassifier",
    "Image",
    "ImageError",
    "Model",
    "ModelError",
    "Path",
    "RESEARCH_ONLY",
    "Run",
    "TrainError",
    "count",
    "draw_cells",
    "draw_smears",
    "evaluate",
    "export_model",
    "import_model",
    "number_of_threads",
    "resume",
    "score_batch",
    "score_schema",
    "train",
]


def __getattr__(name: str) -> object:
    # scikit-learn is optional, and takes a second to import.
    if name == "GiemsaClassifier":
        from giemsa._classifier import GiemsaClassifier

        return GiemsaClassifier
    raise AttributeError(f"module 'giemsa' has no attribute {name!r}")
