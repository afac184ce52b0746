"""Predictions and cross-validation on a cluster of Ray. Needs ``giemsa[ray]``.

For research use only, not for diagnosis.

>>> import giemsa.ray  # doctest: +SKIP
>>> giemsa.ray.score("s3://bucket/cells/*.parquet", "s3://bucket/predictions")  # doctest: +SKIP
Scores(scored=1000000, errors=12, skipped=0)
"""

import dataclasses
from typing import Any

import giemsa
from giemsa._model import Model, Path, as_model
from giemsa._score_batch import score_batch

try:
    import pyarrow as pa
    import pyarrow.compute
    import ray
    import ray.data
except ImportError as error:
    raise ImportError(f"giemsa.ray needs Ray: pip install 'giemsa[ray]' ({error})") from error

from giemsa._chunks import find_chunks, read_batches
from giemsa._parts import begin_or_resume, finished_images, without_finished, write_part
from giemsa._places import Place, place
from giemsa._ray_cross_validation import cross_validate

__all__ = ["Scores", "cross_validate", "score"]


@dataclasses.dataclass(frozen=True)
class Scores:
    """How many images a run has classified."""

    scored: int
    """Images in the rows that this run wrote."""
    errors: int
    """Those of them with an error: unreadable, or not a red cell."""
    skipped: int
    """Images that an earlier run into the same destination had classified."""


@dataclasses.dataclass(frozen=True)
class _Job:
    """What every actor needs to know."""

    model: Model
    sha256: str
    source: Place
    destination: Place
    tta: bool
    threads: int
    finished: "ray.ObjectRef[Any] | None"


def score(
    source: Path,
    destination: Path,
    model: Model | Path | None = None,
    *,
    tta: bool = False,
    actors: int | None = None,
    cpus_per_actor: int = 1,
    chunk_rows: int = 4096,
) -> Scores:
    """Predict the classes of the images of a source, and write the rows of :func:`giemsa.score_batch` as Parquet.

    For research use only, not for diagnosis.

    A run that was interrupted is continued by the same call: images whose paths are in the destination are skipped. Files
    of the destination appear whole or not at all, so no image has two rows, whatever is killed. One run at a time may write
    into a destination.

    :param source: a folder, which is searched with its folders, a glob, or a file, of image files or of Parquet files with
        the columns of :func:`giemsa.score_batch`; a path that all nodes have, or a URI such as ``s3://bucket/folder``.
    :param destination: a folder, likewise.
    :param model: a model, the path of its file on this machine, or ``None`` for the built-in model.
    :param tta: average over the eight rotations and reflections of each image, at eight times the cost.
    :param actors: the number of processes that predict; by default as many as the CPUs of the cluster allow.
    :param cpus_per_actor: the CPUs of an actor, and its number of threads.
    :param chunk_rows: the number of images per file of the destination. A row group of Parquet is never divided.
    :raises ValueError: if the source has no images, or the destination was begun with another model.
    """
    used = as_model(model)
    read_from, write_to = place(source), place(destination)
    if f"{write_to.path}/".startswith(f"{read_from.path}/") and read_from.filesystem == write_to.filesystem:
        raise ValueError(f"{destination}: the destination is inside the source")
    chunks = find_chunks(read_from, chunk_rows)
    done = begin_or_resume(write_to, {"model_sha256": used.sha256, "tta": tta})
    is_done = pa.compute.is_in(chunks["name"], pa.array(done, pa.string()))
    remaining = chunks.filter(pa.compute.invert(is_done))
    skipped = chunks.num_rows and pa.compute.sum(chunks.filter(is_done)["rows"]).as_py() or 0
    if remaining.num_rows == 0:
        return Scores(0, 0, skipped)
    # Files of other chunks: the source has changed, or was divided otherwise.
    others = sorted(set(done) - set(chunks["name"].to_pylist()))
    finished = ray.put(finished_images(write_to, others)) if others else None
    job = _Job(used, used.sha256, read_from, write_to, tta, cpus_per_actor, finished)
    rows = _run(job, remaining, actors or _most_actors(cpus_per_actor), cpus_per_actor)
    scored, errors = (sum(row[name] for row in rows) for name in ("scored", "errors"))
    return Scores(scored, errors, skipped + sum(row["skipped"] for row in rows))


def _most_actors(cpus_per_actor: int) -> int:
    if not ray.is_initialized():
        ray.init()
    return max(1, int(ray.cluster_resources().get("CPU", 1)) // cpus_per_actor)


def _run(job: _Job, chunks: "pa.Table", actors: int, cpus_per_actor: int) -> list[dict[str, int]]:
    """Score the chunks on a pool of actors, which start again when they die, as does the chunk that they were at."""
    # Only the names of files go through Ray: each actor reads images and writes rows itself.
    dataset = ray.data.from_arrow(chunks, override_num_blocks=chunks.num_rows).map_batches(
        _Scorer,
        fn_constructor_args=(job,),
        batch_size=1,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=min(actors, chunks.num_rows)),
        num_cpus=cpus_per_actor,
    )
    rows: list[dict[str, int]] = dataset.take_all()
    return rows


class _Scorer:
    """An actor with a model."""

    def __init__(self, job: _Job) -> None:
        pa.set_cpu_count(job.threads)
        if job.model.sha256 != job.sha256:
            raise RuntimeError(f"another version of giemsa is installed on this node: {giemsa.__file__}")
        self.job = job
        self.finished = None if job.finished is None else ray.get(job.finished)

    def __call__(self, chunks: "pa.Table") -> "pa.Table":
        return pa.Table.from_pylist([self.score(chunk) for chunk in chunks.to_pylist()])

    def score(self, chunk: dict[str, Any]) -> dict[str, int]:
        """Write the rows of a chunk, and count them."""
        job, parts = self.job, []
        for batch in read_batches(job.source, chunk):
            new = batch if self.finished is None else without_finished(batch, self.finished)
            if new.num_rows > 0:
                scores = score_batch(new, job.model, tta=job.tta, threads=job.threads)
                parts.append(_with_reasons(scores, new))
        scored = sum(part.num_rows for part in parts)
        errors = sum(part.num_rows - part["error"].null_count for part in parts)
        if parts:
            write_part(job.destination, chunk["name"], parts)
        return {"scored": scored, "errors": errors, "skipped": chunk["rows"] - scored}


def _with_reasons(scores: "pa.RecordBatch", batch: "pa.RecordBatch") -> "pa.RecordBatch":
    """Add the reasons why files could not be read."""
    if "error" not in batch.schema.names:
        return scores
    errors = pa.compute.coalesce(batch["error"], scores["error"])
    return scores.set_column(scores.schema.get_field_index("error"), "error", errors)
