"""Cells as a network takes them, and giemsa's own probabilities for them."""

import json
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image

# The most that two runtimes may differ in a probability.
TOLERANCE = 1e-5


def write_resized(source: Path, out: Path, side: int, count: int = 500) -> list[Path]:
    """Writes `count` of the images below `source` as PNG files of `side` pixels, which no preprocessing changes."""
    out.mkdir(parents=True, exist_ok=True)
    found = sorted(source.rglob("*.png"))
    step = max(1, len(found) // count)
    paths = []
    for number, path in enumerate(found[::step][:count]):
        paths.append(out / f"{number:04}.png")
        Image.open(path).convert("RGB").resize((side, side), Image.Resampling.BILINEAR).save(paths[-1])
    assert len(paths) == count, f"expected {count} images below {source}, found {len(found)}"
    return paths


def read(paths: list[Path]) -> np.ndarray:
    """Returns the images, uint8 [N, side, side, 3]."""
    return np.stack([np.asarray(Image.open(path)) for path in paths])


def predict_all(giemsa: str, model: str, paths: list[Path]) -> dict[str, np.ndarray]:
    """Returns giemsa's probabilities of each file, by the names that they have in ONNX files."""
    command = [giemsa, "predict", "--model", model, "--any-image", "--format", "jsonl", *map(str, paths)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    by_path = {row["path"]: row for row in map(json.loads, lines)}
    rows = [by_path[str(path)] for path in paths]
    found = {"probability_parasitized": np.array([row["probability"]["Parasitized"] for row in rows])}
    if rows[0]["cell"] is not None:
        found["probability_red_cell"] = np.array([row["cell"] for row in rows])
    return found


def predict(giemsa: str, model: str, paths: list[Path]) -> np.ndarray:
    """Returns giemsa's P(Parasitized) of each file."""
    return predict_all(giemsa, model, paths)["probability_parasitized"]


def check(name: str, expected: np.ndarray, found: np.ndarray) -> None:
    """Prints the largest difference, and fails if it is above the tolerance or the probabilities are all alike."""
    difference = float(np.abs(expected - np.asarray(found).reshape(-1)).max())
    spread = float(expected.max() - expected.min())
    print(f"{name}: largest difference {difference:.1e} on {len(expected)} cells, whose probabilities span {spread:.3f}")
    assert difference <= TOLERANCE, f"{name}: {difference} is above {TOLERANCE}"
    assert spread > 0.05, f"{name}: the probabilities are all alike, so that the comparison shows nothing"
