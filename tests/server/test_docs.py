"""The commands of docs/api.md."""

import contextlib
import io
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import CELLS, ROOT

PAGE = (ROOT / "docs/api.md").read_text()
ADDRESS = "localhost:8417"


@pytest.fixture
def folder(tmp_path: Path, demo: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the commands name."""
    for name, source in {"cell.png": CELLS[0], "other.png": CELLS[-1]}.items():
        shutil.copy(source, tmp_path / name)
    for number in [1, 2]:
        shutil.copy(demo / f"smear-{number}.png", tmp_path / f"field-{number}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commands(start, folder: Path) -> None:
    server = start()
    commands = [line.strip() for line in PAGE.splitlines() if re.match(" {4}(curl|kill)", line)]
    assert len(commands) > 12
    environment = os.environ | {"SERVER_PID": str(server.process.pid)}
    for command in commands:
        run = subprocess.run(
            ["sh", "-c", command.replace(ADDRESS, server.address)], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert run.returncode == 0, f"{command}\n{run.stdout}{run.stderr}"
    assert (folder / "cells.csv").read_text().count("\n") > 100
    assert "For research use only" in (folder / "report.html").read_text()
    server.wait_for_log("loaded again")


def test_python(start, folder: Path, expected: list[dict]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(code.replace(ADDRESS, start().address), {})
    for row in [expected[0], expected[-1]]:
        assert row["class"] in output.getvalue()
        assert f"{row['probability']['Parasitized']:.3f}"[:-1] in output.getvalue()
