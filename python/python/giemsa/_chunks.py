"""The images of a source, in chunks: each chunk becomes one file of results."""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet

from giemsa._places import Place
from giemsa._score_batch import image_columns

EXTENSIONS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp")
"""The extensions of image files in a folder."""

BATCH_ROWS = 1024
BATCH_BYTES = 32 * 2**20
"""The most images, and about the most bytes, that are in memory at a time."""

MAX_FILE_BYTES = 256 * 2**20
"""The largest image file that is read."""

READERS = 16
"""Threads that wait for the files of a remote file system."""

CHUNKS = pa.schema(
    [
        ("name", pa.string()),  # of the file of results
        ("rows", pa.int64()),
        ("files", pa.list_(pa.string())),  # image files, or one Parquet file
        ("row_groups", pa.list_(pa.int32())),  # of the Parquet file
        ("batch_rows", pa.int64()),
    ]
)

Row: TypeAlias = tuple[str, bytes | None, str | None]
"""The path of an image, its bytes, and the reason why there are none."""


def find_chunks(source: Place, chunk_rows: int) -> pa.Table:
    """Divide a source into chunks of about this many images, without reading the images.

    The name of a chunk depends on its images only, so the same source gives the same names.

    :raises ValueError: if there are no images, or both image files and Parquet files, or Parquet files without images.
    """
    files = source.list()
    tables = [info for info in files if info.path.endswith((".parquet", ".pq"))]
    images = [info for info in files if info.path.lower().endswith(EXTENSIONS)]
    if bool(tables) == bool(images):
        found = "both" if tables else "neither"
        raise ValueError(f"{source.path}: expected image files or Parquet files, found {found}")
    if images:
        chunks = _chunks_of_images(images, chunk_rows)
    else:
        # Footers are small, and wait for the network.
        with ThreadPoolExecutor(READERS) as pool:
            of_tables = pool.map(lambda info: _chunks_of_table(source.filesystem, info, chunk_rows), tables)
            chunks = [chunk for of_table in of_tables for chunk in of_table]
    return pa.Table.from_pylist(chunks, CHUNKS)


def _chunks_of_images(images: list[pyarrow.fs.FileInfo], chunk_rows: int) -> list[dict[str, Any]]:
    paths = [info.path for info in images]
    chunks = [paths[start : start + chunk_rows] for start in range(0, len(paths), chunk_rows)]
    return [
        {"name": _name(files), "rows": len(files), "files": files, "row_groups": [], "batch_rows": BATCH_ROWS}
        for files in chunks
    ]


def _chunks_of_table(filesystem: pyarrow.fs.FileSystem, info: pyarrow.fs.FileInfo, chunk_rows: int) -> list[dict[str, Any]]:
    with pyarrow.parquet.ParquetFile(info.path, filesystem=filesystem) as file:
        metadata, names = file.metadata, file.schema_arrow.names
    if "image" not in names:
        raise ValueError(f"{info.path}: expected a column image, found {names}")
    chunks: list[dict[str, Any]] = []
    rows, size, row_groups = 0, 0, []
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        row_groups.append(index)
        rows, size = rows + group.num_rows, size + group.total_byte_size
        if rows >= chunk_rows or (index == metadata.num_row_groups - 1 and rows > 0):
            # Another content has another size or time, and so another name.
            name = _name([info.path, info.size, info.mtime_ns, row_groups])
            batch_rows = max(1, min(BATCH_ROWS, BATCH_BYTES * rows // max(size, 1)))
            chunk = {"name": name, "rows": rows, "files": [info.path], "row_groups": row_groups}
            chunks.append({**chunk, "batch_rows": batch_rows})
            rows, size, row_groups = 0, 0, []
    return chunks


def _name(content: object) -> str:
    return f"part-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:24]}.parquet"


def read_batches(source: Place, chunk: dict[str, Any]) -> Iterator[pa.RecordBatch]:
    """Read the images of a chunk in batches with the columns ``path`` and ``image``, the next one while one is used."""
    return _ahead(_read_table(source, chunk) if chunk["row_groups"] else _read_images(source, chunk))


def _read_table(source: Place, chunk: dict[str, Any]) -> Iterator[pa.RecordBatch]:
    [path] = chunk["files"]
    # Streaming: a column of a row group is not in memory as a whole.
    with pyarrow.parquet.ParquetFile(path, filesystem=source.filesystem, buffer_size=2**20, pre_buffer=False) as file:
        columns = [name for name in ("path", "image") if name in file.schema_arrow.names]
        batches = file.iter_batches(chunk["batch_rows"], row_groups=chunk["row_groups"], columns=columns, use_threads=False)
        for batch in batches:
            paths, images = image_columns(batch)
            yield pa.record_batch({"path": paths, "image": images})


def _read_images(source: Place, chunk: dict[str, Any]) -> Iterator[pa.RecordBatch]:
    """Read image files; one that cannot be read is null, and the column ``error`` contains the reason."""
    rows: list[Row] = []
    size = 0
    for row in _map(lambda path: _read_image(source, path), chunk["files"], 1 if source.is_local else READERS):
        rows.append(row)
        size += len(row[1] or b"")
        if size >= BATCH_BYTES or len(rows) == chunk["batch_rows"]:
            yield _batch_of_images(rows)
            rows, size = [], 0
    if rows:
        yield _batch_of_images(rows)


def _read_image(source: Place, path: str) -> Row:
    name = source.name_of(path)
    try:
        with source.filesystem.open_input_file(path) as file:
            size = file.size()
            if size > MAX_FILE_BYTES:
                return name, None, f"the file has {size} bytes; at most {MAX_FILE_BYTES} are supported"
            return name, file.read(), None
    except OSError as error:
        return name, None, str(error)


def _batch_of_images(rows: list[Row]) -> pa.RecordBatch:
    paths, images, errors = zip(*rows, strict=True)
    columns = {"path": pa.array(paths, pa.string()), "image": pa.array(images, pa.binary())}
    return pa.record_batch({**columns, "error": pa.array(errors, pa.string())})


def _map(function: Callable[[str], Row], values: list[str], threads: int) -> Iterator[Row]:
    """Call the function for the values in order, on some threads, and a few values ahead only."""
    remaining = iter(values)
    with ThreadPoolExecutor(threads) as pool:
        running = deque(pool.submit(function, value) for value in islice(remaining, threads))
        while running:
            yield running.popleft().result()
            running.extend(pool.submit(function, value) for value in islice(remaining, 1))


def _ahead(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    with ThreadPoolExecutor(1) as reader:
        following = reader.submit(next, batches, None)
        while (batch := following.result()) is not None:
            following = reader.submit(next, batches, None)
            yield batch
