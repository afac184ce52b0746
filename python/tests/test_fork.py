"""Predictions in processes that were forked."""

import io
import multiprocessing
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import PIL.Image

import giemsa

MODEL = giemsa.Model.load()


def predict(path: Path) -> list[float]:
    probabilities: list[float] = MODEL.predict_proba([path]).ravel().tolist()
    return probabilities


def test_two_forked_workers_predict_as_their_parent(cells: list[Path]) -> None:
    expected = [predict(path) for path in cells]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for _ in range(5):
            assert pool.map_async(predict, cells).get(timeout=60) == expected


def test_a_fork_while_another_thread_predicts_does_not_hang(cells: list[Path], tmp_path: Path) -> None:
    # Large files, because memory to decode them is reserved: what a thread of the parent has reserved must not matter to
    # the child.
    file = io.BytesIO()
    PIL.Image.fromarray(np.full((4000, 6000, 3), 200, dtype=np.uint8)).save(file, "png", compress_level=1)
    large = file.getvalue()
    large_path = tmp_path / "large.png"
    large_path.write_bytes(large)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            MODEL.predict([large] * 4)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(5):
            with multiprocessing.get_context("fork").Pool(2) as pool:
                assert len(pool.map_async(predict, [large_path, *cells]).get(timeout=60)) == 5
    finally:
        stop.set()
        thread.join()


def test_a_forked_child_uses_all_of_its_threads(cells: list[Path]) -> None:
    # A child begins with one thread.
    code = f"""
import os, giemsa
model = giemsa.Model.load()
def predict():
    model.predict({[str(path) for path in cells]!r}, threads=3)
predict()
child = os.fork()
if child == 0:
    predict()
    os._exit(len(os.listdir("/proc/self/task")) - 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "3\n"
