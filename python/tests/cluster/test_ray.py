"""Predictions on two nodes of Ray, with processes and nodes that are killed."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet
import pytest
from moto.server import ThreadedMotoServer
from ray.cluster_utils import Cluster
from shared import NODE, processes, rows_in, score_here, wait_for

import giemsa
import giemsa.ray
from giemsa.ray import Scores

pytestmark = pytest.mark.usefixtures("cluster")


def errors_in(rows: list[dict[str, Any]]) -> int:
    return sum(row["error"] is not None for row in rows)


def actors() -> list[int]:
    return processes("ray::MapWorker(MapBatches(_Scorer)")


def finished_in(destination: Path) -> int:
    return len(list(destination.glob("part-*.parquet")))


def during(run: Callable[[], Scores], destination: Path, parts: int, act: Callable[[], None]) -> Scores:
    """Act when the run has written some files, and return its result."""
    failures: list[BaseException] = []

    def wait_and_act() -> None:
        try:
            wait_for(lambda: finished_in(destination) >= parts)
            act()
        except BaseException as failure:
            failures.append(failure)

    actor = threading.Thread(target=wait_and_act)
    actor.start()
    scores = run()
    actor.join()
    assert not failures, failures
    return scores


def test_a_folder_gives_the_rows_of_one_process(folder: Path, expected: list[dict[str, Any]], tmp_path: Path) -> None:
    scores = giemsa.ray.score(folder, tmp_path / "out", chunk_rows=50)
    assert rows_in(tmp_path / "out") == expected
    assert scores == Scores(scored=len(expected), errors=errors_in(expected), skipped=0)
    assert finished_in(tmp_path / "out") == 5
    assert giemsa.ray.score(folder, tmp_path / "out", chunk_rows=50) == Scores(0, 0, len(expected))
    assert rows_in(tmp_path / "out") == expected


def test_a_glob_gives_its_images(folder: Path, expected: list[dict[str, Any]], tmp_path: Path) -> None:
    giemsa.ray.score(folder / "Para*/*.png", tmp_path / "out")
    assert rows_in(tmp_path / "out") == [row for row in expected if "/Parasitized/" in row["path"]]


def test_parquet_gives_the_rows_of_one_process(parquet: Path, expected: list[dict[str, Any]], tmp_path: Path) -> None:
    giemsa.ray.score(parquet, tmp_path / "out", chunk_rows=40)
    assert rows_in(tmp_path / "out") == expected
    schema = pyarrow.parquet.read_schema(next((tmp_path / "out").glob("part-*")))
    assert schema == giemsa.score_schema()


def test_the_structs_of_hugging_face_are_taken(images: pa.Table, expected: list[dict[str, Any]], tmp_path: Path) -> None:
    rows = [{"bytes": row["image"], "path": row["path"]} for row in images.to_pylist()]
    (tmp_path / "in").mkdir()
    pyarrow.parquet.write_table(pa.table({"image": rows}), tmp_path / "in/a.parquet")
    giemsa.ray.score(tmp_path / "in/a.parquet", tmp_path / "out")
    assert rows_in(tmp_path / "out") == expected


def test_new_images_are_scored_and_the_others_are_skipped(
    images: pa.Table, expected: list[dict[str, Any]], tmp_path: Path
) -> None:
    source, out = tmp_path / "in/a.parquet", tmp_path / "out"
    source.parent.mkdir()
    pyarrow.parquet.write_table(images.slice(100, 50), source)
    assert giemsa.ray.score(source, out).scored == 50
    # Other chunks, most of them of new images.
    pyarrow.parquet.write_table(images, source, row_group_size=40)
    scores = giemsa.ray.score(source, out, chunk_rows=40)
    assert (scores.scored, scores.skipped) == (len(expected) - 50, 50)
    assert rows_in(out) == expected
    assert giemsa.ray.score(source, out, chunk_rows=200).scored == 0
    assert rows_in(out) == expected


def test_another_model_is_refused(parquet: Path, tmp_path: Path) -> None:
    giemsa.ray.score(parquet, tmp_path / "out")
    built_in = giemsa.Model.load()
    other = tmp_path / "other.safetensors"
    # Another file with the same weights: the header of safetensors may end with spaces.
    content = (Path(__file__).parents[3] / "crates/giemsa/src/model/pretrained/compact.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    other.write_bytes((length + 8).to_bytes(8, "little") + content[8 : 8 + length] + b" " * 8 + content[8 + length :])
    with pytest.raises(ValueError, match=f"begun with model_sha256 {built_in.sha256}, not .*: choose another destination"):
        giemsa.ray.score(parquet, tmp_path / "out", other)
    with pytest.raises(ValueError, match="begun with tta False, not True"):
        giemsa.ray.score(parquet, tmp_path / "out", tta=True)
    giemsa.ray.score(parquet, tmp_path / "with-other", other)
    [sha256] = {row["model_sha256"] for row in rows_in(tmp_path / "with-other")}
    assert sha256 == giemsa.Model.load(other).sha256 != built_in.sha256


def test_a_killed_actor_changes_no_row(parquet: Path, images: pa.Table, tmp_path: Path) -> None:
    threads: list[int] = []

    def kill() -> None:
        alive = actors()
        threads.extend(threads_of(pid) for pid in alive)
        os.kill(alive[0], signal.SIGKILL)
        assert finished_in(tmp_path) < 10
        # Ray starts another one, for the chunk that was not finished.
        wait_for(lambda: bool(set(actors()) - set(alive)))

    run = lambda: giemsa.ray.score(parquet, tmp_path, tta=True, chunk_rows=20)  # noqa: E731
    scores = during(run, tmp_path, 2, kill)
    assert rows_in(tmp_path) == score_here(images, tta=True)
    assert (scores.scored, scores.skipped) == (images.num_rows, 0)
    # Each actor has one CPU, and predicts on one thread.
    assert threads and set(threads) == {1}


def threads_of(pid: int) -> int:
    """Return the number of threads that predict."""
    names = [task.joinpath("comm").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return sum(name.startswith("giemsa-") for name in names)


def test_a_killed_driver_continues_without_duplicates(
    cluster: Cluster, parquet: Path, images: pa.Table, tmp_path: Path
) -> None:
    program = (
        "import ray, giemsa.ray, sys\n"
        "ray.init(address=sys.argv[1], _node_ip_address='127.0.0.1', log_to_driver=False)\n"
        "giemsa.ray.score(sys.argv[2], sys.argv[3], tta=True, chunk_rows=20)\n"
    )
    arguments = [sys.executable, "-c", program, cluster.address, str(parquet), str(tmp_path)]
    driver = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: finished_in(tmp_path) >= 2)
    driver.kill()
    driver.wait()
    # Ray stops the actors of a driver that has died.
    wait_for(lambda: not actors())
    finished = finished_in(tmp_path)
    assert finished < 10
    scores = giemsa.ray.score(parquet, tmp_path, tta=True, chunk_rows=20)
    assert scores.skipped >= 40 and scores.scored + scores.skipped == images.num_rows
    assert rows_in(tmp_path) == score_here(images, tta=True)


def test_a_dead_node_changes_no_row(cluster: Cluster, parquet: Path, images: pa.Table, tmp_path: Path) -> None:
    node = [node for node in cluster.worker_nodes][0]

    def kill() -> None:
        assert finished_in(tmp_path) < 10
        cluster.remove_node(node, allow_graceful=False)

    try:
        run = lambda: giemsa.ray.score(parquet, tmp_path, tta=True, chunk_rows=20)  # noqa: E731
        during(run, tmp_path, 2, kill)
        assert rows_in(tmp_path) == score_here(images, tta=True)
    finally:
        cluster.add_node(**NODE)


@pytest.fixture
def s3() -> Iterator[str]:
    """The end of the URIs of a server of S3 on the loopback address, with the empty bucket ``cells``."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=f"http://{host}:{port}", **keys).create_bucket(Bucket="cells")
    yield f"?endpoint_override={host}%3A{port}&scheme=http&region=us-east-1"
    server.stop()


def test_s3_gives_the_rows_of_one_process(
    s3: str, parquet: Path, folder: Path, expected: list[dict[str, Any]], tmp_path: Path
) -> None:
    def uri(path: str) -> str:
        return f"s3://key:secret@cells/{path}{s3}"

    remote, _ = pa.fs.FileSystem.from_uri(uri(""))
    pa.fs.copy_files(str(parquet), "cells/parquet", destination_filesystem=remote)
    pa.fs.copy_files(str(folder / "Uninfected"), "cells/images", destination_filesystem=remote)

    giemsa.ray.score(uri("parquet/*.parquet"), uri("out"), chunk_rows=50)
    assert giemsa.ray.score(uri("parquet"), uri("out"), chunk_rows=50).skipped == len(expected)
    (tmp_path / "out").mkdir()
    pa.fs.copy_files("cells/out", str(tmp_path / "out"), source_filesystem=remote)
    assert rows_in(tmp_path / "out") == expected

    giemsa.ray.score(uri("images"), tmp_path / "of-images")
    rows = [{**row, "path": f"s3://cells/images/{Path(row['path']).name}"} for row in expected if "/Un" in row["path"]]
    assert rows_in(tmp_path / "of-images") == rows
