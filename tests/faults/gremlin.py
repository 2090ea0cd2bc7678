"""The faults: each a coroutine that breaks something and, where an operator's machine would (systemd, say), starts the database again.

Nobody ever starts the service again: its supervisor replaces workers, and it connects again by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import struct
import time
from collections.abc import Awaitable, Callable

import psutil
import psycopg

from tests.faults.clusters import Cluster, SmallDisk
from tests.faults.load import Command, Load
from tests.support.servers import Service, with_suppressed_kill

KILLS = ("worker killed", "all workers killed", "backend killed", "backends terminated", "postmaster killed")
OTHERS = ("answers cut off", "database stalled", "connections taken", "disk of the WAL full")


class Gremlin:
    """Breaks a service, its database and its callers' connections. Each fault returns the moment from which recovery counts."""

    def __init__(self, service: Service, cluster: Cluster, load: Load, *, disk: SmallDisk | None, dice: random.Random) -> None:
        self.service, self.cluster, self.load, self.disk, self.dice = service, cluster, load, disk, dice
        self.faults: dict[str, Callable[[], Awaitable[float]]] = {
            "worker killed": self.kill_worker,
            "all workers killed": self.kill_workers,
            "backend killed": self.kill_backend,
            "backends terminated": self.terminate_backends,
            "postmaster killed": self.kill_postmaster,
            "answers cut off": self.cut_answers,
            "database stalled": self.stall,
            "connections taken": self.take_connections,
        }
        if disk is not None:
            self.faults["disk of the WAL full"] = self.fill_disk

    # --- the service ----------------------------------------------------------------------------------------------------------

    async def kill_worker(self) -> float:
        with_suppressed_kill(self.dice.choice(self.service.worker_pids()))
        return time.monotonic()  # the other one goes on

    async def kill_workers(self) -> float:
        for pid in self.service.worker_pids():
            with_suppressed_kill(pid)
        return time.monotonic()

    async def wait_for_workers(self) -> None:
        """Wait until the supervisor has as many workers as it should; they need not serve yet."""
        async with asyncio.timeout(60):
            while len(self.service.worker_pids()) < self.service.workers:
                await asyncio.sleep(0.02)

    async def cut_answers(self) -> float:
        """Send commands and reset the connection before, in the middle of, or right after the answer."""
        for _ in range(20):
            command = self.load.invent()
            await asyncio.to_thread(self._send_and_cut, command, self.dice.choice([0, 0, 1, 40, 400]))
        return time.monotonic()

    def _send_and_cut(self, command: Command, read: int) -> None:
        body = json.dumps(command.body).encode()
        head = (
            f"POST {command.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Idempotency-Key: {command.key}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.service.port), timeout=5) as connection:
            connection.sendall(head.encode() + body)
            if read:
                connection.recv(read)
            # Reset, not closed: whatever is on its way to us meets an error.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    # --- the database ---------------------------------------------------------------------------------------------------------

    def _backends(self) -> list[int]:
        rows = self.cluster.ask(f"SELECT pid FROM pg_stat_activity WHERE application_name = '{self.service.application_name}'")
        return [row[0] for row in rows]

    async def kill_backend(self) -> float:
        """SIGKILL one server process of the service: PostgreSQL ends all others and recovers from its WAL by itself."""
        while not (backends := await asyncio.to_thread(self._backends)):
            await asyncio.sleep(0.01)
        with_suppressed_kill(self.dice.choice(backends))
        # The others are told to quit after a moment; until then the server still answers.
        async with asyncio.timeout(60):
            while await asyncio.to_thread(self._is_alive, backends):
                await asyncio.sleep(0.005)
        await asyncio.to_thread(self.cluster.wait_until_up)
        return time.monotonic()

    @staticmethod
    def _is_alive(pids: list[int]) -> bool:
        return any(psutil.pid_exists(pid) for pid in pids)

    async def terminate_backends(self) -> float:
        for pid in await asyncio.to_thread(self._backends):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        return time.monotonic()

    async def kill_postmaster(self) -> float:
        await asyncio.to_thread(self.dice.choice([self.cluster.kill, self.cluster.lose_power]))
        await asyncio.to_thread(self.cluster.start)
        return time.monotonic()

    async def stall(self) -> float:
        """Have the database stand still for longer than a request waits for its posting."""
        self.cluster.freeze()
        try:
            await asyncio.sleep(1.5)  # the fault is its length
        finally:
            self.cluster.thaw()
        return time.monotonic()

    async def take_connections(self) -> float:
        """Take every connection that the database has, those of the service too."""
        taken: list[psycopg.AsyncConnection] = []
        own = await psycopg.AsyncConnection.connect(self.cluster.url, autocommit=True, application_name="gremlin")
        until = time.monotonic() + 1
        try:
            while time.monotonic() < until:
                query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
                await own.execute(query, [self.service.application_name])
                with contextlib.suppress(psycopg.OperationalError):
                    while time.monotonic() < until:
                        taken.append(await psycopg.AsyncConnection.connect(self.cluster.url, application_name="gremlin"))
        finally:
            for connection in [*taken, own]:
                await connection.close()
        return time.monotonic()

    async def fill_disk(self) -> float:
        """Leave no room for WAL until PostgreSQL gives up, then make room and start it, as an operator would."""
        assert self.disk is not None
        with self.disk.full():
            async with asyncio.timeout(60):
                while not await asyncio.to_thread(self._has_panicked):
                    await asyncio.sleep(0.01)
        if not self.cluster.is_running():
            await asyncio.to_thread(self.cluster.start)
        await asyncio.to_thread(self.cluster.wait_until_up)
        return time.monotonic()

    def _has_panicked(self) -> bool:
        try:
            self.cluster.ask("SELECT pg_switch_wal()")
        except psycopg.Error:
            return True
        return False
