"""The number of threads."""

import os
from pathlib import Path

import pytest

import giemsa

VARIABLES = ["GIEMSA_THREADS", "RAYON_NUM_THREADS", "OMP_NUM_THREADS"]


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def test_the_argument_comes_before_the_variables_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = len(os.sched_getaffinity(0))
    assert giemsa.number_of_threads() == cores
    for threads, variable in zip([5, 6, 7], reversed(VARIABLES), strict=True):
        monkeypatch.setenv(variable, str(threads))
        assert giemsa.number_of_threads() == threads
    assert giemsa.number_of_threads(3) == 3


def test_values_of_other_libraries_that_are_no_number_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4,2")
    assert giemsa.number_of_threads() == 4
    monkeypatch.setenv("RAYON_NUM_THREADS", "0")
    assert giemsa.number_of_threads() == 4
    monkeypatch.setenv("GIEMSA_THREADS", "")
    assert giemsa.number_of_threads() == 4


def test_wrong_numbers_raise(monkeypatch: pytest.MonkeyPatch, model: giemsa.Model, cells: list[Path]) -> None:
    for threads in [0, -1, 1025]:
        with pytest.raises(ValueError, match=f"threads: expected a number of threads in 1..=1024, found {threads}"):
            model.predict(cells, threads=threads)
    monkeypatch.setenv("GIEMSA_THREADS", "all")
    with pytest.raises(ValueError, match="GIEMSA_THREADS: expected a number of threads in 1..=1024, found all"):
        model.predict(cells)


def test_the_pool_has_this_number_of_threads(model: giemsa.Model, cells: list[Path]) -> None:
    def tasks() -> int:
        return len(os.listdir("/proc/self/task"))

    model.predict(cells, threads=1)
    # The threads of the pool before it may not have ended yet.
    before = tasks()
    for _ in range(50):
        model.predict(cells, threads=6)
    assert tasks() >= 6 and tasks() <= before + 6


def test_results_do_not_depend_on_the_number_of_threads(model: giemsa.Model, cells: list[Path]) -> None:
    assert (model.predict_proba(cells, threads=1) == model.predict_proba(cells, threads=5)).all()
