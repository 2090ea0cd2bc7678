"""The feed and webhooks: what postings lose by them, how fast they are, and how late a delivery is."""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import names
from benchmarks.machines import Served, ledger
from benchmarks.measuring import Measure, Sample, Unexpected, over_http
from benchmarks.receiver import Receiving, receiving
from benchmarks.requests import batch, many, single
from benchmarks.run import CONNECTIONS, Run
from benchmarks.setup import register

FILLED = 20_000
"""Transfers that are there before the feed is read."""

REPLAYED = 3_000
"""Events that are delivered at once."""

_PAGE = 1_000
_TYPE = re.compile(rb'"type":"[a-z_]+\.[a-z_]+"')
_NEXT = re.compile(rb'"next_after":"([0-9a-f-]{36})"')
_BEGINNING = "00000000-0000-0000-0000-000000000000"
_PATIENCE_S = 60.0


def events_part(run: Run) -> None:
    """Postings with and without readers of their events, in turn; then the feed, deliveries, and how late they are."""
    url = run.database.create("events")
    with ledger(url, 2) as served, receiving() as receiver:
        register(served, run.tally, "events")

        def posting(rate: Callable[[], float] | None = None) -> Callable[[float], Sample]:
            return over_http(run.database, served, single(many), connections=CONNECTIONS, tally=run.tally, tallied_as="events", rate=rate)

        postings = [
            Measure(names.UNTOLD, posting()),
            Measure(names.CONSUMED, _consumed(posting(), served, receiver)),
            Measure(names.TOLD, _told(posting(), served, receiver)),
        ]
        run.rounds("Postings with readers of their events", postings, run.events)
        _fill(run, served)
        half = posting(lambda: run.rate(names.UNTOLD) / 2)
        measures = [
            Measure(names.FEED, lambda seconds: _read_feed(served, seconds)),
            Measure(names.DELIVERIES, lambda _seconds: _replay(served, receiver)),
            Measure(names.LATE, lambda seconds: _ages(half, served, receiver, seconds)),
        ]
        run.rounds("Feed and webhooks", measures, run.events)
    run.check("events", url)


def _fill(run: Run, served: Served) -> None:
    posting = over_http(run.database, served, batch(many, _PAGE), connections=2, tally=run.tally, tallied_as="events", per_request=_PAGE)
    while run.tally.acknowledged["events"] < FILLED:
        posting(1.0)


def _call(served: Served, method: str, path: str, body: object = None) -> Any:
    content = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(f"http://127.0.0.1:{served.port}{path}", content, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(asked, timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text else None


@contextmanager
def _webhook(served: Served, receiver: Receiving, types: str = "*") -> Iterator[str]:
    """Have a webhook, for everything by default, until the block ends; what was not delivered then never is."""
    webhook: str = _call(served, "POST", "/webhooks", {"url": receiver.url, "types": [types]})["id"]
    receiver.ages_s()
    try:
        yield f"/webhooks/{webhook}"
    finally:
        _call(served, "DELETE", f"/webhooks/{webhook}")


class _Pages:
    """A reader of the feed, page by page, from its beginning or from now on."""

    def __init__(self, served: Served, after: str, wait_s: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
        self._after, self._wait_s = after, wait_s

    def read(self) -> int:
        """Read a page and return how many events it has."""
        self._connection.request("GET", f"/events?limit={_PAGE}&after={self._after}&wait={self._wait_s}")
        answer = self._connection.getresponse()
        page, found = answer.read(), None
        if answer.status == 200:
            found = _NEXT.search(page)
        if found is None:
            raise Unexpected(f"GET /events: {answer.status} {page[:200]!r}")
        self._after = found[1].decode()
        return len(_TYPE.findall(page))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _consumed(posting: Callable[[float], Sample], served: Served, receiver: Receiving) -> Callable[[float], Sample]:
    """Return what posts while a webhook wants other events: its consumer reads each one, and nothing is sent."""

    def run(seconds: float) -> Sample:
        with _webhook(served, receiver, "fee_schedule.*"):
            return posting(seconds)

    return run


def _told(posting: Callable[[float], Sample], served: Served, receiver: Receiving) -> Callable[[float], Sample]:
    """Return what posts while a reader follows the feed and a webhook gets everything."""

    def run(seconds: float) -> Sample:
        stopping = threading.Event()

        def follow() -> None:
            pages = _Pages(served, "latest", 1)
            while not stopping.is_set():
                pages.read()
            pages.close()

        reader = threading.Thread(target=follow)
        with _webhook(served, receiver):
            reader.start()
            try:
                return posting(seconds)
            finally:
                stopping.set()
                reader.join()

    return run


def _read_feed(served: Served, seconds: float) -> Sample:
    """Read full pages from the beginning, again and again."""
    pages, events, taken, began = _Pages(served, _BEGINNING, 0), 0, [], time.perf_counter()
    while time.perf_counter() - began < seconds:
        before = time.perf_counter()
        found = pages.read()
        taken.append(time.perf_counter() - before)
        events += found
        if found < _PAGE:
            pages.close()
            pages = _Pages(served, _BEGINNING, 0)
    pages.close()
    return Sample(events, time.perf_counter() - began, taken)


def _replay(served: Served, receiver: Receiving) -> Sample:
    """Have events delivered as fast as they can be."""
    page = _call(served, "GET", f"/events?types=transfer.posted&limit={_PAGE}")["items"]
    with _webhook(served, receiver) as webhook:
        began, wanted = time.perf_counter(), 0
        while wanted < REPLAYED:
            wanted += int(_call(served, "POST", f"{webhook}/replay", {"event_ids": [event["id"] for event in page[:500]]})["deliveries"])
        delivered = len(_collected(receiver, wanted))
        seconds = time.perf_counter() - began
    if delivered < wanted:
        raise Unexpected(f"{wanted} deliveries were made, {delivered} came")
    return Sample(delivered, seconds)


def _ages(posting: Callable[[float], Sample], served: Served, receiver: Receiving, seconds: float) -> Sample:
    """Post at half the rate; the latencies are the ages of the events when they come."""
    with _webhook(served, receiver):
        sample = posting(seconds)
        ages = _collected(receiver, sample.transfers)
    if len(ages) < sample.transfers:
        raise Unexpected(f"{sample.transfers} transfers were posted, {len(ages)} deliveries came")
    return Sample(sample.transfers, sample.seconds, ages)


def _collected(receiver: Receiving, wanted: int) -> list[float]:
    """Return the ages of what has come, when so many have, or when nothing more comes."""
    ages: list[float] = []
    patience_ends = time.monotonic() + _PATIENCE_S
    while len(ages) < wanted and time.monotonic() < patience_ends:
        time.sleep(0.02)
        ages += receiver.ages_s()
    return ages
