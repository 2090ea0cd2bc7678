"""Transfers from elsewhere than a request (a file), posted like a batch: same engine, same keys, same answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ledger_project.kernel import money
from ledger_project.kernel.actors import ANONYMOUS
from ledger_project.kernel.errors import AccountBusy, IdempotencyInProgress, InvalidRequest
from merchants.selectors import Identities, find_currency_now, identify_now
from transfers.domain.commands import Command, Refuse
from transfers.domain.outcome import Outcome
from transfers.posting import engine
from transfers.posting.jobs import UNREAD, Item, Job, Key, Render, Result
from transfers.services.batches import BatchItem
from transfers.services.transfers import build_transfer, check_addressing


def post_transfers_now(items: Sequence[BatchItem], *, render: Render) -> list[Result]:
    """Post transfers in order in one transaction, each on its own, and return their results. Synchronous.

    The keys are the platform's, those of its API: what was posted by either is replayed by the other. Should one of the keys be in use
    elsewhere at this moment, or the lock of an account, the items are posted one by one, so that only its own has to be sent again.
    """
    requests = [item.request for item in items if item.request is not None]
    identities = identify_now(names={name for r in requests for name in (r.from_merchant, r.to_merchant) if name is not None})
    currencies = {code: find_currency_now(code) for code in {r.currency for r in requests if r.currency is not None}}
    built = [_build(item, identities, currencies) for item in items]
    jobs = [Item(command, render, key) for command, key in built]
    try:
        return _post(jobs)
    except (IdempotencyInProgress, AccountBusy) as error:
        if len(jobs) == 1:
            return [Result(render(Outcome(refusal=error)), Outcome(refusal=error))]
        return [result for item in items for result in post_transfers_now([item], render=render)]


def _post(items: Sequence[Item]) -> list[Result]:
    return engine.submit_now(Job(items, UNREAD)).items


def _build(item: BatchItem, identities: Identities, currencies: Mapping[str, money.Currency | None]) -> tuple[Command, Key | None]:
    """Return an item's command and key; a request that is wrong in itself becomes a refusal that no key remembers."""
    if item.request is None:
        return Refuse(item.error or InvalidRequest()), None
    try:
        check_addressing(item.request)
        return build_transfer(item.request, identities, currencies.get(item.request.currency or ""), actor=ANONYMOUS), item.key
    except InvalidRequest as error:
        return Refuse(error), None
