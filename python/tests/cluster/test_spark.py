"""Predictions on two workers of Spark."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import col

import giemsa
import giemsa.spark

ROWS_PER_BATCH = 20


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    """Two workers with a core and 1 GB each."""
    builder = SparkSession.builder.master("local-cluster[2,1,1024]").appName("giemsa")
    options = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.executor.memory": "1g",
        "spark.sql.execution.arrow.maxRecordsPerBatch": ROWS_PER_BATCH,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    for name, value in options.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


def rows_of(df: DataFrame) -> list[dict[str, Any]]:
    return sorted((row.asDict() for row in df.collect()), key=lambda row: row["path"])


def test_parquet_gives_the_rows_of_one_process(spark: SparkSession, parquet: Path, expected: list[dict[str, Any]]) -> None:
    df = spark.read.parquet(str(parquet)).repartition(6)
    scores = giemsa.spark.score(df)
    assert scores.columns == giemsa.score_schema().names
    assert rows_of(scores) == expected


def test_the_data_source_of_files_is_taken(spark: SparkSession, folder: Path, expected: list[dict[str, Any]]) -> None:
    files = spark.read.format("binaryFile").option("recursiveFileLookup", "true").option("pathGlobFilter", "*.png")
    files = files.load(str(folder)).coalesce(4)
    rows = rows_of(giemsa.spark.score(files.selectExpr("replace(path, 'file:') AS path", "content AS image")))
    # Spark's data source leaves out empty files.
    assert rows == [row for row in expected if not row["path"].endswith("empty.png")]


def test_structs_and_null_are_taken(spark: SparkSession, images: pa.Table) -> None:
    [image, *_] = images["image"].to_pylist()
    rows = [({"bytes": bytearray(image), "path": "a"},), (None,)]
    df = spark.createDataFrame(rows, "image struct<bytes: binary, path: string>")
    first, second = sorted(giemsa.spark.score(df).collect(), key=lambda row: row["path"] or "")
    assert (first["path"], first["error"]) == (None, "the image is null")
    assert (second["path"], second["class"]) == ("a", giemsa.Model.load().predict([image])[0])


def test_a_model_file_is_loaded_once_per_process(
    spark: SparkSession, parquet: Path, images: pa.Table, tmp_path: Path
) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes((Path(__file__).parents[3] / "crates/giemsa/src/model/pretrained/compact.safetensors").read_bytes())
    df = spark.read.parquet(str(parquet)).repartition(8)
    score = giemsa.spark._scorer(giemsa.Model.load(path), False)

    def score_and_identify(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Return the process and the model of each batch."""
        import os

        for scores in score(batches):
            [model] = giemsa.spark._models.values()
            yield pa.record_batch({"pid": [os.getpid()], "model": [id(model)], "rows": [scores.num_rows]})

    # A copy of the file is another file of the same model, so the built-in model is not loaded.
    rows = df.select("path", "image").mapInArrow(score_and_identify, "pid long, model long, rows long").collect()
    assert sum(row["rows"] for row in rows) == images.num_rows
    processes = {row["pid"] for row in rows}
    assert len(processes) == 2 and len(rows) > 2
    assert len({(row["pid"], row["model"]) for row in rows}) == 2


def test_a_data_frame_without_images_is_an_error(spark: SparkSession) -> None:
    with pytest.raises(ValueError, match="expected a column image, found"):
        giemsa.spark.score(spark.range(1).select(col("id").alias("picture")))
