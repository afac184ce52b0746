"""The destination of predictions: a folder with a file of Parquet per chunk, from which an interrupted run continues."""

import hashlib
import json
import uuid
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet

from giemsa._places import Place

SETTINGS = "_giemsa.json"
"""What all files of a destination have in common: the model, and whether predictions are averaged over rotations."""

_TEMPORARY = ".giemsa-"


def begin_or_resume(destination: Place, settings: dict[str, Any]) -> list[str]:
    """Create the destination, or check that it was begun with these settings. Return the names of its finished files.

    :raises ValueError: if it was begun with other settings, or contains other files.
    """
    destination.filesystem.create_dir(destination.path, recursive=True)
    selector = pyarrow.fs.FileSelector(destination.path)
    names = [info.base_name for info in destination.filesystem.get_file_info(selector)]
    if SETTINGS in names:
        with destination.filesystem.open_input_file(destination.join(SETTINGS).path) as file:
            _check_settings(destination.path, json.loads(file.read()), settings)
    elif any(not name.startswith(_TEMPORARY) for name in names):
        raise ValueError(f"{destination.path}: expected a new or empty folder, or the destination of an earlier run")
    else:
        _write(destination, SETTINGS, json.dumps(settings, indent=2).encode())
    for name in names:
        if name.startswith(_TEMPORARY):
            destination.filesystem.delete_file(destination.join(name).path)
    return [name for name in names if name.endswith(".parquet") and not name.startswith(_TEMPORARY)]


def _check_settings(path: str, began: dict[str, Any], now: dict[str, Any]) -> None:
    for name, value in now.items():
        if began.get(name) != value:
            raise ValueError(
                f"{path}: begun with {name} {began.get(name)}, not {value}: choose another destination, or the same {name}"
            )


def finished_images(destination: Place, names: list[str]) -> npt.NDArray[np.bytes_]:
    """Return the digests of the paths in these files, sorted."""
    paths = (
        pyarrow.parquet.read_table(
            destination.join(name).path, columns=["path"], filesystem=destination.filesystem, partitioning=None
        )["path"]
        for name in names
    )
    return np.sort(np.concatenate([_digests(of_file) for of_file in paths]))


def without_finished(batch: pa.RecordBatch, finished: npt.NDArray[np.bytes_]) -> pa.RecordBatch:
    """Return the rows whose path is not among the finished ones."""
    digests = _digests(batch["path"])
    at = np.minimum(np.searchsorted(finished, digests), len(finished) - 1)
    return batch.filter(pa.array(finished[at] != digests))


def _digests(paths: "pa.Array | pa.ChunkedArray") -> npt.NDArray[np.bytes_]:
    """Return 16 bytes per path: those of a hundred million images take 1.6 GB, once per node."""
    digests = [hashlib.blake2b((path or "").encode(), digest_size=16).digest() for path in paths.to_pylist()]
    return np.array(digests, dtype="S16")


def write_part(destination: Place, name: str, batches: list[pa.RecordBatch]) -> None:
    """Write a file that appears whole or not at all. Writing it again replaces it."""
    sink = pa.BufferOutputStream()
    pyarrow.parquet.write_table(pa.Table.from_batches(batches), sink, compression="zstd")
    _write(destination, name, sink.getvalue())


def _write(destination: Place, name: str, content: "bytes | pa.Buffer") -> None:
    # An object of an object store appears when its upload is complete; a file of this machine when it is renamed.
    written = destination.join(f"{_TEMPORARY}{uuid.uuid4().hex}" if destination.is_local else name)
    with destination.filesystem.open_output_stream(written.path) as file:
        file.write(content)
    if destination.is_local:
        destination.filesystem.move(written.path, destination.join(name).path)
