"""Predictions for Arrow batches."""

from typing import TYPE_CHECKING, Any, Protocol

from giemsa._model import Model, Path, as_model

if TYPE_CHECKING:
    import pyarrow as pa


class ArrowBatch(Protocol):
    """A record batch of any library that has the Arrow PyCapsule interface, such as pyarrow and Polars."""

    def __arrow_c_array__(self, requested_schema: object | None = None, /) -> tuple[object, object]: ...


def score_batch(
    record_batch: "ArrowBatch | pa.RecordBatch",
    model: Model | Path | None = None,
    *,
    tta: bool = False,
    threads: int | None = None,
) -> "pa.RecordBatch":
    """Predict the class of each image in an Arrow batch. Needs pyarrow.

    For research use only, not for diagnosis.

    The batch has the columns ``path`` (text) and ``image``, the bytes of image files: binary, large binary, binary view, or
    the struct ``{bytes, path}`` of Hugging Face datasets, whose ``path`` is used if the batch has no column of this name.

    The result has a row per row, in their order, with the columns of :func:`score_schema`. A row has either a class or an
    error: an image that cannot be read, or is not a single red cell, is a row with an error, never an exception. The
    probability of an image with the error "not a red cell" has no meaning.

    :param model: a model, the path of its file, or ``None`` for the built-in model.
    :raises TypeError: if a column has another type.
    :raises ValueError: if a column is missing.
    """
    import pyarrow as pa

    batch = record_batch if isinstance(record_batch, pa.RecordBatch) else _import(record_batch)
    paths, images = image_columns(batch)
    used = as_model(model)
    rows = used._native.score(images.to_pylist(), tta, threads)
    probabilities, classes, errors = zip(*rows, strict=True) if rows else ((), (), ())
    columns = [
        paths,
        pa.array(probabilities, pa.float64()),
        pa.array(classes, pa.string()),
        pa.array(errors, pa.string()),
        pa.array([used.sha256] * len(rows), pa.string()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=score_schema())


def score_schema() -> "pa.Schema":
    """Return the schema of the results of :func:`score_batch`. Needs pyarrow."""
    import pyarrow as pa

    names = ["path", "class", "error", "model_sha256"]
    fields = [pa.field(name, pa.string()) for name in names]
    return pa.schema(fields).insert(1, pa.field("probability_parasitized", pa.float64()))


def _import(batch: Any) -> "pa.RecordBatch":
    import pyarrow as pa

    if not hasattr(batch, "__arrow_c_array__"):
        raise TypeError(f"record_batch: expected an Arrow record batch, found {type(batch).__qualname__}")
    return pa.record_batch(batch)


def image_columns(batch: "pa.RecordBatch") -> "tuple[pa.Array[Any], pa.Array[Any]]":
    """Return the paths and the bytes of the images."""
    import pyarrow as pa

    if "image" not in batch.schema.names:
        raise ValueError(f"record_batch: expected a column image, found {batch.schema.names}")
    images = _plain(batch.column("image"))
    paths = None
    if pa.types.is_struct(images.type):
        names = [field.name for field in images.type]
        if "bytes" not in names:
            raise TypeError(f"image: expected the struct {{bytes, path}}, found {images.type}")
        # `field` ignores which structs are null; `flatten` does not.
        fields = dict(zip(names, images.flatten(), strict=True))
        images, paths = _plain(fields["bytes"]), fields.get("path")
    if "path" in batch.schema.names:
        paths = batch.column("path")
    if paths is None:
        raise ValueError(f"record_batch: expected a column path, found {batch.schema.names}")
    is_binary = [pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary]
    if not any(is_type(images.type) for is_type in is_binary):
        raise TypeError(f"image: expected binary, large_binary, binary_view or struct{{bytes, path}}, found {images.type}")
    return _text(_plain(paths)), images


def _plain(column: "pa.Array[Any]") -> "pa.Array[Any]":
    """Return the column with its dictionary applied."""
    import pyarrow as pa

    return column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column


def _text(paths: "pa.Array[Any]") -> "pa.Array[Any]":
    import pyarrow as pa

    is_text = [pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null]
    if not any(is_type(paths.type) for is_type in is_text):
        raise TypeError(f"path: expected string, found {paths.type}")
    return paths.cast(pa.string())
