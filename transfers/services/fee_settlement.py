"""Fee settlement: sweeps of the fees that merchants have paid into the treasury's wallets."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from merchants.domain import TREASURY, AccountKind, MerchantIdentity
from merchants.models import Account
from merchants.selectors import identify_now, known_currency
from transfers.domain.commands import Details, SettleFees
from transfers.posting.synchronous import post_each_now

BATCH = 200

LOCK_WAIT_S = 1.0
"""How long a batch waits for accounts that are locked. The next sweep tries them again."""


class NoTreasury(Exception):
    """No merchant has the treasury's name: the migration that makes it was not applied."""


@dataclass(slots=True)
class Settlement:
    """What a sweep did: minor units by currency, and the number of accounts.

    ``refused`` has each merchant and currency whose fees could not be moved, with the code of the
    refusal.
    """

    swept_minor: dict[str, int] = field(default_factory=dict)
    settled: int = 0
    refused: list[tuple[str, str, str]] = field(default_factory=list)


def fee_accounts(currency: str | None = None) -> Iterator[tuple[MerchantIdentity, str]]:
    """Return the merchant and the currency of each fee account, in the order of account ids.

    It reads page by page. A sweep reads the balance of each account under its lock.
    """
    last = None
    while True:
        rows = Account.objects.filter(kind=AccountKind.FEES.value).exclude(merchant__name__iexact=TREASURY).order_by("id")
        rows = rows.filter(currency_id=currency) if currency else rows
        rows = rows.filter(id__gt=last) if last else rows
        page = list(rows.values_list("id", "merchant_id", "merchant__name", "currency_id")[:1000])
        for account_id, merchant_id, name, code in page:
            last = account_id
            yield MerchantIdentity(merchant_id, name), code
        if not page:
            return


def count_fee_accounts(currency: str | None = None) -> int:
    """Return the number of accounts that a sweep looks at."""
    rows = Account.objects.filter(kind=AccountKind.FEES.value).exclude(merchant__name__iexact=TREASURY)
    return (rows.filter(currency_id=currency) if currency else rows).count()


def settle_fees(*, currency: str | None = None, progress: Callable[[int], None] | None = None) -> Settlement:
    """Move the balance of every fee account into the treasury. Raises ``NoTreasury``.

    A sweep moves an account's whole balance under its lock. So it can be repeated at any time: two
    sweeps at once, or one after a kill, move no money twice.
    """
    treasury = identify_now(names=[TREASURY]).merchant(TREASURY)
    if treasury is None:
        raise NoTreasury(f"There is no merchant {TREASURY!r} to sweep fees into; manage.py migrate makes it.")
    settlement = Settlement()
    details = Details(memo="fee settlement", principal="settle_fees", request_id=f"settle-{secrets.token_hex(8)}")
    accounts = fee_accounts(currency)
    while batch := list(itertools.islice(accounts, BATCH)):
        commands = [SettleFees(merchant, treasury, known_currency(code), details) for merchant, code in batch]
        for (merchant, code), result in zip(batch, post_each_now(commands, wait_s=LOCK_WAIT_S), strict=True):
            outcome = result.decided
            if outcome.refusal is not None:
                settlement.refused.append((merchant.name, code, outcome.refusal.code))
            elif outcome.transfer is not None:
                settlement.swept_minor[code] = settlement.swept_minor.get(code, 0) + outcome.transfer.amount_minor
                settlement.settled += 1
        if progress is not None:
            progress(len(batch))
    return settlement
