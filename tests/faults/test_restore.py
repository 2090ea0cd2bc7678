"""The backup of docs/operations.md, restored to a moment: with the commands that stand there, on a real server."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger_project.database.embedded import EmbeddedPostgres
from tests.support.invariants import INVARIANTS
from tests.support.own_servers import ask, manage, run_as_owner


class ArchivingServer:
    """A server of the test's own that archives its WAL, and what an operator does with it."""

    def __init__(self, data_dir: Path) -> None:
        data_dir.mkdir()
        self.server = EmbeddedPostgres(data_dir)
        self.archive, self.backup = self.server.home / "archive", self.server.home / "backup"
        self.server.start()
        self.server.stop()
        self.run("mkdir", "-p", str(self.archive))
        self.configure(f"archive_mode = on\narchive_command = 'test ! -f {self.archive}/%f && cp %p {self.archive}/%f'\n")
        self.server.start()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/{EmbeddedPostgres.DATABASE}?host={self.server.socket_dir}"

    def run(self, *command: str) -> None:
        """Run a command as the server's own user."""
        run_as_owner(self.server, *command)

    def configure(self, lines: str) -> None:
        with (self.server.cluster / "postgresql.conf").open("a") as configuration:
            configuration.write(lines)

    def manage(self, *arguments: str) -> str:
        return manage(self.url, *arguments)

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        return ask(self.url, statement)

    def restore(self, moment: object) -> None:
        """Put the backup in the place of the cluster and have the archive replayed until the moment."""
        self.server.stop()
        shutil.rmtree(self.server.cluster)
        self.run("cp", "-a", str(self.backup), str(self.server.cluster))
        self.configure(
            f"restore_command = 'cp {self.archive}/%f %p'\nrecovery_target_time = '{moment}'\nrecovery_target_action = 'promote'\n"
        )
        self.run("touch", str(self.server.cluster / "recovery.signal"))
        self.server.start()
        deadline = time.monotonic() + 60
        while self.ask("SELECT pg_is_in_recovery()") != [(False,)]:
            assert time.monotonic() < deadline, "recovery does not end"
            time.sleep(0.05)


@pytest.fixture
def archiving(tmp_path: Path, ledger: None) -> Iterator[ArchivingServer]:
    del ledger
    server = ArchivingServer(tmp_path / "server")
    yield server
    server.server.stop()
    shutil.rmtree(server.server.home, ignore_errors=True)


@pytest.mark.slow
def test_a_backup_and_its_archive_restore_the_ledger_to_a_moment(archiving: ArchivingServer) -> None:
    archiving.manage("migrate", "--no-input", "-v", "0")
    archiving.manage("seed_demo", "--merchants", "4", "--transfers", "40", "--seed", "1")
    archiving.run(
        archiving.server.command("pg_basebackup"),
        "-h",
        str(archiving.server.socket_dir),
        "-U",
        "postgres",
        "-D",
        str(archiving.backup),
        "-c",
        "fast",
    )
    archiving.manage("seed_demo", "--merchants", "4", "--transfers", "40", "--seed", "2")
    wanted = archiving.ask("SELECT id FROM transfers_transfer ORDER BY id")
    ((moment,),) = archiving.ask("SELECT clock_timestamp()")
    archiving.manage("seed_demo", "--merchants", "4", "--transfers", "40", "--seed", "3")
    assert len(archiving.ask("SELECT id FROM transfers_transfer")) > len(wanted)
    archiving.ask("SELECT pg_switch_wal()")
    archiving.restore(moment)
    assert archiving.ask("SELECT id FROM transfers_transfer ORDER BY id") == wanted
    for name, statement in INVARIANTS.items():
        assert archiving.ask(statement) == [], name
    archiving.manage("seed_demo", "--merchants", "4", "--transfers", "5", "--seed", "4")
