"""Many transfers in one request and one posting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from ledger_project.kernel.actors import Actor
from ledger_project.kernel.errors import IdempotencyKeyReused, InvalidRequest, LedgerError
from ledger_project.process.fair_loop import map_in_slices
from merchants.selectors import Identities, find_currency, identify
from transfers.domain.commands import Command, Refuse
from transfers.posting import engine
from transfers.posting.jobs import Envelope, Item, Job, Key, Render, Result
from transfers.services.transfers import TransferRequest, build_transfer, check_addressing


class BatchItem(Struct, frozen=True):
    """One transfer of a batch with its own key, or the reason why what was sent is none."""

    request: TransferRequest | None
    key: Key | None
    error: InvalidRequest | None = None


async def execute_batch(items: Sequence[BatchItem], *, envelope: Envelope, render: Render, actor: Actor) -> Result:
    """Post up to a batch of transfers in order, each seeing what the earlier ones did.

    An invalid item fails alone and is not remembered; with ``envelope.atomic`` the first failure fails all and nothing is posted.
    """
    requests = [item.request for item in items if item.request is not None]
    names = {name for r in requests for name in (r.from_merchant, r.to_merchant) if name is not None}
    wallet_ids = {wallet_id for r in requests for wallet_id in (r.source_account_id, r.dest_account_id) if wallet_id is not None}
    identities = await identify(names=names, wallet_ids=wallet_ids)
    currencies = {code: await find_currency(code) for code in {r.currency for r in requests if r.currency is not None}}
    built = await map_in_slices(lambda item: _build(item, identities, currencies, envelope.key, actor=actor), items)
    if envelope.atomic:
        for index, (command, _) in enumerate(built):
            if isinstance(command, Refuse) and isinstance(command.error, InvalidRequest):
                raise BatchItemInvalid(index, command.error)
    job = Job([Item(command, render, key) for command, key in built], envelope)
    return (await engine.submit(job)).result


class BatchItemInvalid(Exception):
    """An item of an atomic batch is no valid request, so nothing of the batch was tried."""

    def __init__(self, index: int, error: LedgerError) -> None:
        super().__init__(f"item {index}: {error}")
        self.index, self.error = index, error


def _build(
    item: BatchItem, identities: Identities, currencies: Mapping[str, object], envelope_key: Key | None, *, actor: Actor
) -> tuple[Command, Key | None]:
    """Return an item's command and key; a request that is wrong in itself becomes a refusal that no key remembers."""
    if item.request is None:
        return Refuse(item.error or InvalidRequest()), None
    if envelope_key is not None and item.key is not None and item.key.key == envelope_key.key:
        return Refuse(IdempotencyKeyReused()), None
    try:
        check_addressing(item.request)
        currency = currencies.get(item.request.currency or "")
        return build_transfer(item.request, identities, currency, actor=actor), item.key  # type: ignore[arg-type]
    except InvalidRequest as error:
        return Refuse(error), None
