"""Servers as processes, and images of cells."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = Path(os.environ.get("GIEMSA_PROGRAM", ROOT / "target/release/giemsa")).absolute()
CELLS = sorted((ROOT / "docs/images/cells").glob("*.png"))


class Server:
    """A running `giemsa serve`, on a free port and with cases of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.log = folder / "log"
        command = [PROGRAM, "serve", "--port", "0", "--data", folder / "data", *arguments]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http://"), self.log.read_text()

    @property
    def address(self) -> str:
        return self.url.removeprefix("http://")

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return answer.read()

    def wait_for_log(self, text: str) -> None:
        end = time.monotonic() + 20
        while text not in self.log.read_text():
            assert time.monotonic() < end, f"no {text!r} in {self.log.read_text()}"
            time.sleep(0.02)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=40)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    assert server.stop() == 0, server.log.read_text()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[type[Server]]:
    """Starts servers that the test may stop."""
    servers: list[Server] = []

    def start(*arguments: str) -> Server:
        folder = tmp_path / str(len(servers))
        folder.mkdir()
        servers.append(Server(folder, *arguments))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture(scope="session")
def expected() -> list[dict]:
    """The rows that `giemsa predict` prints for the cells."""
    output = subprocess.run([PROGRAM, "predict", "--format", "jsonl", *CELLS], check=True, capture_output=True)
    return [json.loads(line) for line in output.stdout.splitlines()]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `giemsa demo`: a model that is not the built-in one, cells, and photographs of a smear."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    command = [PROGRAM, "demo", folder, "--images", "400", "--epochs", "1", "--quiet"]
    subprocess.run(command, check=True, capture_output=True)
    return folder
