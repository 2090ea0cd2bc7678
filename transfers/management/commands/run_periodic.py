"""``manage.py run_periodic``: do the periodic work beside the web processes."""

from __future__ import annotations

import asyncio
import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from events.sending.process import send_until
from ledger_project.command_line.arguments import whole
from ledger_project.database.poolers import refused_pooler
from ledger_project.observability.metrics_server import serve_metrics
from transfers.upkeep import periodic

HOUR_S = 3600
DAY_S = 24 * HOUR_S
WEEK_S = 7 * DAY_S


class Command(BaseCommand):
    """Do the periodic work until a signal stops it."""

    help = (
        "Release expired holds (every 2 s), sum up the days (5 s), delete expired idempotency keys (hourly), move collected fees into "
        "the treasury (daily), prove what is new in the ledger (hourly) and all of it (weekly); these are counted from the last time: a "
        "restart does not bring them forward. It makes and sends the deliveries of webhooks, and mails receipts, too. "
        "With LEDGER_PERIODIC=worker the web "
        "processes leave that and the first two to this command. Any number may run at once. SIGTERM and Ctrl-C "
        "end it when the batch under way is committed; a reconciliation is given up and is due again at the next start. Exit code 0."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--settle-every", type=float, default=DAY_S, help="seconds between sweeps of fees; 0: never (%(default)s)")
        parser.add_argument("--purge-every", type=float, default=HOUR_S, help="seconds between purges of keys; 0: never (%(default)s)")
        parser.add_argument("--reconcile-every", type=float, default=WEEK_S, help="seconds between proofs of all; 0: never (%(default)s)")
        parser.add_argument(
            "--reconcile-new-every", type=float, default=HOUR_S, help="seconds between proofs of what is new; 0: never (%(default)s)"
        )

        parser.add_argument("--metrics", metavar="HOST:PORT", help="serve this process's figures to Prometheus there, without a credential")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT."""
        del args
        figures = _address(options["metrics"])
        settle_s, purge_s = options["settle_every"], options["purge_every"]
        times = periodic.ReconciliationTimes(options["reconcile_every"], options["reconcile_new_every"])
        if not all(0 <= seconds < 1e9 for seconds in (settle_s, purge_s, times.whole_every_s, times.new_every_s)):
            raise CommandError("Intervals are seconds, 0 for never.", returncode=2)
        refusal = refused_pooler()
        if refusal is not None:
            raise CommandError(refusal, returncode=2)
        works: tuple[periodic.Work, ...] = periodic.SERVING
        works += (periodic.settling(settle_s),) if settle_s else ()
        works += (periodic.purging(purge_s),) if purge_s else ()
        names = [work.name for work in works] + (["reconciliation"] if times.ask_every_s else []) + ["webhooks"]
        asyncio.run(self._run(works, times, names, figures))
        self.stdout.write("Stopped.")

    async def _run(
        self, works: tuple[periodic.Work, ...], times: periodic.ReconciliationTimes, names: list[str], figures: tuple[str, int] | None
    ) -> None:
        stopping = asyncio.Event()
        server = None if figures is None else await serve_metrics(*figures)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        self.stdout.write(f"Periodic work: {', '.join(names)}. Ctrl-C stops it.")
        self.stdout.flush()
        await asyncio.gather(periodic.run(works, reconciliation=times, stopping=stopping), send_until(stopping))
        if server is not None:
            server.close()


def _address(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    return host.strip("[]") or "127.0.0.1", whole("--metrics: the port", 0, 65535)(port)
