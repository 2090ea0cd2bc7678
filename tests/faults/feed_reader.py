"""A consumer of the feed that reads on through every fault, and the proof that what it has read is the journal."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg


class FeedReader:
    """Reads the feed from the first event on, with pages and waits of any length; keeps every event in the order of its coming."""

    def __init__(self, base_url: str, *, dice: random.Random) -> None:
        self.base_url, self.dice = base_url, dice
        self.events: list[dict[str, Any]] = []
        self.settled_until = datetime.min.replace(tzinfo=UTC)
        self._after: str | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._read_on())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def catch_up(self, *, within_s: float = 60) -> None:
        """Wait until all that has happened before this call is read."""
        assert self._task is not None
        done = datetime.now(UTC)
        async with asyncio.timeout(within_s):
            while self.settled_until <= done:
                if self._task.done():
                    self._task.result()
                await asyncio.sleep(0.05)

    async def _read_on(self) -> None:
        async with httpx.AsyncClient(base_url=self.base_url, timeout=30) as client:
            while True:
                query = {"limit": self.dice.choice([1, 7, 100, 1000]), "wait": self.dice.choice([0, 0, 1])}
                if self._after is not None:
                    query["after"] = self._after
                try:
                    response = await client.get("/events", params=query)
                except httpx.HTTPError:
                    await asyncio.sleep(0.02)
                    continue
                if response.status_code >= 500:
                    await asyncio.sleep(0.02)
                    continue
                assert response.status_code == 200, response.text
                page = response.json()
                self.events += page["items"]
                self._after = page["next_after"]
                if not page["items"]:  # nothing more is there before this moment
                    self.settled_until = datetime.fromisoformat(page["settled_until"])

    def prove(self, raw: psycopg.Connection[Any]) -> None:
        """Check that what was read is the journal: each event once, in its order, each account's entries without a gap."""
        stored = raw.execute("SELECT id::text FROM transfers_transfer UNION ALL SELECT id::text FROM transfers_event ORDER BY 1").fetchall()
        ids = [event["id"] for event in self.events]
        assert len(ids) == len(set(ids)), "an event was shown twice"
        assert ids == sorted(ids), "an event was put in behind"
        missed = {row[0] for row in stored} - set(ids)
        assert not missed, f"missed: {sorted(missed)[:5]} and {len(missed) - 1} more"
        assert ids == [row[0] for row in stored]
        sequences: dict[str, list[int]] = defaultdict(list)
        for event in self.events:
            for entry in event["data"].get("transfer", {}).get("entries", ()):
                sequences[entry["account_id"]].append(entry["sequence"])
        assert all(found == list(range(1, len(found) + 1)) for found in sequences.values())
        heads = raw.execute("SELECT account_id::text, max(sequence) FROM transfers_ledgerentry GROUP BY 1").fetchall()
        assert {account: found[-1] for account, found in sequences.items()} == dict(heads)
