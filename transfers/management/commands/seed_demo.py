"""``manage.py seed_demo``: believable merchants and their movements, made through the engine like everything else."""

from __future__ import annotations

import random
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from ledger_project.kernel.json import dumps_text
from ledger_project.kernel.money import Currency
from ledger_project.management.output import ReportingCommand, steps
from merchants.domain import TREASURY, MerchantIdentity
from merchants.models import Merchant, new_id
from merchants.selectors import find_currency_now, identify_now
from transfers.domain.commands import Command as LedgerCommand
from transfers.domain.commands import Deposit, Details, RegisterMerchant, TransferFunds, Withdraw
from transfers.services.posting_now import post_now

NAMES = ("alice_store", "bob_books", "casa.verde", "delta-freight", "elan_fit", "fjord.coffee", "gion_tea", "harbor-supply")
"""The first merchants; more get a number."""

OPENINGS = {"USD": 5_000_00, "EUR": 4_000_00, "JPY": 600_000, "KWD": 1_500_000, "BTC": 25_000_000, "ETH": 4 * 10**18}
"""What each merchant starts with, in minor units: currencies of 2, 0, 3, 8 and 18 decimals."""

BATCH = 250


class Command(ReportingCommand):
    """Make demo merchants and movements."""

    help = (
        "Register demo merchants in several currencies and move money between them, through the posting engine. The same --seed gives the "
        "same names and amounts. Merchants that exist are used as they are, so it can be run again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        super().add_arguments(parser)
        parser.add_argument("--merchants", type=int, default=len(NAMES), help="how many merchants (default %(default)s)")
        parser.add_argument("--transfers", type=int, default=300, help="how many movements (default %(default)s)")
        parser.add_argument("--seed", type=int, default=1, help="seed of the random choices (default %(default)s)")
        parser.add_argument("--if-empty", action="store_true", help="do nothing if there are merchants already")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        del args
        if options["if_empty"] and Merchant.objects.exists():
            return
        dice = random.Random(options["seed"])  # noqa: S311 - a demo's dice, repeatable on purpose  # nosec B311
        currencies = {code: find_currency_now(code) for code in OPENINGS}
        usable = {code: currency for code, currency in currencies.items() if currency is not None}
        names = [NAMES[i] if i < len(NAMES) else f"merchant_{i + 1:05}" for i in range(max(2, options["merchants"]))]
        self._register([TREASURY, *names], usable)
        merchants = [m for m in (identify_now(names=[name]).merchant(name) for name in names) if m is not None]
        posted = self._move(merchants, usable, dice, options["transfers"])
        if options["as_json"]:
            self.stdout.write(dumps_text({"merchants": len(merchants), "movements": options["transfers"], "posted": posted}))
            return
        self.stdout.write(f"Demo: {len(merchants)} merchants, {posted} of {options['transfers']} movements posted.")

    def _register(self, names: list[str], currencies: dict[str, Currency]) -> None:
        known = identify_now(names=names)
        new = [MerchantIdentity(new_id(), name) for name in names if known.merchant(name) is None]
        details = Details(memo="demo", principal="seed_demo")
        usd = currencies["USD"]
        registrations: list[LedgerCommand] = [
            RegisterMerchant(m, {"demo": True}, usd, 0 if m.name == TREASURY else OPENINGS["USD"], details) for m in new
        ]
        deposits: list[LedgerCommand] = [
            Deposit(m, currency, OPENINGS[code], details)
            for m in new
            if m.name != TREASURY
            for code, currency in currencies.items()
            if code != "USD"
        ]
        for commands in (registrations, deposits):
            for start in range(0, len(commands), BATCH):
                post_now(commands[start : start + BATCH])

    def _move(self, merchants: list[MerchantIdentity], currencies: dict[str, Currency], dice: random.Random, count: int) -> int:
        posted = 0
        with steps(self, count) as step:
            for start in range(0, count, BATCH):
                batch = list(_movements(merchants, currencies, dice, min(BATCH, count - start)))
                posted += sum(1 for result in post_now(batch) if result.transfer_id is not None)
                step("movements", len(batch))
        return posted


def _movements(
    merchants: list[MerchantIdentity], currencies: dict[str, Currency], dice: random.Random, count: int
) -> Iterator[LedgerCommand]:
    """Mostly transfers, some money in and out; amounts lean to the small."""
    codes = list(currencies)
    for _ in range(count):
        source, target = dice.sample(merchants, 2)
        code = dice.choices(codes, weights=[8, 4, 2, 1, 1, 1][: len(codes)])[0]
        amount_minor = max(1, int(OPENINGS[code] * dice.paretovariate(1.5) / 400))
        kind = dice.random()
        if kind < 0.85:
            details = Details(memo=dice.choice(["invoice", "order", "subscription", "refill", None]), principal="seed_demo")
            yield TransferFunds(source, target, currencies[code], amount_minor, details)
        elif kind < 0.95:
            yield Deposit(source, currencies[code], amount_minor * 4, Details(memo="card takings", principal="seed_demo"))
        else:
            yield Withdraw(source, currencies[code], amount_minor, Details(memo="payout", principal="seed_demo"))
