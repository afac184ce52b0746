"""Classifies red blood cells as malaria-parasitized or uninfected, and counts them on photographs of thin smears.

For research use only, not for diagnosis.

>>> import giemsa
>>> model = giemsa.Model.load()
>>> model.classes_.tolist()
['Parasitized', 'Uninfected']
"""

from giemsa._errors import DataError, Error, ImageError, ModelError, TrainError
from giemsa._giemsa import RESEARCH_ONLY, number_of_threads
from giemsa._model import CLASSES, Image, Model, Path
from giemsa._score_batch import score_batch, score_schema

__all__ = [
    "CLASSES",
    "DataError",
    "Error",
    "Image",
    "ImageError",
    "Model",
    "ModelError",
    "Path",
    "RESEARCH_ONLY",
    "TrainError",
    "number_of_threads",
    "score_batch",
    "score_schema",
]
