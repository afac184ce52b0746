"""Writes evaluation_golden.json: the metrics of random predictions, computed by scikit-learn, SciPy and NumPy.

    pip install scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
    python tests/reference/evaluation_golden.py
"""

import json
import math
import pathlib

import numpy as np
from scipy import optimize, stats
from sklearn import metrics

MASK = (1 << 64) - 1
GAMMA = 0x9E3779B97F4A7C15


def mix(z):
    """SplitMix64's output function (Steele, Lea and Flood 2014)."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def draws(key, n):
    """Yields n random integers in 0..n from the stream of a key, as `random.rs` defines it."""
    state = 0
    for part in key:
        state = mix(((state + GAMMA) & MASK) ^ mix((part + GAMMA) & MASK))
    for _ in range(n):
        state = (state + GAMMA) & MASK
        yield (mix(state) * n) >> 64


def scores(rng):
    """Returns images of 14 patients: some have no parasitized cells, one has no uninfected cells; many ties."""
    images = []
    for patient in range(14):
        sick = 0 if patient < 4 else int(rng.integers(1, 40))
        healthy = 0 if patient == 13 else int(rng.integers(8, 45))
        shift = rng.normal(0, 0.7)
        for positive, count in ((1, sick), (0, healthy)):
            for _ in range(count):
                logit = rng.normal(2.2 if positive else -2.2, 1.6) + shift
                other = 0.6 * logit + rng.normal(0, 1.2)
                images.append(
                    {
                        "patient": f"C{patient + 1}",
                        "class": "Parasitized" if positive else "Uninfected",
                        "probability": round(1 / (1 + math.exp(-logit)), 3),
                        "other_probability": round(1 / (1 + math.exp(-other)), 3),
                        # The network's logit is that of class Uninfected. The factor makes the model overconfident.
                        "logit": round(-1.7 * logit, 4),
                    }
                )
    order = rng.permutation(len(images))
    return [images[i] for i in order]


def calibration_bins(y, p, weight, bins=15):
    index = np.minimum((p * bins).astype(int), bins - 1)
    rows = []
    for i in range(bins):
        w = weight * (index == i)
        rows.append((w.sum(), (w * p).sum(), (w * y).sum()))
    return rows


def macro(y, called, patients, weight_of, positive):
    figures, weights = [], []
    for patient in sorted(weight_of):
        mine = (patients == patient) & (y == positive)
        if mine.any() and weight_of[patient]:
            figures.append((called[mine] == positive).mean())
            weights.append(weight_of[patient])
    return float(np.average(figures, weights=weights)) if figures else None


def figures(y, p, threshold, patients, weight_of):
    w = np.array([weight_of[patient] for patient in patients], dtype=float)
    called = (p >= threshold).astype(int)
    keep = w > 0
    y_, p_, c_, w_ = y[keep], p[keep], called[keep], w[keep]
    macro_specificity = macro(y, called, patients, weight_of, 0)
    rows = calibration_bins(y, p, w)
    return {
        "accuracy": metrics.accuracy_score(y_, c_, sample_weight=w_),
        "sensitivity": metrics.recall_score(y_, c_, sample_weight=w_),
        "specificity": metrics.recall_score(y_, c_, sample_weight=w_, pos_label=0),
        "precision": metrics.precision_score(y_, c_, sample_weight=w_),
        "f1": metrics.f1_score(y_, c_, sample_weight=w_),
        "roc_auc": metrics.roc_auc_score(y_, p_, sample_weight=w_),
        "average_precision": metrics.average_precision_score(y_, p_, sample_weight=w_),
        "brier_score": metrics.brier_score_loss(y_, p_, sample_weight=w_),
        "expected_calibration_error": sum(abs(sp - sy) for _, sp, sy in rows) / w.sum(),
        "macro_sensitivity": macro(y, called, patients, weight_of, 1),
        "macro_specificity": macro_specificity,
        "macro_false_positive_rate": 1 - macro_specificity,
    }


def resampled(patients, seed, draw):
    """Counts how often each patient is drawn in one bootstrap resample. Patients are numbered by first appearance."""
    names = list(dict.fromkeys(patients))
    purpose = int.from_bytes(b"bootstra", "big")
    weight_of = dict.fromkeys(names, 0)
    for number in draws([seed, purpose, draw], len(names)):
        weight_of[names[number]] += 1
    return weight_of


def intervals(tables):
    return {
        name: [float(np.quantile([t[name] for t in tables], q)) for q in (0.025, 0.975)] for name in tables[0]
    }


def spread(values):
    low, lower, median, upper, high = np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
    return {
        "patients": len(values),
        "mean": float(np.mean(values)),
        "standard_deviation": float(np.std(values, ddof=1)),
        "min": float(low),
        "lower_quartile": float(lower),
        "median": float(median),
        "upper_quartile": float(upper),
        "max": float(high),
    }


def detection(sensitivity, rate, between, cells):
    """Computes the critical count and the limit of detection from SciPy's distributions."""

    def distribution(parasitaemia):
        mean = parasitaemia * sensitivity + (1 - parasitaemia) * rate
        deviation = (1 - parasitaemia) * between
        if deviation == 0:
            return stats.binom(cells, mean)
        precision = mean * (1 - mean) / deviation**2 - 1
        return stats.betabinom(cells, mean * precision, (1 - mean) * precision)

    clean = distribution(0.0)
    critical = next(count for count in range(cells + 1) if clean.cdf(count) >= 0.95)
    limit = optimize.brentq(lambda x: distribution(x).sf(critical) - 0.95, 1e-6, 0.9, xtol=1e-12)
    return {
        "sensitivity": sensitivity,
        "false_positive_rate": rate,
        "between_patients": between,
        "cells": cells,
        "critical_count": critical,
        "limit_of_detection": limit,
    }


