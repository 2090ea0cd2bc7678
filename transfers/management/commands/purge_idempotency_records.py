"""``manage.py purge_idempotency_records``: delete expired keys."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from ledger_project.command_line.output import ReportingCommand, steps
from ledger_project.kernel.exact_json import dumps_text
from transfers.upkeep.purging import count_expired_keys, purge_expired_keys, purge_refusals


class Command(ReportingCommand):
    """Delete expired idempotency keys."""

    help = (
        "Delete the idempotency keys of days (UTC) that ended LEDGER_IDEMPOTENCY_RETENTION ago or earlier, in small transactions that no "
        "posting waits for. Run it about once an hour; running it twice at once is harmless. What another session has locked is left for "
        "the next run. The rows of refusals of these days go, too. A deleted key is free: a repeated request would move money again, "
        "unless it has an external_reference."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        super().add_arguments(parser)
        parser.add_argument("--batch", type=int, default=500, help="records that one transaction deletes (default %(default)s)")
        parser.add_argument("--dry-run", action="store_true", help="only say how many there are")

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete them and report."""
        del args
        if not 1 <= options["batch"] <= 10_000:
            raise CommandError("--batch must be from 1 to 10000.", returncode=2)
        expired = count_expired_keys()
        purged = 0
        if not options["dry_run"]:
            with steps(self, expired) as step:
                purged = purge_expired_keys(batch=options["batch"], progress=lambda count: step("records", count))
            purge_refusals(batch=options["batch"])
        if options["as_json"]:
            self.stdout.write(dumps_text({"expired": expired, "purged": purged}))
        else:
            self.stdout.write(f"{expired} records were expired, {purged} purged.")
