"""What Prometheus is told, by one worker and by several, and what is built on it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from tests.environment import ROOT
from tests.support.factories import key, merchant, transfer
from tests.support.servers import Service


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_a_process_tells_what_it_did(api: httpx.AsyncClient) -> None:
    before = samples((await api.get("/metrics")).text)
    source, target = await merchant(api, "1"), await merchant(api)
    headers = key()
    for _ in range(2):
        assert (await transfer(api, source, target, 10, headers=headers)).status_code == 201
    assert (await transfer(api, source, target, 1000)).status_code == 409
    response = await api.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    after = samples(response.text)

    def added(name: str, **labels: str) -> float:
        where = (name, tuple(sorted(labels.items())))
        return after.get(where, 0) - before.get(where, 0)

    assert added("ledger_commands_total", result="posted") == 3
    assert added("ledger_commands_total", result="refused") == 1
    assert added("ledger_refusals_total", code="insufficient_funds") == 1
    assert added("ledger_replays_total") == 1
    assert added("ledger_http_requests_total", method="POST", route="transfers", status="201") == 2
    assert added("ledger_http_request_seconds_count", route="transfers") == 3
    assert added("ledger_posting_batch_size_count") == added("ledger_posting_seconds_count") == 5
    assert added("ledger_lock_wait_seconds_count", kind="keys") >= 5  # the sweep of expired holds posts too


async def test_callers_cannot_make_labels(api: httpx.AsyncClient) -> None:
    await api.request("BREW", "/nothing/at/all")
    text = (await api.get("/metrics")).text
    assert 'method="other",route="none",status="404"' in text
    assert "BREW" not in text
    assert "at/all" not in text


@pytest.mark.slow
def test_whichever_worker_is_asked_tells_the_figures_of_all(serve: Callable[..., Service], tmp_path: Path) -> None:
    service = serve(workers=2, env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)})
    where = ("ledger_http_requests_total", (("method", "GET"), ("route", "healthz"), ("status", "200")))
    asked = 0
    while len(list(tmp_path.glob("counter_*.db"))) < 2 or asked < 20:  # connections of their own, until both workers got some
        assert httpx.get(f"{service.base_url}/healthz", timeout=30).status_code == 200
        asked += 1
        assert asked < 200, "one of the workers never gets a connection"
    for _ in range(6):
        assert samples(httpx.get(f"{service.base_url}/metrics", timeout=30).text)[where] == asked


def published() -> set[str]:
    """Return the names of all series that the service can tell."""
    from ledger_project.observability import metrics

    names = set()
    for collector in vars(metrics).values():
        for family in collector.describe() if isinstance(collector, MetricWrapperBase) else ():
            suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "gauge": [""]}[family.type]
            names |= {family.name + suffix for suffix in suffixes}
    return names


@pytest.mark.parametrize("path", ["ops/prometheus/alerts.yml", "ops/grafana/dashboards/ledger.json"])
def test_dashboard_and_alerts_speak_of_figures_that_exist(path: str) -> None:
    text = (ROOT / path).read_text()
    if path.endswith(".json"):
        text = "\n".join(target["expr"] for panel in json.loads(text)["panels"] for target in panel.get("targets", []))
    used = set(re.findall(r"\bledger_[a-z_]+", text)) - {"ledger_build"}
    assert used
    assert used <= published()


def test_every_alert_has_its_page() -> None:
    names = re.findall(r"alert: (\w+)", (ROOT / "ops/prometheus/alerts.yml").read_text())
    operations = (ROOT / "docs/operations.md").read_text()
    assert names
    assert [name for name in names if f"### {name}" not in operations] == []
