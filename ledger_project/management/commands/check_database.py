"""``manage.py check_database``: settings that endanger committed money."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError

from ledger_project.command_line.output import ReportingCommand
from ledger_project.database.durability import Severity, examine_database
from ledger_project.kernel.exact_json import dumps_text


class Command(ReportingCommand):
    """Examine the database."""

    help = (
        "Examine the database that the service uses: version, fsync, synchronous_commit, full_page_writes, checksums, archiving, whether "
        "the "
        "ledger's triggers are there and awake, and whether our role could switch them off. Exit code 0: nothing endangers committed "
        "money (advice may be given); 1: something does; 2: the database cannot be reached."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        super().add_arguments(parser)
        parser.add_argument("--strict", action="store_true", help="advice ends with 1 as well")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        del args
        try:
            verdicts = examine_database()
        except DatabaseError as error:
            raise CommandError(f"The database cannot be asked: {' '.join(str(error).split())}", returncode=2) from None
        bad = {Severity.DANGER, Severity.ADVICE} if options["strict"] else {Severity.DANGER}
        failed = any(verdict.severity in bad for verdict in verdicts)
        if options["as_json"]:
            checks = [{"name": v.name, "value": v.value, "severity": v.severity.value, "meaning": v.meaning} for v in verdicts]
            self.stdout.write(dumps_text({"ok": not failed, "checks": checks}))
        else:
            for verdict in verdicts:
                self.stdout.write(f"{verdict.severity.value:7} {verdict.name} = {verdict.value}: {verdict.meaning}")
        if failed:
            raise SystemExit(1)
