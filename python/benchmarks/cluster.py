"""Measures predictions of a million images in one process and on clusters of one and two nodes, one CPU each.

Prints the tables of docs/cluster.md, and the figures of its extrapolation. Needs giemsa[ray], two cores that nothing else
uses, and 25 GB of disk space for the images, which are kept for the next call. About 45 minutes:

    python benchmarks/cluster.py --place /tmp/cluster
"""

import argparse
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

# Ray reads these when it is imported. The first one binds it to the loopback address.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import giemsa

ROWS_PER_FILE = 20_000
ROWS_PER_GROUP = 1_000
CHUNK_ROWS = 4_096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--place", type=Path, required=True, help="folder for images and predictions")
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--distinct", type=int, default=5_000, help="drawn images, which are repeated under other paths")
    parser.add_argument("--sample", type=int, default=40_000, help="images of the measurements in one process")
    arguments = parser.parse_args()
    source = write_images(arguments.place, arguments.cells, arguments.distinct)
    size = sum(path.stat().st_size for path in source.glob("*.parquet")) / arguments.cells
    print(f"{arguments.cells} images, {size:.0f} bytes each, {arguments.distinct} of them distinct\n")
    one_thread, two_threads = print_parts(source, arguments.sample)
    print_one_machine(two_threads, size)
    two_nodes = print_clusters(arguments.place, source, arguments.cells, one_thread)
    results = list((arguments.place / "predictions-2").glob("*.parquet"))
    print_extrapolation(two_nodes / 2, size, sum(path.stat().st_size for path in results) / arguments.cells)


def write_images(place: Path, cells: int, distinct: int) -> Path:
    """Write the images as Parquet, if an earlier call has not."""
    source = place / f"parquet-{cells}-{distinct}"
    if not source.exists():
        drawn = place / f"drawn-{distinct}"
        paths = sorted(drawn.rglob("*.png")) or sorted(giemsa.draw_cells(drawn, images=distinct, patients=48))
        contents = [path.read_bytes() for path in paths]
        unfinished = place / "unfinished"
        unfinished.mkdir(parents=True, exist_ok=True)
        for start in range(0, cells, ROWS_PER_FILE):
            numbers = range(start, min(start + ROWS_PER_FILE, cells))
            images = pa.array([contents[number % len(contents)] for number in numbers], pa.binary())
            table = pa.table({"path": [f"slide-{number // 500}/cell-{number}.png" for number in numbers], "image": images})
            path = unfinished / f"{start:09}.parquet"
            pq.write_table(table, path, row_group_size=ROWS_PER_GROUP, compression="none", use_dictionary=False)
        unfinished.rename(source)
    return source


def batches(source: Path, cells: int) -> Iterator[pa.RecordBatch]:
    """Read images from different files, which are not in memory yet."""
    for path in sorted(source.glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(1024, use_threads=False):
                yield batch
                cells -= batch.num_rows
                if cells <= 0:
                    return


def seconds_of(work: Iterator[object]) -> float:
    started = time.perf_counter()
    for _ in work:
        pass
    return time.perf_counter() - started


def print_parts(source: Path, sample: int) -> tuple[float, float]:
    """Measure what a prediction consists of, in this process.

    Return the cells per second of one thread, without reading, and of two threads, with reading.
    """
    model = giemsa.Model.load()
    model.predict_proba([np.zeros((50, 50, 3), np.uint8)], threads=1)
    rates = {"reading Parquet": sample / seconds_of(batches(source, sample))}
    for threads in (1, 2):
        scores = (giemsa.score_batch(batch, model, threads=threads) for batch in batches(source, sample))
        rates[f"score_batch, {threads} thread{'s' * (threads > 1)}"] = sample / seconds_of(scores)
    print("| work, in one process | cells per second | cells per hour |\n|---|---|---|")
    for name, rate in rates.items():
        print(f"| {name} | {rate:,.0f} | {3600 * rate / 1e6:,.1f} million |")
    print()
    # Actors read ahead, so reading costs them less time than here, where it alternates with predictions.
    without_reading = 1 / (1 / rates["score_batch, 1 thread"] - 1 / rates["reading Parquet"])
    return without_reading, rates["score_batch, 2 threads"]


def print_one_machine(rate: float, size: float) -> None:
    print("| cells | bytes | time on this machine |\n|---|---|---|")
    for power in range(5, 10):
        hours = 10**power / rate / 3600
        time_text = f"{60 * hours:.0f} min" if hours < 2 else f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.0f} days"
        print(f"| 10^{power} | {10**power * size / 1e9:,.0f} GB | {time_text} |")
    print()


