"""Starts and ends the program, and asks it without a browser."""

import json
import os
import signal
import subprocess
import urllib.request
from pathlib import Path

PROGRAM = os.environ.get("GIEMSA_PROGRAM", "target/debug/giemsa")


class Server:
    """A server with its data in a folder. It can be killed and started again on the same data and port."""

    def __init__(self, data: Path):
        self.data = data
        self.port = 0
        self.start()

    def start(self) -> None:
        command = [PROGRAM, "serve", "--port", str(self.port), "--data", str(self.data)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.address = self.process.stdout.readline().strip()
        assert self.address.startswith("http://"), self.address
        self.port = int(self.address.rsplit(":", 1)[1])

    def kill(self) -> None:
        """Ends the program as a loss of power does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)

    def get(self, path: str):
        with urllib.request.urlopen(self.address + path) as response:
            body = response.read()
            is_json = response.headers["Content-Type"].startswith("application/json")
            return json.loads(body) if is_json else body

    def post(self, path: str, body=None):
        data = b"" if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, data=data, headers=headers, method="POST")
        with urllib.request.urlopen(request) as response:
            return json.loads(response.read())

    def new_example(self, name: str = "Example") -> int:
        """Creates a case with the drawn photographs, and returns its number."""
        case = self.post("/api/cases", {"name": name})["id"]
        self.post(f"/api/cases/{case}/example")
        return case
