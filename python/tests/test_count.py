"""Counting the cells on photographs of smears."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import giemsa


def test_finds_the_cells_that_were_drawn(smear: Path) -> None:
    slide = giemsa.count(smear)
    truth = json.loads((smear.parents[1] / "annotations.json").read_text())
    drawn = [box for box in truth["annotations"] if box["image_id"] == 1 and box["category_id"] in (1, 2)]
    cells = slide["photographs"][0]["cells"]
    found = [cell for cell in cells if cell["kind"] == "red_cell"]
    assert abs(len(found) - len(drawn)) <= 0.05 * len(drawn)

    # Nearly every drawn cell has a found one at its centre.
    centres = np.array([[cell["x"] + cell["width"] / 2, cell["y"] + cell["height"] / 2] for cell in found])
    for_each = [np.hypot(*(centres - [x + w / 2, y + h / 2]).T).min() for x, y, w, h in (box["bbox"] for box in drawn)]
    assert np.mean(np.array(for_each) < 10) > 0.95
    assert {cell["class"] for cell in found} == {"Parasitized", "Uninfected"}


def test_a_slide_has_counts_an_interval_and_a_notice(smear: Path) -> None:
    slide = giemsa.count(smear, name="mine")
    counted = [cell for cell in slide["photographs"][0]["cells"] if cell["counted"] and cell["kind"] == "red_cell"]
    infected = [cell for cell in counted if cell["class"] == "Parasitized"]
    assert (slide["counts"]["red_cells"], slide["counts"]["infected"]) == (len(counted), len(infected))
    measured = slide["parasitaemia"]["measured"]
    assert measured["value"] == pytest.approx(len(infected) / len(counted))
    assert measured["low"] < measured["value"] < measured["high"]
    assert slide["name"] == "mine" and slide["research_only"] == giemsa.RESEARCH_ONLY
    assert slide["photographs"][0]["warnings"] == [] and slide["skipped"] == []


def test_all_kinds_of_images_give_the_same_counts(smear: Path) -> None:
    expected = giemsa.count(smear)
    with PIL.Image.open(smear) as image:
        for photograph in (smear.read_bytes(), image, np.asarray(image), [smear]):
            slide = giemsa.count(photograph, threads=1)
            del slide["photographs"][0]["photo"]
            assert slide["counts"] == expected["counts"]
            assert slide["photographs"][0]["cells"] == expected["photographs"][0]["cells"]


def test_photographs_that_cannot_be_counted_are_skipped(smear: Path, cells: list[Path]) -> None:
    slide = giemsa.count([smear, "missing.jpg", cells[0]])
    assert len(slide["photographs"]) == 1
    assert [Path(row["photo"]).name for row in slide["skipped"]] == ["missing.jpg", cells[0].name]
    assert slide["skipped"][1]["error"].startswith("not a photograph of a thin smear")


def test_wrong_photographs_raise(smear: Path, cells: list[Path]) -> None:
    with pytest.raises(giemsa.ImageError, match="missing.jpg: No such file"):
        giemsa.count("missing.jpg")
    with pytest.raises(giemsa.ImageError, match="not a photograph of a thin smear"):
        giemsa.count(cells)
    with pytest.raises(ValueError, match="photographs: expected at least one image, found none"):
        giemsa.count([])
    with pytest.raises(TypeError):
        giemsa.count(5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected an array of uint8"):
        giemsa.count(np.zeros((300, 300, 3)))
    with pytest.raises(ValueError, match="cell_diameter_px: expected a positive number, found -1"):
        giemsa.count(smear, cell_diameter_px=-1)
    with pytest.raises(ValueError, match="red_cells_per_microlitre: expected a positive number, found 0"):
        giemsa.count(smear, red_cells_per_microlitre=0)