def print_clusters(place: Path, source: Path, cells: int, one_thread: float) -> float:
    """Measure one node and two. Return the cells per second of two."""
    print(
        "| nodes | start | time | cells per second | speed-up | overhead per batch | memory of an actor | memory of Ray |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    first = seconds = 0.0
    for nodes in (1, 2):
        start, seconds, actor_mb, all_mb = run_cluster(place, source, nodes)
        first = first or seconds
        overhead_ms = 1000 * (seconds * nodes - cells / one_thread) / (cells / 1024)
        print(
            f"| {nodes} | {start:.1f} s | {seconds:.0f} s | {cells / seconds:,.0f} | {first / seconds:.2f} | "
            f"{overhead_ms:.1f} ms | {actor_mb:.0f} MB | {all_mb:.0f} MB |"
        )
    return cells / seconds


def print_extrapolation(rate: float, size: float, result_size: float, nodes: int = 100, cores: int = 16) -> None:
    """Compute a billion cells from the cells per second of a core."""
    core_seconds = 1e9 / rate
    print(f"""
| a billion cells, {nodes} nodes of {cores} cores | |
|---|---|
| core-hours, at {rate:,.0f} cells per second and core | {core_seconds / 3600:,.0f} |
| time | {core_seconds / nodes / cores / 60:,.0f} min |
| images | {size * 1e9 / 1e12:.1f} TB |
| network of a node | {rate * cores * size * 8 / 1e9:.2f} Gbit/s |
| network of the storage | {rate * cores * nodes * size * 8 / 1e9:,.0f} Gbit/s |
| predictions | {result_size:.0f} bytes per cell, {result_size:.0f} GB |
| chunks of 65,536 | {1e9 / 65536:,.0f}, of {65536 / rate:.0f} s each |""")


def run_cluster(place: Path, source: Path, nodes: int) -> tuple[float, float, float, float]:
    """Return the seconds of the start and of the run, and the most memory of an actor and of all processes, in MB."""
    import ray
    from ray.cluster_utils import Cluster

    import giemsa.ray

    started = time.perf_counter()
    node = {"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": 200 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    for _ in range(nodes - 1):
        cluster.add_node(**node)
    ray.init(address=cluster.address, _node_ip_address="127.0.0.1", log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    start = time.perf_counter() - started
    destination = place / f"predictions-{nodes}"
    shutil.rmtree(destination, ignore_errors=True)
    peak, stop = [0.0, 0.0], threading.Event()
    watcher = threading.Thread(target=watch_memory, args=(peak, stop))
    watcher.start()
    started = time.perf_counter()
    giemsa.ray.score(source, destination, chunk_rows=CHUNK_ROWS)
    seconds = time.perf_counter() - started
    stop.set()
    watcher.join()
    ray.shutdown()
    cluster.shutdown()
    return start, seconds, peak[0], peak[1]


def watch_memory(peak: list[float], stop: threading.Event) -> None:
    while not stop.wait(1.0):
        of_all = 0.0
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = process.joinpath("cmdline").read_bytes()
                # Proportional: memory that processes share is divided between them.
                lines = process.joinpath("smaps_rollup").read_text().splitlines() if is_of_ray(command) else []
            except OSError:
                continue  # It has ended.
            megabytes = sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
            of_all += megabytes
            if command.startswith(b"ray::MapWorker(MapBatches(_Scorer)"):
                peak[0] = max(peak[0], megabytes)
        peak[1] = max(peak[1], of_all)


def is_of_ray(command: bytes) -> bool:
    return command.startswith(b"ray::") or b"/ray/" in command


if __name__ == "__main__":
    main()
