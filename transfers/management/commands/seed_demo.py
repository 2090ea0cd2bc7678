"""``manage.py seed_demo``: demo merchants and movements, posted by the engine."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from ledger_project.command_line.output import ReportingCommand, steps
from ledger_project.kernel.exact_json import dumps_text
from merchants.domain import TREASURY
from merchants.models import Merchant
from transfers.demo.members import add_people
from transfers.demo.people import CAST
from transfers.demo.run import DemoRun, DemoSize, Summary


class Command(ReportingCommand):
    """Make demo merchants and movements."""

    help = (
        "Register demo merchants and post months of movements between them, in currencies of 0, 2, 3, 8 and 18 decimals: with fees, "
        "holds, captures, reversals, payouts and refusals. The same --seed gives the same merchants, movements and amounts. The command "
        "can be run again: merchants that exist are used as they are, and the new movements follow the last entry of the journal."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        super().add_arguments(parser)
        parser.add_argument("--merchants", type=int, default=len(CAST), help="how many merchants (default %(default)s)")
        parser.add_argument(
            "--transfers", type=int, default=2_000, help="how many movements, beside what follows from them (default %(default)s)"
        )
        parser.add_argument(
            "--months", type=float, default=6.0, help="how long ago the story begins, in an empty ledger; 0: all of it now (default 6)"
        )
        parser.add_argument("--seed", type=int, default=1, help="seed of the random choices (default %(default)s)")
        parser.add_argument("--if-empty", action="store_true", help="do nothing if there are merchants beside the treasury")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make them and report."""
        del args
        if not 0 <= options["months"] <= 240 or options["transfers"] < 0 or options["merchants"] < 2:
            raise CommandError("--months is from 0 to 240, --transfers not negative, --merchants 2 or more.", returncode=2)
        if options["if_empty"] and Merchant.objects.exclude(name__iexact=TREASURY).exists():
            return
        size = DemoSize(options["merchants"], options["transfers"], options["months"], options["seed"])
        started = time.monotonic()
        with steps(self, size.movements) as step:
            done = DemoRun(size, lambda count: step("movements", count)).post_all()
        add_people()
        self._report(size, done, time.monotonic() - started, as_json=options["as_json"])

    def _report(self, size: DemoSize, done: Summary, seconds: float, *, as_json: bool) -> None:
        since = done.since.isoformat(timespec="seconds") if done.since else None
        if as_json:
            document = {
                "merchants": done.merchants, "movements": size.movements, "posted": done.posted, "refused": done.refused, "since": since,
            }  # fmt: skip
            self.stdout.write(dumps_text(document))
            return
        rate = done.posted / seconds if seconds else 0
        self.stdout.write(
            f"Demo: {done.merchants} merchants; {done.posted} movements posted and {sum(done.refused.values())} refused since {since}, "
            f"in {seconds:.1f} s ({rate:,.0f} a second)."
        )
