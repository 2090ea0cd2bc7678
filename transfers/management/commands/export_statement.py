"""``manage.py export_statement``: an account's statement as a file."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from django.core.management.base import CommandError
from django.http import StreamingHttpResponse

from ledger_project.command_line.arguments import moment
from ledger_project.command_line.output import ReportingCommand, steps
from ledger_project.kernel.exact_json import dumps_text
from merchants.domain import AccountKind
from merchants.models import Account
from transfers.selectors.statements import Period, get_period
from transfers.statements.camt053 import NotRepresentable, camt053_response, check_representable
from transfers.statements.csv import csv_response


class Command(ReportingCommand):
    """Write a statement."""

    help = (
        "Write the statement of an account (by its id, or by a merchant's name and --currency) as CSV or ISO 20022 camt.053 XML, to a file "
        "or to standard output, in the memory of one page. In CSV, text that a spreadsheet would take for a formula is quoted with a ', as "
        "by the API with spreadsheet=true; --raw leaves it as it is. Exit code 0: written; 2: there is no such account or the options make "
        "no sense."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        super().add_arguments(parser)
        parser.add_argument("account", help="id of the account, or name of the merchant")
        parser.add_argument("--currency", help="with a name: which of the merchant's wallets")
        parser.add_argument("--format", choices=["csv", "xml"], default="csv", help="default %(default)s")
        parser.add_argument("--raw", action="store_true", help="CSV for programs: text as callers wrote it, formulas too")
        parser.add_argument("--from", dest="start", help="first moment of the period (RFC 3339)")
        parser.add_argument("--to", dest="end", help="first moment after the period")
        parser.add_argument("--output", type=Path, help="file to write, as a whole or not at all; standard output if left out")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the statement and report."""
        del args
        if options["as_json"] and options["output"] is None:
            raise CommandError("--json needs --output: standard output holds the statement otherwise.", returncode=2)
        start, end = moment("--from", options["start"]), moment("--to", options["end"])
        if start is not None and end is not None and start > end:
            raise CommandError(f"--from {options['start']} is after --to {options['end']}.", returncode=2)
        period = get_period(_account(options["account"], options["currency"]), start=start, end=end)
        response = csv_response(period, spreadsheet=not options["raw"]) if options["format"] == "csv" else _camt053(period, start, end)
        output: Path | None = options["output"]
        with steps(self, None) as step:
            if output is None:
                size = _write(response, getattr(self.stdout, "buffer", sys.stdout.buffer), step)
            else:
                with _replacing(output) as file:
                    size = _write(response, file, step)
        if options["as_json"]:
            document = {
                "account": str(period.account_id),
                "file": str(output),
                "bytes": size,
                "lines": period.until - period.after,
                "opening_balance_minor": period.opening_minor,
                "closing_balance_minor": period.closing_minor,
            }
            self.stdout.write(dumps_text(document))


def _camt053(period: Period, start: datetime | None, end: datetime | None) -> StreamingHttpResponse:
    try:
        check_representable(period)
    except NotRepresentable as error:
        raise CommandError(f"{error}; use --format csv.", returncode=2) from None
    return camt053_response(period, start=start, end=end)


def _account(name: str, currency: str | None) -> Account:
    accounts = Account.objects.select_related("merchant").filter(kind=AccountKind.WALLET.value)
    with contextlib.suppress(ValueError):
        accounts_by_id = accounts.filter(id=UUID(name)).first()
        if accounts_by_id is not None:
            return accounts_by_id
    if currency is None:
        raise CommandError(f"There is no wallet {name}; with a merchant's name, give --currency.", returncode=2)
    account = accounts.filter(merchant__name__iexact=name, currency_id=currency).first()
    if account is None:
        raise CommandError(f"{name} has no wallet in {currency}.", returncode=2)
    return account


@contextlib.contextmanager
def _replacing(output: Path) -> Iterator[IO[bytes]]:
    """Write a file as a whole or not at all; a device or a pipe is never replaced by a file."""
    if output.exists() and not output.is_file():
        with output.open("wb") as file:
            yield file
        return
    temporary = output.with_name(output.name + ".part")
    try:
        with temporary.open("wb") as file:
            yield file
        temporary.replace(output)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _write(response: StreamingHttpResponse, file: IO[bytes], step: Any) -> int:
    async def write() -> int:
        size = 0
        async for part in response:
            size += file.write(part)
            step("pages")
        return size

    return asyncio.run(write())
