"""Imports models that Keras trained, compares the probabilities, exports them, and trains on in Keras.

    python check_keras.py GIEMSA CELLS

GIEMSA is the program, CELLS a folder of drawn cells in the folders Parasitized and Uninfected.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
from keras import layers
from PIL import Image

from cells import check, predict, read, write_resized

COUNT = 500


def tutorial() -> keras.Sequential:
    """Returns the network of the Keras tutorial, with a name for its hidden layer."""
    convolution = lambda filters: [layers.Conv2D(filters, 2, padding="same", activation="relu"), layers.MaxPooling2D(2)]
    return keras.Sequential(
        [
            keras.Input((50, 50, 3)),
            *convolution(16),
            *convolution(32),
            *convolution(64),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(500, activation="relu", name="hidden"),
            layers.Dropout(0.2),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


def cells_of(folder: Path) -> tuple[list[Path], np.ndarray]:
    """Returns files of both classes in turn, and the classes: 0 is Parasitized, as in Keras."""
    classes = [sorted(folder.rglob(f"{name}/*.png"))[: COUNT // 2] for name in ["Parasitized", "Uninfected"]]
    assert all(len(paths) == COUNT // 2 for paths in classes), f"too few cells below {folder}"
    return [path for pair in zip(*classes) for path in pair], np.arange(COUNT) % 2


def stretch(path: Path) -> np.ndarray:
    """Returns an image as `load_img` of Keras does."""
    return np.asarray(Image.open(path).convert("RGB").resize((50, 50), Image.Resampling.NEAREST))


def parasitized(model: keras.Model, inputs: np.ndarray) -> np.ndarray:
    return 1.0 - model.predict(inputs, verbose=0)[:, 0].astype(np.float64)


def run(giemsa: str, *arguments: object) -> None:
    subprocess.run([giemsa, *map(str, arguments)], check=True, capture_output=True)


def load(file: Path, build=tutorial) -> keras.Model:
    """Loads an exported file; weights into a new network."""
    if not file.name.endswith(".weights.h5"):
        return keras.models.load_model(file)
    model = build()
    model.load_weights(file)
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


def check_tutorial(giemsa: str, cells: Path, work: Path) -> None:
    paths, classes = cells_of(cells)
    inputs = np.stack([stretch(path) for path in paths]).astype(np.float32) / 255
    keras.utils.set_random_seed(0)
    trained = tutorial()
    trained.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    trained.fit(inputs, classes, batch_size=25, epochs=3, verbose=0)
    expected = parasitized(trained, inputs)
    for suffix, format in [(".keras", "keras"), (".weights.h5", "keras-weights"), (".h5", "legacy-h5")]:
        file, imported = work / f"trained{suffix}", work / f"imported-{format}.safetensors"
        trained.save_weights(file) if format == "keras-weights" else trained.save(file)
        recipe = ["--recipe", "keras-tutorial"] if format == "keras-weights" else []
        run(giemsa, "import", file, *recipe, "--out", imported)
        check(f"{file.name} of Keras {keras.__version__}, imported", expected, predict(giemsa, str(imported), paths))

        exported = work / f"exported{suffix}"
        run(giemsa, "export", imported, "--to", format, "--out", exported)
        model = load(exported)
        check(f"{exported.name}, loaded in Keras", expected, parasitized(model, inputs))
        losses = model.fit(inputs, classes, batch_size=25, epochs=4, verbose=0).history["loss"]
        print(f"{exported.name}, trained on: losses {losses[0]:.4f} to {losses[-1]:.4f}")
        assert losses[-1] < losses[0], losses

        # What Keras trained on comes back, too.
        model.save(work / "again.keras")
        run(giemsa, "import", work / "again.keras", "--recipe", "keras-tutorial", "--out", imported, "--force")
        found = predict(giemsa, str(imported), paths)
        check(f"{exported.name}, trained on and imported", parasitized(model, inputs), found)


def check_built_in(giemsa: str, cells: Path, work: Path) -> None:
    """Compares the built-in model. Its temperature is not in the files of Keras, so the model is imported without it."""
    paths = write_resized(cells, work / "cells-64", 64, COUNT)
    inputs = read(paths).astype(np.float32) / 255
    first = work / "compact.keras"
    run(giemsa, "export", "builtin", "--to", "keras", "--out", first)
    expected = load(first)
    # Saved by Keras, the file has no metadata of giemsa, and so no temperature.
    expected.save(work / "compact-again.keras")
    run(giemsa, "import", work / "compact-again.keras", "--recipe", "compact", "--out", work / "compact.safetensors")
    found = predict(giemsa, str(work / "compact.safetensors"), paths)
    check("compact.keras, saved by Keras and imported", parasitized(expected, inputs), found)
    for suffix, format in [(".weights.h5", "keras-weights"), (".h5", "legacy-h5")]:
        file = work / f"compact{suffix}"
        run(giemsa, "export", "builtin", "--to", format, "--out", file)
        model = load(file, build=lambda: keras.models.clone_model(expected))
        check(file.name, parasitized(expected, inputs), parasitized(model, inputs))


def main(giemsa: str, cells: str) -> None:
    with tempfile.TemporaryDirectory() as work:
        check_tutorial(giemsa, Path(cells), Path(work))
        check_built_in(giemsa, Path(cells), Path(work))


if __name__ == "__main__":
    main(*sys.argv[1:])
