"""``manage.py settle_fees``: move collected fees into the treasury."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from ledger_project.command_line.output import ReportingCommand, steps
from ledger_project.http.members import amount_members
from ledger_project.kernel.exact_json import dumps_text
from merchants.selectors import find_currency_now, known_currency
from transfers.services.fee_settlement import NoTreasury, Settlement, count_fee_accounts, settle_fees


class Command(ReportingCommand):
    """Move collected fees into the treasury."""

    help = (
        "Move the fees that merchants paid from their fees accounts into the wallets of the merchant 'treasury', as transfers of kind "
        "fee_settlement. The balance is read under the account's lock: the command can be repeated, run twice at once, or be killed and "
        "run again, and nothing is moved twice. Exit code 0: done; 1: some accounts were refused and are named; 2: it could not be done."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        super().add_arguments(parser)
        parser.add_argument("--currency", help="only fees in this currency")

    def handle(self, *args: Any, **options: Any) -> None:
        """Settle them and report."""
        del args
        currency = options["currency"]
        if currency is not None and find_currency_now(currency) is None:
            raise CommandError(f"There is no currency {currency!r}.", returncode=2)
        try:
            with steps(self, count_fee_accounts(currency)) as step:
                settlement = settle_fees(currency=currency, progress=lambda count: step("fees accounts", count))
        except NoTreasury as error:
            raise CommandError(str(error), returncode=2) from None
        self._report(settlement, as_json=options["as_json"])
        if settlement.refused:
            raise SystemExit(1)

    def _report(self, settlement: Settlement, *, as_json: bool) -> None:
        swept = {code: amount_members("amount", minor, known_currency(code)) for code, minor in sorted(settlement.swept_minor.items())}
        refused = [{"merchant": name, "currency": code, "code": reason} for name, code, reason in settlement.refused]
        if as_json:
            self.stdout.write(dumps_text({"settled": settlement.settled, "swept": swept, "refused": refused}))
            return
        for code, amount in swept.items():
            self.stdout.write(f"{code} {amount['amount']}")
        for item in refused:
            self.stdout.write(f"refused: {item['merchant']} {item['currency']}: {item['code']}")
        self.stdout.write(f"{settlement.settled} accounts settled, {len(refused)} refused.")
