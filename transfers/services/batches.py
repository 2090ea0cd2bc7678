"""Many transfers in one posting: those of one request, or the lines of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from ledger_project.kernel.actors import ANONYMOUS, Actor
from ledger_project.kernel.errors import AccountBusy, IdempotencyInProgress, IdempotencyKeyReused, InvalidRequest
from ledger_project.kernel.money import CurrencyUnit
from ledger_project.process.fair_loop import map_in_slices
from merchants.selectors import Identities, find_currency, find_currency_now, identify, identify_now
from transfers.domain.commands import Command, Refuse
from transfers.domain.outcome import Refused
from transfers.posting import engine
from transfers.posting.jobs import UNREAD, Envelope, Item, Job, Key, Render, Result
from transfers.posting.synchronous import submit_now
from transfers.services.transfers import TransferRequest, build_transfer, check_addressing


class BatchItem(Struct, frozen=True):
    """One transfer of a batch with its own key, or the error that makes it no valid request."""

    request: TransferRequest | None
    key: Key | None
    error: InvalidRequest | None = None


class BatchItemInvalid(Exception):
    """An item of an atomic batch is no valid request: nothing of the batch was tried."""

    def __init__(self, index: int, error: InvalidRequest) -> None:
        super().__init__(f"item {index}: {error}")
        self.index, self.error = index, error


async def execute_batch(
    items: Sequence[BatchItem], *, envelope: Envelope, render: Render, actor: Actor, guard: Callable[[Command], Command]
) -> Result:
    """Post transfers in order. Each sees the effects of the earlier ones.

    ``guard`` returns each command as it is, or a refusal in its place.

    An invalid item fails alone, and its key stores nothing. With ``envelope.atomic``, the first
    failure fails all items, and nothing is posted; an invalid item raises ``BatchItemInvalid``.
    """
    requests = [item.request for item in items if item.request is not None]
    identities = await identify(
        names={name for request in requests for name in request.names()},
        wallet_ids={wallet_id for request in requests for wallet_id in request.wallet_ids()},
    )
    currencies = {code: await find_currency(code) for code in {r.currency for r in requests if r.currency is not None}}
    built = await map_in_slices(lambda item: _build(item, identities, currencies, actor=actor, envelope_key=envelope.key), items)
    if envelope.atomic:
        for index, (command, _) in enumerate(built):
            if isinstance(command, Refuse) and isinstance(command.error, InvalidRequest):
                raise BatchItemInvalid(index, command.error)
    job = Job([Item(guard(command), render, key) for command, key in built], envelope)
    return await engine.submit(job)


def post_transfers_now(items: Sequence[BatchItem], *, render: Render) -> Sequence[Result]:
    """Post the transfers of a file in one transaction, in order, each on its own. Synchronous.

    The keys are the platform's, as in its API: the file replays a transfer of the API, and the API
    replays one of the file. If another request uses one of the keys at this moment, or holds the
    lock of an account, the items are posted one by one: only the busy item has to be sent again.
    """
    requests = [item.request for item in items if item.request is not None]
    identities = identify_now(names={name for request in requests for name in request.names()})
    currencies = {code: find_currency_now(code) for code in {r.currency for r in requests if r.currency is not None}}
    built = [_build(item, identities, currencies, actor=ANONYMOUS) for item in items]
    try:
        return submit_now(Job([Item(command, render, key) for command, key in built], UNREAD)).each
    except (IdempotencyInProgress, AccountBusy) as error:
        if len(items) == 1:
            return [Result(render(Refused(error)), Refused(error))]
        return [result for item in items for result in post_transfers_now([item], render=render)]


def _build(
    item: BatchItem, identities: Identities, currencies: Mapping[str, CurrencyUnit | None], *, actor: Actor, envelope_key: Key | None = None
) -> tuple[Command, Key | None]:
    """Return an item's command and key. An invalid request becomes a refusal that no key stores."""
    if item.request is None:
        return Refuse(item.error or InvalidRequest()), None
    if envelope_key is not None and item.key is not None and item.key.key == envelope_key.key:
        return Refuse(IdempotencyKeyReused()), None
    try:
        check_addressing(item.request)
        return build_transfer(item.request, identities, currencies.get(item.request.currency or ""), actor=actor), item.key
    except InvalidRequest as error:
        return Refuse(error), None
