"""The log, and what signals do."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from conftest import CELLS, PROGRAM, ROOT, Server


def classify(server: Server, headers: dict[str, str] | None = None) -> dict:
    request = urllib.request.Request(
        f"{server.url}/api/cells?name=patient-7.png", CELLS[0].read_bytes(), headers or {}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer) | {"request_id": answer.headers["x-request-id"]}


def test_json_has_a_line_per_request_without_names_of_files(start) -> None:
    server = start("--log-format", "json")
    assert classify(server, {"x-request-id": "ward-3"})["request_id"] == "ward-3"
    generated = classify(server, {"x-request-id": "<patient 7>"})["request_id"]
    assert server.stop() == 0
    text = server.log.read_text()
    assert "patient" not in text
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert [line["message"] for line in lines] == ["listening", "request", "request", "stopping"]
    first, second = lines[1:3]
    expected = {"level": "INFO", "method": "POST", "route": "/api/cells", "status": 200, "request_id": "ward-3"}
    assert expected.items() <= first.items() and 0 < first["elapsed_ms"] < 20_000
    assert second["request_id"] == generated


def test_text_has_no_lines_about_requests_that_succeed(start) -> None:
    server = start()
    classify(server)
    assert server.stop() == 0
    assert "request" not in server.log.read_text()
    server = start("--log-level", "info")
    classify(server)
    assert server.stop() == 0
    assert "route=\"/api/cells\" status=200" in server.log.read_text()


def test_level(start) -> None:
    server = start("--log-format", "json", "--log-level", "error")
    classify(server)
    assert server.stop() == 0
    assert "{" not in server.log.read_text()


def test_an_unknown_form_is_a_usage_error() -> None:
    for arguments in [["--log-format", "xml"], ["--log-level", "loud"]]:
        assert subprocess.run([PROGRAM, "serve", *arguments], capture_output=True).returncode == 2


def test_hangup_loads_all_models_again_or_none(start, demo: Path, tmp_path: Path) -> None:
    file = tmp_path / "own.safetensors"
    shutil.copy(ROOT / "crates/giemsa/src/model/pretrained/compact.safetensors", file)
    server = start("--model", f"own={file}", "--model", "compact=builtin")
    card = json.loads(server.get("/api/model?name=own"))
    assert card["models"] == ["own", "compact"]
    assert card["sha256"] == json.loads(server.get("/api/model?name=compact"))["sha256"]
    before = classify(server)["results"]

    shutil.copy(demo / "model.safetensors", tmp_path / "new")
    os.replace(tmp_path / "new", file)
    assert classify(server)["results"] == before
    server.process.send_signal(signal.SIGHUP)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    server.wait_for_log(sha256)
    new = json.loads(server.get("/api/model?name=own"))
    assert new["sha256"] == sha256 != card["sha256"]
    after = classify(server)["results"]
    assert after != before
    row = subprocess.run(
        [PROGRAM, "predict", "--model", file, "--format", "jsonl", CELLS[0]], check=True, capture_output=True
    )
    assert after[0]["probability"] == json.loads(row.stdout)["probability"]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        server.get(f"/v2/models/own/versions/{card['sha256'][:12]}")

    file.write_bytes(file.read_bytes()[:-1])
    server.process.send_signal(signal.SIGHUP)
    server.wait_for_log("the models cannot be loaded again")
    assert json.loads(server.get("/api/model?name=own"))["sha256"] == sha256
    assert classify(server)["results"] == after
