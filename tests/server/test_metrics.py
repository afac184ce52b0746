"""The metrics, read by the parser of Prometheus."""

import json
import urllib.error
import urllib.request

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as classic_families

from conftest import CELLS, Server


def post(server: Server, path: str, body: bytes) -> bytes:
    request = urllib.request.Request(server.url + path, body, {"Content-Type": "image/png"}, method="POST")
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read()


def samples(server: Server) -> dict[tuple, float]:
    families = text_string_to_metric_families(server.get("/metrics").decode())
    found = [sample for family in families for sample in family.samples]
    return {(sample.name, *sorted(sample.labels.items())): sample.value for sample in found}


def test_counts_are_right(start) -> None:
    server = start()
    for _ in range(3):
        post(server, "/api/cells?name=secret.png", CELLS[0].read_bytes())
    post(server, "/api/cells", b"text")
    with pytest.raises(urllib.error.HTTPError):
        server.get("/secret")
    found = samples(server)
    labels = ("method", "POST"), ("route", "/api/cells")
    assert found["giemsa_http_requests_total", *labels, ("status", "200")] == 4
    assert found["giemsa_http_requests_total", ("method", "GET"), ("route", "none"), ("status", "404")] == 1
    seconds = "giemsa_http_request_duration_seconds"
    assert found[f"{seconds}_count", *labels] == 4
    assert 0 < found[f"{seconds}_sum", *labels] < 20
    infinite = ("le", "+Inf")
    assert found[f"{seconds}_bucket", infinite, *labels] == 4
    assert found["giemsa_images_total",] == found["giemsa_batch_images_sum",] == 4
    assert found["giemsa_batch_images_count",] == found["giemsa_batch_images_bucket", ("le", "1.0")] == 4
    assert found["giemsa_image_errors_total",] == 1
    assert found["giemsa_queued_cells",] == found["giemsa_queued_jobs",] == 0
    assert not any("secret" in str(key) for key in found)
    version = json.loads(server.get("/v2"))["version"]
    assert found["giemsa_build_info", ("version", version)] == 1


def test_the_older_parser_reads_them_too(server: Server) -> None:
    names = {family.name for family in classic_families(server.get("/metrics").decode())}
    assert "giemsa_http_request_duration_seconds" in names
