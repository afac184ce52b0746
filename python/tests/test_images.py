"""The kinds of images that a model takes, and what it refuses."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

import giemsa


def rgb(path: Path) -> Any:
    with PIL.Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_paths_bytes_pil_images_and_arrays_give_the_same_probabilities(model: giemsa.Model, cells: list[Path]) -> None:
    expected = model.predict_proba(cells)
    kinds: list[list[Any]] = [
        [str(path) for path in cells],
        [path.read_bytes() for path in cells],
        [bytearray(path.read_bytes()) for path in cells],
        [PIL.Image.open(path) for path in cells],
        [rgb(path) for path in cells],
        [cells[0], cells[1].read_bytes(), PIL.Image.open(cells[2]), rgb(cells[3])],
    ]
    for images in kinds:
        np.testing.assert_array_equal(model.predict_proba(images), expected)
    np.testing.assert_array_equal(model.predict_proba(iter(cells)), expected)
    np.testing.assert_array_equal(model.predict_proba(np.array([str(path) for path in cells])), expected)


def test_an_array_with_four_axes_is_a_list_of_images(model: giemsa.Model, cells: list[Path]) -> None:
    images = np.stack([np.asarray(PIL.Image.open(path).convert("RGB").resize((90, 80))) for path in cells])
    np.testing.assert_array_equal(model.predict_proba(images), model.predict_proba(list(images)))


def test_views_of_arrays_are_read_in_their_order(model: giemsa.Model, cells: list[Path]) -> None:
    image = rgb(cells[0])
    views = [image[::-1, ::2], image.transpose(1, 0, 2), image[:, :, ::-1]]
    copies = [np.ascontiguousarray(view) for view in views]
    np.testing.assert_array_equal(model.predict_proba(views), model.predict_proba(copies))
    # Each of them is another image.
    different = [abs(model.predict_proba([view]) - model.predict_proba([image])).max() for view in views]
    assert min(different[0], different[2]) > 0.001


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_a_pil_image_of_any_mode_is_as_its_file(mode: str, model: giemsa.Model, cells: list[Path]) -> None:
    image = PIL.Image.open(cells[0]).convert("RGB")
    if mode in ("LA", "RGBA"):
        image.putalpha(PIL.Image.linear_gradient("L").resize(image.size))
    image = image.convert(mode)
    file = io.BytesIO()
    image.save(file, "tiff" if mode == "CMYK" else "png")
    of_image, of_file = model.predict_proba([image]), model.predict_proba([file.getvalue()])
    np.testing.assert_allclose(of_image, of_file, atol=0.02 if mode == "CMYK" else 1e-6)


def test_predictions_of_many_images_are_those_of_each(model: giemsa.Model, cells: list[Path]) -> None:
    many = (cells * 301)[:1203]
    expected = np.resize(model.predict_proba(cells), (1203, 2))
    np.testing.assert_allclose(model.predict_proba(many), expected, atol=1e-6)


FLOATS = np.zeros((20, 20, 3))
WRONG: list[tuple[Any, type[Exception], str]] = [
    ([], ValueError, "images: expected at least one image, found none"),
    ("cell.png", TypeError, r"expected a list of images, found one \(str\): write \[image\]"),
    (b"cell", TypeError, r"expected a list of images, found one \(bytes\)"),
    (7, TypeError, "expected a list of images, found int"),
    ([7], TypeError, r"images\[0\]: expected a path, .* found int"),
    ([None], TypeError, r"images\[0\]: expected a path, .* found NoneType"),
    (np.zeros((20, 20, 3), np.uint8), TypeError, r"found one \(ndarray\)"),
    (np.zeros((2, 20, 20, 3)), ValueError, r"expected an array of uint8 .* found float64 with the shape \(2, 20, 20, 3\)"),
    (np.zeros((0, 20, 20, 3), np.uint8), ValueError, "expected at least one image"),
    ([FLOATS], ValueError, r"images\[0\]: expected an array of uint8 .*found float64 .*\(255 \* x\)"),
    ([FLOATS.astype(np.int32)], ValueError, "expected an array of uint8 .* found int32"),
    ([np.zeros((3, 20, 30), np.uint8)], ValueError, r"found uint8 with the shape \(3, 20, 30\): .*transpose\(1, 2, 0\)"),
    ([np.zeros((20, 30), np.uint8)], ValueError, r"found uint8 with the shape \(20, 30\): a grey image"),
    ([np.zeros((20, 30, 4), np.uint8)], ValueError, "remove the alpha channel"),
    ([np.zeros((20, 30, 5), np.uint8)], ValueError, r"found uint8 with the shape \(20, 30, 5\)"),
    ([np.zeros((0, 30, 3), np.uint8)], giemsa.ImageError, "the image is 30x0 pixels"),
    ([np.broadcast_to(np.uint8(1), (9000, 9, 3))], giemsa.ImageError, "the image is 9x9000 pixels"),
    (["a/missing.png"], giemsa.ImageError, "a/missing.png: No such file or directory"),
    ([b""], giemsa.ImageError, r"images\[0\]: the file is empty"),
    ([b"GIF89a"], giemsa.ImageError, r"images\[0\]: expected a PNG, JPEG, TIFF or BMP image, found a GIF image"),
    (["a\0b"], giemsa.ImageError, "unexpected NUL byte"),
    ([PIL.Image.new("F", (20, 20))], giemsa.ImageError, "8 bits per channel, found the mode F"),
    ([PIL.Image.new("RGB", (20, 0))], giemsa.ImageError, "the image is 20x0 pixels"),
]


@pytest.mark.parametrize("images, error, message", WRONG)
def test_wrong_images_raise_with_what_was_expected_and_found(
    images: Any, error: type[Exception], message: str, model: giemsa.Model
) -> None:
    with pytest.raises(error, match=message):
        model.predict(images)
    with pytest.raises(error, match=message):
        model.predict_proba(images)


def test_an_error_names_the_image_of_a_list(model: giemsa.Model, cells: list[Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(cells[0].read_bytes()[:500])
    with pytest.raises(giemsa.ImageError, match="broken.png: damaged PNG image") as raised:
        model.predict([*cells, broken])
    assert Path(raised.value.path) == broken
    with pytest.raises(giemsa.ImageError, match=r"images\[404\]: the file is empty") as raised:
        model.predict([*cells * 101, b""])
    assert str(raised.value.path) == "images[404]"


def test_a_truncated_pil_image_raises_an_image_error(model: giemsa.Model, cells: list[Path]) -> None:
    image = PIL.Image.open(io.BytesIO(cells[0].read_bytes()[:500]))
    with pytest.raises(giemsa.ImageError, match=r"images\[0\]: PIL cannot read the image"):
        model.predict([image])


def test_an_iterator_that_raises_passes_its_exception_on(model: giemsa.Model, cells: list[Path]) -> None:
    def images() -> Any:
        yield cells[0]
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        model.predict(images())
