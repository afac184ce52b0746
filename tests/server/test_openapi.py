"""The description of the API: valid, and true of the running server."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from conftest import CELLS, Server

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
]


def test_it_is_valid(server: Server) -> None:
    OpenAPIV31SpecValidator(json.loads(server.get("/openapi.json"))).validate()


def run_schemathesis(schema: Path, server: Server, *arguments: str) -> None:
    """Sends requests that Schemathesis makes from the schema, and checks the answers."""
    command = [Path(sys.executable).with_name("schemathesis"), "run", schema, "--url", server.url, "--seed", "1"]
    options = ["--checks", ",".join(CHECKS), "--no-color", "--warnings", "off", "--generation-database", "none"]
    run = subprocess.run([*command, *options, *arguments], capture_output=True, text=True, cwd=schema.parent)
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]


def post(server: Server, path: str, body: bytes, media_type: str) -> dict:
    request = urllib.request.Request(server.url + path, body, {"Content-Type": media_type}, method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@pytest.fixture
def with_cases(start) -> Server:
    """A server with two cases: drawn photographs, and single cells. The images have the numbers 1 to 6."""
    server = start()
    for name in ["photographs", "cells"]:
        post(server, "/api/cases", json.dumps({"name": name}).encode(), "application/json")
    assert len(post(server, "/api/cases/1/example", b"", "application/json")["images"]) == 2
    for cell in CELLS:
        post(server, f"/api/cases/2/images?name={cell.name}", cell.read_bytes(), "image/png")
    return server


def test_answers_about_what_exists(with_cases: Server, tmp_path: Path) -> None:
    """Numbers in addresses are small here, so that most requests reach a case, an image or an object. Nothing is deleted."""
    document = json.loads(with_cases.get("/openapi.json"))
    for name, largest in [("Case", 2), ("Image", 6), ("Number", 3)]:
        document["components"]["parameters"][name]["schema"]["maximum"] = largest
    for name in ["ModelName", "ModelVersion"]:
        version = json.loads(with_cases.get("/v2/models/compact"))["versions"][0]
        known = {"ModelName": "compact", "ModelVersion": version}[name]
        document["components"]["parameters"][name]["schema"] = {"type": "string", "enum": [known, "other"]}
    schema = tmp_path / "existing.json"
    schema.write_text(json.dumps(document))
    without = ["--exclude-method", "DELETE", "--exclude-path", "/api/cases/{case}/example"]
    run_schemathesis(schema, with_cases, "--phases", "fuzzing", "--max-examples", "8", *without)
    assert len(json.loads(with_cases.get("/api/cases/1"))["photographs"]) >= 2


def test_answers_to_anything(start, tmp_path: Path) -> None:
    server = start()
    schema = tmp_path / "openapi.json"
    schema.write_bytes(server.get("/openapi.json"))
    run_schemathesis(schema, server, "--phases", "coverage,stateful", "--max-examples", "6")
