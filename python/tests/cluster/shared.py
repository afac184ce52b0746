"""What the tests of clusters share."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

import giemsa

NODE: dict[str, Any] = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": 100 * 2**20}


def images_of(folder: Path) -> pa.Table:
    """Return the paths and the bytes of all images of a folder."""
    paths = sorted(path for path in folder.rglob("*.png"))
    contents = pa.array([path.read_bytes() for path in paths], pa.binary())
    return pa.table({"path": [str(path) for path in paths], "image": contents})


def score_here(images: pa.Table, *, tta: bool = False) -> list[dict[str, Any]]:
    """Return the rows of a single process."""
    [batch] = images.combine_chunks().to_batches()
    rows: list[dict[str, Any]] = giemsa.score_batch(batch, tta=tta).to_pylist()
    return rows


def rows_in(destination: Path) -> list[dict[str, Any]]:
    """Return the rows of all files of a destination, sorted by path, with duplicates."""
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(destination).to_pylist()
    return sorted(rows, key=lambda row: row["path"])


def processes(name: str) -> list[int]:
    """Return the processes whose command begins with this name, which Ray sets."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.joinpath("cmdline").read_bytes().startswith(name.encode()):
                found.append(int(process.name))
        except OSError:
            continue  # It has ended.
    return found


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the run did not get that far"
        time.sleep(0.01)
