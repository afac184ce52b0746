"""The classifier in scikit-learn."""

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted, validate_data

import giemsa

RECIPE = """
name = "tiny"
layers = [{ kind = "flatten" }, { kind = "dense", units = 1, activation = "sigmoid" }]
input = { side_px = 24, resize = "fit" }
training = { epochs = 3, batch_size = 8, learning_rate = 0.001 }
"""


class OfMatrices(giemsa.GiemsaClassifier):
    """Paints each row of a matrix as an image: the checks of scikit-learn are for matrices."""

    def fit(self, X: Any, y: Any, groups: Any = None) -> "OfMatrices":
        X, y = validate_data(self, X, y)
        super().fit(painted(X), y, groups)
        return self

    def predict_proba(self, X: Any) -> Any:
        check_is_fitted(self)
        return super().predict_proba(painted(validate_data(self, X, reset=False)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.one_d_array = tags.input_tags.string = False
        return tags


def painted(X: Any) -> list[Any]:
    levels = (255 / (1 + np.exp(-X.astype(float)))).round().astype(np.uint8)
    return [np.kron(np.resize(row, (6, 6, 3)), np.ones((4, 4, 1), dtype=np.uint8)) for row in levels]


def test_passes_the_checks_of_scikit_learn_on_images_of_matrices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE)
    # The checks construct the estimator with its default values.
    monkeypatch.setattr(OfMatrices, "__init__", with_recipe(str(recipe)))
    results = check_estimator(OfMatrices(), on_fail=None, on_skip=None)
    failed = {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}
    assert failed == {}
    assert sum(result["status"] == "passed" for result in results) >= 50


def with_recipe(path: str) -> Any:
    def __init__(
        self: Any,
        recipe: str = path,
        *,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        validation_fraction: float = 0.2,
        random_state: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        options = {"batch_size": batch_size, "learning_rate": learning_rate, "random_state": random_state}
        options |= {"epochs": epochs, "validation_fraction": validation_fraction, "n_jobs": n_jobs}
        giemsa.GiemsaClassifier.__init__(self, recipe, **options)  # type: ignore[arg-type]

    return __init__


def test_scikit_learn_knows_that_images_are_no_matrices() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", SkipTestWarning)
        with pytest.raises(SkipTestWarning, match="Can't test estimator GiemsaClassifier"):
            check_estimator(giemsa.GiemsaClassifier())


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str], list[str]]:
    """Images, classes and patients."""
    paths = giemsa.draw_cells(tmp_path_factory.mktemp("classifier") / "cells", images=240, patients=12, seed=2)
    return [str(path) for path in paths], [path.parent.name for path in paths], [path.name.split("P")[0] for path in paths]


def test_predicts_out_of_fold_by_patient(drawn: tuple[list[str], list[str], list[str]], tiny_recipe: Path) -> None:
    X, y, groups = drawn
    classifier = giemsa.GiemsaClassifier(tiny_recipe, epochs=4, n_jobs=1)
    options: dict[str, Any] = {"groups": groups, "cv": GroupKFold(3), "params": {"groups": groups}}
    classes = cross_val_predict(classifier, X, y, **options)
    probabilities = cross_val_predict(classifier, X, y, method="predict_proba", n_jobs=2, **options)
    assert classes.shape == (240,) and set(classes) <= set(giemsa.CLASSES)
    np.testing.assert_array_equal(classes == "Parasitized", probabilities[:, 0] >= 0.5)
    # Arrays of images give the same.
    assert giemsa.evaluate(y, probabilities, groups=groups)["patients"] == 12


def test_learns_to_tell_black_from_white(tiny_recipe: Path) -> None:
    X = np.concatenate([np.zeros((40, 24, 24, 3), np.uint8), np.full((40, 24, 24, 3), 255, np.uint8)])
    y = np.repeat(["Parasitized", "Uninfected"], 40)
    classifier = giemsa.GiemsaClassifier(tiny_recipe, epochs=20, learning_rate=0.01).fit(X, y)
    assert classifier.score(X, y) == 1.0 and classifier.classes_.tolist() == ["Parasitized", "Uninfected"]
    assert len(classifier.history_) == 20
    copy = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(copy.predict_proba(X), classifier.predict_proba(X))
    np.testing.assert_array_equal(clone(classifier).fit(X, y).predict_proba(X), classifier.predict_proba(X))


def test_the_images_that_select_the_epoch_are_of_other_patients(drawn: tuple[list[str], list[str], list[str]]) -> None:
    _, y, groups = drawn
    indices = np.unique(y, return_inverse=True)[1]
    is_validation = giemsa.GiemsaClassifier(validation_fraction=0.25)._validation(indices, groups)
    validation = {group for group, selected in zip(groups, is_validation, strict=True) if selected}
    training = {group for group, selected in zip(groups, is_validation, strict=True) if not selected}
    assert len(validation) == 3 and not validation & training


def test_wrong_input_raises(drawn: tuple[list[str], list[str], list[str]], tiny_recipe: Path) -> None:
    X, y, _ = drawn
    classifier = giemsa.GiemsaClassifier(tiny_recipe)
    with pytest.raises(NotFittedError):
        classifier.predict(X)
    with pytest.raises(ValueError, match="expected 240 labels, one per image, found the shape"):
        classifier.fit(X, y[:-1])
    with pytest.raises(ValueError, match="expected two classes, found 1 class"):
        classifier.fit(X, ["Parasitized"] * 240)
    with pytest.raises(giemsa.ImageError, match="missing.png"):
        classifier.fit([*X[:-1], "missing.png"], y)
    with pytest.raises(giemsa.TrainError, match="unknown recipe `none`"):
        giemsa.GiemsaClassifier("none").fit(X, y)
