"""The benchmark measures what it says: its history adds up, its generators count, and a wrong answer is told."""

from __future__ import annotations

import http.server
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import load, report, routes
from benchmarks.history import MERCHANTS, OPENING_MINOR, TRANSFERS, Known, fee_minor, past
from benchmarks.machines import Database, Served
from benchmarks.run import Run


class _Server(http.server.ThreadingHTTPServer):
    """Answers a balance of 1.00, refuses what asks for ``/refused``, and keeps the keys that were sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.keys: list[str] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if key := self.headers.get("Idempotency-Key"):
            self.server.keys.append(key)
        body = b'{"balance":"1.00"}'
        self.send_response(409 if self.path == "/refused" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


for _method in ("GET", "POST"):
    setattr(_Handler, f"do_{_method}", _Handler.answer)


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server() as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def test_no_money_is_made_in_the_history() -> None:
    wallets = sum(past().balance_minor(merchant) for merchant in range(MERCHANTS))
    assert wallets + sum(past().fees_minor) == MERCHANTS * OPENING_MINOR
    assert len(past().transfers) == TRANSFERS


def test_a_balance_in_the_middle_of_the_history_is_that_of_its_transfers() -> None:
    balance = OPENING_MINOR
    for payer, payee, amount_minor in past().transfers[:1000]:
        balance += amount_minor if payee == 7 else 0
        balance -= amount_minor + fee_minor(amount_minor) if payer == 7 else 0
    assert past().balance_minor(7, 1000) == balance != OPENING_MINOR
    assert past().balance_minor(7, 0) == OPENING_MINOR


def test_the_generator_tells_answers_from_refusals_and_gives_each_request_its_own_key(server: _Server) -> None:
    requests = [load.get("/good"), load.get("/refused"), load.post("/good", b"{}", load.NEW_KEY.decode())]
    result = load.run(server.server_port, load.in_turn(requests), connections=3, seconds=0.5)
    assert {*result.statuses} == {200, 409}
    assert abs(result.statuses[200] - 2 * result.statuses[409]) <= 6
    assert len(server.keys) == len(set(server.keys)) > 10
    assert len(result.latencies_s) == result.statuses.total()
    assert result.generator_cpu_s > 0


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(OSError, match="refused"):
        load.run(1, load.in_turn([load.get("/")]), connections=1, seconds=0.1)


def test_a_wrong_answer_is_told(server: _Server) -> None:
    known = Known(Served("wrong", server.server_port, None))
    with pytest.raises(AssertionError, match="100 was answered"):
        routes.check_sample(routes.BALANCE, known, random.Random(1))


def test_a_mix_is_four_fifths_of_reads() -> None:
    known = Known(Served("nobody", 1, None), ["a"] * MERCHANTS, ["t"] * TRANSFERS)
    requests = routes.mixed_requests(known)
    assert sum(raw.startswith(b"POST /transfers ") and load.NEW_KEY in raw for raw in requests) * 5 == len(requests)
    assert sum(raw.startswith(b"GET ") for raw in requests) * 5 == len(requests) * 4


def test_a_run_that_measured_nothing_says_so_for_every_goal(tmp_path: Path) -> None:
    parts = ("posting", "reads", "mixed", "storage", "imports", "reconcile", "growth", "memory")
    written = report.text(Run(Database(tmp_path), parts=parts))
    assert written.count("| not measured |") >= 20
    assert "| met |" not in written
