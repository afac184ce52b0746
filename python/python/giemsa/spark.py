"""Predictions on a cluster of Spark. Needs ``giemsa[spark]``.

For research use only, not for diagnosis.

>>> import giemsa.spark  # doctest: +SKIP
>>> giemsa.spark.score(spark.read.parquet("s3a://bucket/cells")).write.parquet("predictions")  # doctest: +SKIP
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from giemsa._model import Model, Path, _from_bytes, as_model
from giemsa._score_batch import score_batch

try:
    import pyarrow as pa
    from pyspark import TaskContext
except ImportError as error:
    raise ImportError(f"giemsa.spark needs Spark: pip install 'giemsa[spark]' ({error})") from error

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["SCHEMA", "score"]

SCHEMA = "path string, probability_parasitized double, class string, error string, model_sha256 string"
"""The columns of :func:`score`."""

_models: dict[str, Model] = {}
"""The models of this process, by the SHA-256 of their files."""


def score(df: "DataFrame", model: Model | Path | None = None, *, tta: bool = False) -> "DataFrame":
    """Predict the classes of the images of a data frame: a row with the columns of :func:`giemsa.score_batch` per row.

    For research use only, not for diagnosis.

    Each task computes on as many threads as ``spark.task.cpus``. A process of a worker loads a model once.

    :param df: has the columns ``path`` and ``image``, as :func:`giemsa.score_batch` takes them. Other columns are dropped.
        Of Spark's data source ``binaryFile``, ``selectExpr("path", "content AS image")``.
    :param model: a model, the path of its file on this machine, or ``None`` for the built-in model.
    :param tta: average over the eight rotations and reflections of each image, at eight times the cost.
    :raises ValueError: if there is no column ``image``.
    """
    if "image" not in df.columns:
        raise ValueError(f"df: expected a column image, found {df.columns}")
    columns = [name for name in ("path", "image") if name in df.columns]
    return df.select(*columns).mapInArrow(_scorer(as_model(model), tta), SCHEMA)


def _scorer(model: Model, tta: bool) -> "Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]":
    # The function is unpickled by each task, but the model is built from its file only once.
    sha256 = model.sha256
    path, content = model._native.file()
    file = None if content is None else (content, str(path))

    def score_batches(batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        used = _cached(sha256, file)
        for batch in batches:
            yield score_batch(batch, used, tta=tta, threads=_cpus())

    return score_batches


def _cached(sha256: str, file: "tuple[bytes, str] | None") -> Model:
    """Return the model of this process with this SHA-256, from its file or the built-in one."""
    if sha256 not in _models:
        model = as_model(None) if file is None else _from_bytes(*file)
        if model.sha256 != sha256:
            raise RuntimeError("another version of giemsa is installed on this worker")
        _models[sha256] = model
    return _models[sha256]


def _cpus() -> int:
    context = TaskContext.get()
    return 1 if context is None else max(1, context.cpus())
