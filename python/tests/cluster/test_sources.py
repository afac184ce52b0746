"""Sources and destinations, without a cluster."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from giemsa._chunks import find_chunks, read_batches
from giemsa._parts import begin_or_resume
from giemsa._places import place


def write_empty(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("*.png", ["a.png"]),
        ("**/*.png", ["a.png", "x/b.png", "x/y/c.png"]),
        ("x/*.png", ["x/b.png"]),
        ("x/**", ["x/b.png", "x/y/c.png", "x/y/d.JPG"]),
        ("x/y/?.*", ["x/y/c.png", "x/y/d.JPG"]),
        ("x/y/[!c].*", ["x/y/d.JPG"]),
        ("", ["a.png", "x/b.png", "x/y/c.png", "x/y/d.JPG"]),
    ],
)
def test_globs_find_the_files_that_they_match(glob: str, expected: list[str], tmp_path: Path) -> None:
    write_empty(tmp_path, ["a.png", "x/b.png", "x/y/c.png", "x/y/d.JPG", "x/_hidden/e.png", "x/.f.png"])
    found = place(tmp_path / glob).list()
    assert [Path(info.path).relative_to(tmp_path).as_posix() for info in found] == expected


def test_chunks_contain_each_image_once(tmp_path: Path) -> None:
    names = [f"{number:02}.png" for number in range(10)]
    write_empty(tmp_path, names)
    chunks = find_chunks(place(tmp_path), 4).to_pylist()
    assert [chunk["rows"] for chunk in chunks] == [4, 4, 2]
    assert [path for chunk in chunks for path in chunk["files"]] == [str(tmp_path / name) for name in names]
    assert len({chunk["name"] for chunk in chunks}) == 3


def test_a_source_without_images_or_of_two_kinds_is_an_error(tmp_path: Path) -> None:
    write_empty(tmp_path, ["notes.txt"])
    with pytest.raises(ValueError, match="found neither"):
        find_chunks(place(tmp_path), 4)
    pyarrow.parquet.write_table(pa.table({"picture": [b""]}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="expected a column image"):
        find_chunks(place(tmp_path), 4)
    write_empty(tmp_path, ["a.png"])
    with pytest.raises(ValueError, match="found both"):
        find_chunks(place(tmp_path), 4)


def test_an_image_that_cannot_be_read_is_a_row(tmp_path: Path) -> None:
    write_empty(tmp_path, ["a.png", "b.png"])
    [chunk] = find_chunks(place(tmp_path), 4).to_pylist()
    (tmp_path / "a.png").unlink()
    [batch] = read_batches(place(tmp_path), chunk)
    assert batch["image"].to_pylist() == [None, b""]
    assert "No such file" in batch["error"][0].as_py() and batch["error"][1].as_py() is None


def test_a_destination_with_other_files_is_refused(tmp_path: Path) -> None:
    write_empty(tmp_path, ["mine.parquet"])
    with pytest.raises(ValueError, match="expected a new or empty folder"):
        begin_or_resume(place(tmp_path), {"model_sha256": "a"})


def test_files_that_a_killed_run_did_not_finish_are_deleted(tmp_path: Path) -> None:
    assert begin_or_resume(place(tmp_path), {"model_sha256": "a"}) == []
    write_empty(tmp_path, [".giemsa-half", "part-1.parquet"])
    assert begin_or_resume(place(tmp_path), {"model_sha256": "a"}) == ["part-1.parquet"]
    assert not (tmp_path / ".giemsa-half").exists()


def test_memory_is_that_of_a_few_batches(tmp_path: Path) -> None:
    noise = Path("/dev/urandom").open("rb")
    images = pa.array([noise.read(2**20) for _ in range(400)], pa.binary())
    noise.close()
    pyarrow.parquet.write_table(pa.table({"path": [str(i) for i in range(400)], "image": images}), tmp_path / "a.parquet")
    program = """
import resource, sys
from giemsa._chunks import find_chunks, read_batches
from giemsa._places import place
import pyarrow.parquet
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
[chunk] = find_chunks(place(sys.argv[1]), 4096).to_pylist()
assert sum(batch.num_rows for batch in read_batches(place(sys.argv[1]), chunk)) == 400
print(peak() - before)
"""
    output = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, capture_output=True, text=True)
    assert int(output.stdout) < 200 * 1024  # KiB; the images have 400 MiB


def test_the_package_imports_no_engine() -> None:
    program = "import sys, giemsa; assert not {'ray', 'pyspark', 'pyarrow', 'pandas'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(("module", "engine"), [("ray", "ray"), ("ray", "ray.data"), ("spark", "pyspark")])
def test_a_missing_engine_is_named(module: str, engine: str) -> None:
    program = f"import sys; sys.modules['{engine}'] = None; import giemsa.{module}"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert f"pip install 'giemsa[{module}]'" in run.stderr.splitlines()[-1]
