"""What several tests share."""

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import giemsa

CELLS = Path(__file__).parents[2] / "docs/images/cells"


@pytest.fixture(scope="session")
def model() -> giemsa.Model:
    return giemsa.Model.load()


@pytest.fixture(scope="session")
def cells() -> list[Path]:
    """Two parasitized and two uninfected cells."""
    paths = sorted(CELLS.glob("*.png"))
    assert len(paths) == 4
    return paths


@pytest.fixture(scope="session")
def not_a_cell() -> bytes:
    """A PNG file of stripes, which the built-in model takes for no red cell."""
    y, x = np.mgrid[:100, :100]
    stripes = np.stack([(x * 7 + y * 13) % 256, (x * 31) % 256, (y * 29) % 256], axis=2).astype(np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(stripes).save(file, "png")
    return file.getvalue()


@pytest.fixture(scope="session")
def smear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn photograph of a smear, below a folder with its boxes in annotations.json."""
    return giemsa.draw_smears(tmp_path_factory.mktemp("smears") / "drawn", parasitaemia=0.1, seed=3)[0]


@pytest.fixture(scope="session")
def tiny_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe of a network that trains fast."""
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text("""
name = "tiny"
layers = [{ kind = "flatten" }, { kind = "dense", units = 1, activation = "sigmoid" }]
input = { side_px = 24, resize = "fit" }
training = { epochs = 3, batch_size = 8, learning_rate = 0.001 }
""")
    return path
