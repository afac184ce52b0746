"""Clusters on this machine: several processes, bound to the loopback address."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Ray reads these when it is imported. The first one binds it to the loopback address.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
os.environ["PYSPARK_PYTHON"] = sys.executable

import pyarrow as pa
import pyarrow.parquet
import pytest
import ray
from ray.cluster_utils import Cluster
from shared import NODE, images_of, score_here

import giemsa


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Two nodes with a CPU each, and a connection to them."""
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    cluster.add_node(**NODE)
    ray.init(address=cluster.address, _node_ip_address="127.0.0.1", log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 240 drawn cells, one broken file and one empty file."""
    folder = tmp_path_factory.mktemp("images") / "cells"
    giemsa.draw_cells(folder, images=240, patients=12)
    (folder / "Uninfected/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    (folder / "Uninfected/empty.png").write_bytes(b"")
    return folder


@pytest.fixture(scope="session")
def images(folder: Path) -> pa.Table:
    return images_of(folder)


@pytest.fixture(scope="session")
def parquet(images: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of Parquet with all images, in row groups of 20 and 30."""
    parquet = tmp_path_factory.mktemp("images") / "parquet"
    parquet.mkdir()
    pyarrow.parquet.write_table(images.slice(0, 100), parquet / "a.parquet", row_group_size=20)
    pyarrow.parquet.write_table(images.slice(100), parquet / "b.parquet", row_group_size=30)
    return parquet


@pytest.fixture(scope="session")
def expected(images: pa.Table) -> list[dict[str, Any]]:
    rows = score_here(images)
    assert sum(row["error"] is None for row in rows) >= 200
    assert {row["class"] for row in rows} == {"Parasitized", "Uninfected", None}
    return rows