def main():
    images = scores(np.random.default_rng(20240611))
    y = np.array([image["class"] == "Parasitized" for image in images]).astype(int)
    p = np.array([image["probability"] for image in images])
    other = np.array([image["other_probability"] for image in images])
    logits = np.array([image["logit"] for image in images])
    patients = np.array([image["patient"] for image in images])
    once = dict.fromkeys(patients, 1)
    draws_of = 2000
    weights = [resampled(patients, 5, draw) for draw in range(draws_of)]

    a_of = [figures(y, p, 0.4, patients, weight_of) for weight_of in weights]
    b_of = [figures(y, other, 0.5, patients, weight_of) for weight_of in weights]
    differences = [{name: a[name] - b[name] for name in a} for a, b in zip(a_of, b_of)]

    called = (p >= 0.4).astype(int)
    rates = [
        1 - (called[(patients == q) & (y == 0)] == 0).mean() for q in once if ((patients == q) & (y == 0)).any()
    ]
    fpr, tpr, thresholds = metrics.roc_curve(y, p, drop_intermediate=False)
    precision, recall, _ = metrics.precision_recall_curve(y, p)

    def loss(ln_temperature):
        of_uninfected = 1 / (1 + np.exp(-logits / np.exp(ln_temperature)))
        return metrics.log_loss(1 - y, of_uninfected)

    best = optimize.minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-10})
    a_right, b_right = (p >= 0.4) == y, (other >= 0.5) == y
    only_a, only_b = int((a_right & ~b_right).sum()), int((b_right & ~a_right).sum())

    golden = {
        "images": images,
        "threshold": 0.4,
        "other_threshold": 0.5,
        "seed": 5,
        "draws": draws_of,
        "figures": figures(y, p, 0.4, patients, once),
        "loss": metrics.log_loss(y, p),
        "intervals": intervals(a_of),
        "roc": [[t, s, f] for t, s, f in zip(thresholds[1:].tolist(), tpr[1:].tolist(), fpr[1:].tolist())],
        "precision_at_recall": [[r, q] for r, q in zip(recall[:-1].tolist(), precision[:-1].tolist())],
        "bins": [[int(n), sp, int(sy)] for n, sp, sy in calibration_bins(y, p, np.ones(len(y)))],
        "false_positive_rate": spread(rates),
        "temperature": float(np.exp(best.x)),
        "temperature_loss": float(best.fun),
        "difference": {
            name: value - figures(y, other, 0.5, patients, once)[name]
            for name, value in figures(y, p, 0.4, patients, once).items()
        },
        "difference_intervals": intervals(differences),
        "only_a_right": only_a,
        "only_b_right": only_b,
        "mcnemar": [
            {
                "a": a,
                "b": b,
                "exact_p": stats.binomtest(a, a + b, 0.5).pvalue,
                "mid_p": float(2 * stats.binom.cdf(min(a, b), a + b, 0.5) - stats.binom.pmf(min(a, b), a + b, 0.5)),
            }
            for a, b in [(only_a, only_b), (0, 1), (10, 25), (130, 171), (2000, 2210), (7, 7)]
        ],
        "detection": [
            detection(*row)
            for row in [
                (0.95, 0.02, 0.0, 1000),
                (0.95, 0.02, 0.0, 10000),
                (0.95, 0.02, 0.015, 1000),
                (0.95, 0.02, 0.015, 10000),
                (0.99, 0.001, 0.0, 1000),
                (0.9, 0.05, 0.04, 10000),
            ]
        ],
    }
    path = pathlib.Path(__file__).with_name("evaluation_golden.json")
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in golden.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


main()
