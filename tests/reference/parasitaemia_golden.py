"""Writes parasitaemia_golden.json: confidence intervals of parasitaemia, computed by SciPy and NumPy.

    pip install scipy==1.17.1 numpy==2.4.6
    python tests/reference/parasitaemia_golden.py

The formulas are those that `smear/interval.rs` and `smear/correction.rs` cite. The script also prints, for simulated slides,
how often the intervals contain the true parasitaemia.
"""

import json
import pathlib

import numpy as np
from scipy import optimize, stats

LEVEL = 0.95
FEWEST_FIELDS = 5
ASSUMED_CORRELATION = 0.005
TAIL = (1 - LEVEL) / 2

# Red cells and infected cells of each photograph.
SLIDES = {
    "six photographs": ([200] * 6, [12, 9, 15, 8, 11, 5]),
    "parasites in one of ten photographs": ([150] * 10, [0, 0, 30, 0, 0, 0, 0, 0, 1, 0]),
    "photographs of different sizes, one of them empty": ([310, 12, 0, 95, 207, 180, 44], [14, 1, 0, 2, 9, 11, 0]),
    "less variation than by chance": ([100] * 20, [4] * 20),
    "no parasites": ([250] * 8, [0] * 8),
    "one photograph": ([180], [7]),
    "four photographs": ([180, 220, 60, 140], [7, 3, 0, 9]),
    "every cell infected": ([30] * 5, [30] * 5),
}

# The rates of the built-in model on held-out patients.
BUILTIN = {"sensitivity": 0.944940174406814, "false_positive_rate": 0.024712391352635966, "between_patients": 0.014662493259835225}
ERRORS = [
    BUILTIN,
    {**BUILTIN, "between_patients": None},
    {"sensitivity": 0.8, "false_positive_rate": 0.1, "between_patients": 0.05},
]


def infected_fraction(red_cells, infected):
    m, x = np.array(red_cells, float), np.array(infected, float)
    m, x = m[m > 0], x[m > 0]
    n, fields = m.sum(), len(m)
    p = x.sum() / n
    estimated = fields >= FEWEST_FIELDS and 0 < p < 1
    if estimated:
        variance = fields / (fields - 1) * ((x - p * m) ** 2).sum() / n**2
        adjustment = stats.t.ppf(1 - TAIL, n - 1) / stats.t.ppf(1 - TAIL, fields - 1)
        effective = p * (1 - p) / variance * adjustment**2 if variance > 0 else n
    else:
        effective = n / (1 + ((m**2).sum() / n - 1) * ASSUMED_CORRELATION)
    effective = min(max(effective, 1), n)
    low = stats.beta.ppf(TAIL, p * effective, (1 - p) * effective + 1) if p > 0 else 0.0
    high = stats.beta.ppf(1 - TAIL, p * effective + 1, (1 - p) * effective) if p < 1 else 1.0
    return [float(p), float(low), float(high)], bool(estimated)


def beta(mean, deviation):
    precision = mean * (1 - mean) / deviation**2 - 1
    return stats.beta(mean * precision, (1 - mean) * precision)


def correct(reading, errors):
    q, q_low, q_high = reading
    t, f, deviation = errors["sensitivity"], errors["false_positive_rate"], errors["between_patients"]
    f_low, f_high = beta(f, deviation).ppf([TAIL, 1 - TAIL]) if deviation else (f, f)
    p = min(max((q - f) / (t - f), 0), 1)
    low = (q - f - np.hypot(q - q_low, (1 - p) * (f_high - f))) / (t - f)
    rate = min(f, q)
    high = (q - rate + np.hypot(q_high - q, (1 - p) * max(rate - f_low, 0))) / (t - rate)
    return [float(p), float(np.clip(low, 0, p)), float(np.clip(high, p, 1))]


def limit_of_unlimited_cells(errors):
    """Computes the parasitaemia at which 95 % of readings exceed 95 % of those of parasite-free slides."""
    t, f, deviation = errors["sensitivity"], errors["false_positive_rate"], errors["between_patients"]
    if not deviation:
        return 0.0
    critical = beta(f, deviation).ppf(0.95)
    reading = lambda p: beta(p * t + (1 - p) * f, (1 - p) * deviation)
    return float(optimize.brentq(lambda p: reading(p).sf(critical) - 0.95, 1e-6, 0.9, xtol=1e-13))


def coverage(rng, errors, correlation, fields, cells, parasitaemia, slides=1000):
    """Simulates slides of patients whose false positive rates differ, and photographs whose parasitaemia differs."""
    patients, covered, width = beta(errors["false_positive_rate"], errors["between_patients"]), 0, 0.0
    for _ in range(slides):
        local = np.full(fields, parasitaemia)
        if correlation and parasitaemia:
            precision = 1 / correlation - 1
            local = rng.beta(parasitaemia * precision, (1 - parasitaemia) * precision, fields)
        rate = patients.rvs(random_state=rng)
        positive = rng.binomial(cells, local * errors["sensitivity"] + (1 - local) * rate)
        _, low, high = correct(infected_fraction([cells] * fields, positive)[0], errors)
        covered += low <= parasitaemia <= high
        width += high - low
    return covered / slides, width / slides


def main():
    slides = []
    for name, (red_cells, infected) in SLIDES.items():
        reading, estimated = infected_fraction(red_cells, infected)
        corrected = [correct(reading, errors) for errors in ERRORS]
        slide = {"name": name, "red_cells": red_cells, "infected": infected, "estimated": estimated}
        slides.append({**slide, "reading": reading, "corrected": corrected})
    quantiles = [
        {"a": a, "b": b, "probability": p, "expected": float(stats.beta.ppf(p, a, b))}
        for a, b in [(0.5, 0.5), (2.745, 108.4), (1, 5000), (61.5, 1180.25), (1e4, 9e4)]
        for p in (0.025, 0.5, 0.975)
    ]
    unlimited = [limit_of_unlimited_cells(errors) for errors in ERRORS]
    golden = {"errors": ERRORS, "slides": slides, "beta_quantiles": quantiles, "limits_of_unlimited_cells": unlimited}
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in golden.items())
    pathlib.Path(__file__).with_suffix(".json").write_text(f"{{\n{lines}\n}}\n")

    rng = np.random.default_rng(0)
    print("correlation, photographs, cells of each, parasitaemia: coverage, mean width")
    for correlation in (0.0, 0.005):
        for fields, cells in ((3, 200), (10, 200), (25, 200), (25, 40)):
            for parasitaemia in (0.0, 0.002, 0.01, 0.05, 0.3):
                found = coverage(rng, BUILTIN, correlation, fields, cells, parasitaemia)
                print(f"{correlation}, {fields}, {cells}, {parasitaemia}: {found[0]:.3f}, {found[1]:.4f}")


main()
