"""``manage.py expire_holds``: release the holds whose time ran out."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError

from transfers.services.hold_expiry import SWEEP_SIZE, sweep_due_holds


class Command(BaseCommand):
    """Release every hold that is due, once."""

    help = (
        "Release every open hold whose expires_at has passed: its payer can spend the reserved money again. The service does this by "
        f"itself every few seconds; this command is for when no service runs. It works in batches of {SWEEP_SIZE}. Any number of commands "
        "may run at once, beside the service too: each hold is released exactly once. Exit code 0: all due holds are released; 1: some "
        "could not be released (the log says which and why), or the database does not answer. Running it again is always safe."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--json", action="store_true", help='print one JSON object: {"due": …, "released": …, "failed": …, "batches": …}'
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Release them and report."""
        del args
        totals = {"due": 0, "released": 0, "failed": 0, "batches": 0}
        try:
            for sweep in sweep_due_holds():
                totals["due"] += sweep.due
                totals["released"] += sweep.released
                totals["failed"] += sweep.failed
                totals["batches"] += 1
        except (DatabaseError, InterfaceError) as error:
            raise CommandError(f"The database does not answer: {' '.join(str(error).split())}") from None
        if options["json"]:
            self.stdout.write(json.dumps(totals))
        else:
            elsewhere = totals["due"] - totals["released"] - totals["failed"]
            self.stdout.write(
                f"Released {totals['released']} holds" + (f"; {elsewhere} were released elsewhere meanwhile." if elsewhere else ".")
            )
        if totals["failed"]:
            raise CommandError(f"{totals['failed']} holds could not be released; the log says which and why.")
