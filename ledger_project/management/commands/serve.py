"""``manage.py serve``: start everything in the right order with one command."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
from typing import Any

import psycopg
import uvicorn
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor
from uvicorn.supervisors import Multiprocess

from ledger_project.command_line.runner import IMPOSSIBLE
from ledger_project.database.embedded import EmbeddedPostgres
from ledger_project.database.poolers import refused_pooler
from ledger_project.management.banner import banner
from ledger_project.observability.metrics import prepare_multiprocess
from ledger_project.process.supervisor import SUPERVISOR

LIBPQ_NAMES = frozenset(option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults())


def environment_number(name: str, default: int, *, low: int, high: int) -> int:
    """Return a whole number from the environment. Raises ``CommandError`` with one clear line."""
    text = os.environ.get(name, "").strip() or str(default)
    if not text.isdecimal() or not low <= int(text) <= high:
        raise CommandError(f"{name} is {text!r}; a whole number from {low} to {high} is expected.", returncode=IMPOSSIBLE)
    return int(text)


class Command(BaseCommand):
    """Start the embedded database, migrate, load demo data on the first run, and serve."""

    help = (
        "Serve on 127.0.0.1. PORT (8000), WORKERS (2), LEDGER_DATA_DIR and DATABASE_URL come from the environment. Without DATABASE_URL "
        "an embedded PostgreSQL is started, migrated, and on its first run filled with demo merchants."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Start everything, serve, and stop everything."""
        del args, options
        port = environment_number("PORT", 8000, low=1, high=65535)
        workers = environment_number("WORKERS", 2, low=1, high=64)
        listener = self._listen(port)
        self.check()
        database = EmbeddedPostgres(settings.LEDGER_DATA_DIR).running() if settings.LEDGER_EMBEDDED else contextlib.nullcontext()
        with database, listener:
            self._reach_database()
            self._migrate()
            if settings.LEDGER_EMBEDDED:
                self._load_demo()
            words = banner(port)
            connections.close_all()
            for alias in connections:
                connections[alias].close_pool()  # type: ignore[attr-defined]  # PostgreSQL's backend has it
            self.stdout.write(words)
            self.stdout.flush()
            self._serve(listener, port, workers)
        self.stdout.write("Stopped.")

    def _listen(self, port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen(2048)
        except OSError as error:
            listener.close()
            raise CommandError(f"Port {port} cannot be used ({error.strerror}); set PORT to another one.", returncode=IMPOSSIBLE) from None
        listener.set_inheritable(True)
        return listener

    def _reach_database(self) -> None:
        # Not through the pool: its error would not name the reason.
        parameters = {name: value for name, value in connection.get_connection_params().items() if name in LIBPQ_NAMES}
        try:
            psycopg.connect(**parameters).close()
        except psycopg.Error as error:
            reason = " ".join(str(error).split())
            raise CommandError(f"The database that DATABASE_URL names cannot be reached: {reason}", returncode=IMPOSSIBLE) from None
        refusal = refused_pooler()
        if refusal is not None:
            raise CommandError(refusal, returncode=IMPOSSIBLE)

    def _migrate(self) -> None:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            self.stdout.write("Migrating the database ...")
            call_command("migrate", interactive=False, verbosity=0)

    def _load_demo(self) -> None:
        users = get_user_model().objects
        if not users.exists():
            self.stdout.write("Loading the demo ...")
            users.create_superuser("admin", password="admin")  # noqa: S106 - the demo's, on loopback, and said so
            call_command("seed_demo", "--if-empty")

    def _serve(self, listener: socket.socket, port: int, workers: int) -> None:
        config = uvicorn.Config(
            "ledger_project.asgi:application",
            port=port,
            workers=workers,
            loop="uvloop",
            http="ledger_project.http.protocol:BoundedProtocol",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            forwarded_allow_ips=settings.FORWARDED_ALLOW_IPS,
            timeout_graceful_shutdown=15,
            backlog=2048,
        )
        if workers == 1:
            # After an orderly stop uvicorn raises the signal again. Its default action would end us
            # before we stop the database.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            with contextlib.suppress(KeyboardInterrupt):
                uvicorn.Server(config).run(sockets=[listener])
            return
        figures = settings.LEDGER_DATA_DIR / f"metrics-{port}"
        prepare_multiprocess(figures)
        os.environ[SUPERVISOR] = str(os.getpid())
        Multiprocess(config, sockets=[listener]).run()
        shutil.rmtree(figures, ignore_errors=True)
