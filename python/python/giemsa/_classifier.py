"""The classifier for scikit-learn."""

import os
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted

from giemsa import _giemsa
from giemsa._check import MAX_SEED, integer
from giemsa._model import CLASSES, Image, Model, Path
from giemsa._training import recipe_arguments


class GiemsaClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Trains a network on images of single cells, as an estimator of scikit-learn.

    For research use only, not for diagnosis.

    ``X`` is a list or an array of images, as :class:`giemsa.Model` takes them; ``y`` contains the names of the classes. Other
    labels are sorted, as scikit-learn does: the first one takes the place of Parasitized in ``model_``.
    Cells of one patient look alike: give ``groups`` to ``cross_val_predict``, and also to ``fit``, so that the part of the
    images that selects the best epoch is of other patients.

    :param recipe: a built-in recipe, or the path of a .toml file.
    :param epochs, batch_size, learning_rate: changes to the recipe.
    :param validation_fraction: the fraction of the images, or of the groups, that selects the best epoch.
    :param random_state: the seed of the weights, the order of the images, augmentation, dropout, and the division.
    :param n_jobs: the number of threads.
    """

    def __init__(
        self,
        recipe: Path = "compact",
        *,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        validation_fraction: float = 0.1,
        random_state: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.recipe = recipe
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Iterable[Image], y: npt.ArrayLike, groups: Sequence[object] | None = None) -> Self:
        """Train a network, and keep the best epoch.

        :param groups: the patient of each image; the images that select the best epoch are then of other patients.
        :raises ImageError: if an image cannot be read.
        """
        images = X if isinstance(X, np.ndarray) else list(X)
        labels = _labels(y, len(images))
        self.classes_, indices = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y: expected two classes, found 1 class: {self.classes_.tolist()}")
        is_validation = self._validation(indices, groups)
        seed = integer("random_state", self.random_state, 0, MAX_SEED)
        recipe = recipe_arguments(self.recipe, self.epochs, self.batch_size, self.learning_rate)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.safetensors")
            names = [CLASSES[index] for index in indices]
            arguments = (images, names, is_validation.tolist(), recipe, seed, path)
            self.history_ = _giemsa.fit(*arguments, None, self.n_jobs)
            self.model_ = Model.load(path)
        return self

    def _validation(self, labels: npt.NDArray[np.intp], groups: Sequence[object] | None) -> npt.NDArray[np.bool_]:
        """Return which images select the best epoch."""
        settings: dict[str, Any] = {
            "n_splits": 1,
            "test_size": self.validation_fraction,
            "random_state": self.random_state,
        }
        if groups is None:
            split = StratifiedShuffleSplit(**settings).split(labels, labels)
        else:
            split = GroupShuffleSplit(**settings).split(labels, labels, groups)
        is_validation = np.zeros(len(labels), dtype=bool)
        is_validation[next(split)[1]] = True
        return is_validation

    def predict_proba(self, X: Iterable[Image]) -> npt.NDArray[np.float64]:
        """Predict the probability of each class; the columns are in the order of ``classes_``."""
        check_is_fitted(self)
        return self.model_.predict_proba(X, threads=self.n_jobs)

    def predict(self, X: Iterable[Image]) -> npt.NDArray[Any]:
        """Predict the class of each image. No image is refused."""
        check_is_fitted(self)
        parasitized = self.predict_proba(X)[:, 0] >= self.model_.threshold
        classes: npt.NDArray[Any] = self.classes_[np.where(parasitized, 0, 1)]
        return classes

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        # Images are no rows of features.
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        tags.target_tags.required = True
        tags.classifier_tags.multi_class = False
        return tags


def _labels(y: npt.ArrayLike | None, images: int) -> npt.NDArray[Any]:
    """Return the labels, one per image."""
    if y is None:
        raise ValueError("y: expected a label for each image, found None; this estimator requires y to be passed")
    labels = np.asarray(y)
    if labels.ndim != 1 or len(labels) != images:
        raise ValueError(f"y: expected {images} labels, one per image, found the shape {labels.shape}")
    check_classification_targets(labels)
    kind = type_of_target(labels, input_name="y")
    if kind != "binary":
        raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
    return labels
