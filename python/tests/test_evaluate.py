"""The metrics of evaluate, compared with scikit-learn."""

from typing import Any

import numpy as np
import pytest
from sklearn import metrics

import giemsa

RANDOM = np.random.default_rng(3)
PATIENTS = np.repeat(np.arange(12), 25)
TRUTH = RANDOM.random(300) < np.repeat(RANDOM.random(12), 25)
P = np.clip(0.5 + 0.3 * (TRUTH - 0.5) + RANDOM.normal(0, 0.25, 300), 0, 1)
Y = np.where(TRUTH, "Parasitized", "Uninfected")


def test_the_metrics_are_those_of_scikit_learn() -> None:
    found = giemsa.evaluate(Y, P, groups=PATIENTS, threshold=0.6)
    predicted = P >= 0.6
    expected = {
        "accuracy": metrics.accuracy_score(TRUTH, predicted),
        "sensitivity": metrics.recall_score(TRUTH, predicted),
        "specificity": metrics.recall_score(~TRUTH, ~predicted),
        "precision": metrics.precision_score(TRUTH, predicted),
        "f1": metrics.f1_score(TRUTH, predicted),
        "roc_auc": metrics.roc_auc_score(TRUTH, P),
        "average_precision": metrics.average_precision_score(TRUTH, P),
        "brier_score": metrics.brier_score_loss(TRUTH, P),
        "loss": metrics.log_loss(TRUTH, P),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    names = ["true_negatives", "false_positives", "false_negatives", "true_positives"]
    assert [found[name] for name in names] == metrics.confusion_matrix(TRUTH, predicted).ravel().tolist()
    assert (found["images"], found["patients"], found["threshold"]) == (300, 12, 0.6)
    assert found["research_only"] == giemsa.RESEARCH_ONLY


def test_the_intervals_are_by_patient() -> None:
    by_patient = giemsa.evaluate(Y, P, groups=[f"C{patient}" for patient in PATIENTS])["intervals"]
    by_image = giemsa.evaluate(Y, P)["intervals"]
    assert (by_patient["resampled"], by_image["resampled"]) == ("patients", "images")

    # A bootstrap by patient of the accuracy, with other random numbers.
    correct = ((P >= 0.5) == TRUTH).reshape(12, 25).mean(axis=1)
    draws = RANDOM.choice(correct, (4000, 12)).mean(axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    assert by_patient["accuracy"]["low"] == pytest.approx(low, abs=0.01)
    assert by_patient["accuracy"]["high"] == pytest.approx(high, abs=0.01)


def test_takes_the_probabilities_of_both_classes() -> None:
    assert giemsa.evaluate(Y, np.stack([P, 1 - P], axis=1), groups=PATIENTS) == giemsa.evaluate(Y, P, groups=PATIENTS)


def test_an_undefined_metric_is_none() -> None:
    found = giemsa.evaluate(["Parasitized"] * 3, [0.9, 0.8, 0.1])
    assert found["specificity"] is None and found["roc_auc"] is None and found["sensitivity"] == pytest.approx(2 / 3)


WRONG: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    (([], []), {}, ValueError, "no images to evaluate"),
    (([1, 0], [0.5, 0.5]), {}, TypeError, r"y_true\[0\]: expected the name of a class, .* found 1"),
    ((TRUTH, P), {}, TypeError, r"y_true\[0\]: expected the name of a class"),
    ((["infected"], [0.5]), {}, ValueError, r"y_true\[0\]: expected .* Parasitized or Uninfected, found infected"),
    ((Y, P[:-1]), {}, ValueError, "300 in y_true, 299 in p"),
    ((Y, P), {"groups": [1, 2]}, ValueError, "2 in groups"),
    ((Y[:1], [1.5]), {}, ValueError, r"p\[0\]: expected a probability in 0..=1 .* found 1.5"),
    ((Y[:1], [float("nan")]), {}, ValueError, "expected a probability in 0..=1"),
    ((Y, np.zeros((300, 3))), {}, ValueError, r"found float64 with the shape \(300, 3\)"),
    ((Y[:1], ["x"]), {}, ValueError, "p: expected the probabilities"),
    ((Y[:1], [0.5]), {"groups": [None]}, ValueError, r"groups\[0\]: expected a patient, found None"),
    ((Y, P), {"threshold": 2}, ValueError, "threshold: expected a number in 0..=1, found 2"),
    ((Y, P), {"draws": 10**9}, ValueError, "draws: expected an integer in 100..=100000, found 1000000000"),
    ((Y, P), {"draws": 1e3}, TypeError, "draws: expected an integer, found 1000.0"),
    ((Y, P), {"seed": -1}, ValueError, "seed: expected an integer in 0..=9223372036854775807, found -1"),
]


@pytest.mark.parametrize("arguments, options, error, message", WRONG)
def test_wrong_arguments_raise(
    arguments: tuple[Any, ...], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        giemsa.evaluate(*arguments, **options)
