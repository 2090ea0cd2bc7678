"""Types of events: which one a transfer is, and which ones a filter names."""

from __future__ import annotations

from collections.abc import Mapping

from ledger_project.kernel.happenings import EventType
from transfers.domain.hold_outcomes import HoldStatus
from transfers.domain.kinds import TransferKind

OF_KINDS: Mapping[str, EventType] = {
    TransferKind.TRANSFER.value: EventType.TRANSFER_POSTED,
    TransferKind.DEPOSIT.value: EventType.DEPOSIT_POSTED,
    TransferKind.WITHDRAWAL.value: EventType.WITHDRAWAL_POSTED,
    TransferKind.OPENING.value: EventType.OPENING_POSTED,
    TransferKind.REVERSAL.value: EventType.REVERSAL_POSTED,
    TransferKind.HOLD.value: EventType.HOLD_PLACED,
    TransferKind.CAPTURE.value: EventType.HOLD_CAPTURED,
    TransferKind.FEE_SETTLEMENT.value: EventType.FEES_SETTLED,
}
"""The type of the event that a transfer of a kind is. A release is one of two."""

OF_RELEASES: Mapping[str, EventType] = {
    HoldStatus.VOIDED.value: EventType.HOLD_VOIDED,
    HoldStatus.EXPIRED.value: EventType.HOLD_EXPIRED,
}
"""The type of the event that a release is, by what became of its hold."""

_OF_TRANSFERS = frozenset({*OF_KINDS.values(), *OF_RELEASES.values()})

OF_ROWS = frozenset(EventType) - _OF_TRANSFERS
"""The types of events that are rows of their own."""


def type_of(kind: str, hold_status: str | None) -> EventType:
    """Return the type of the event that a transfer is."""
    return OF_RELEASES[hold_status or ""] if kind == TransferKind.HOLD_RELEASE else OF_KINDS[kind]


class UnknownType(ValueError):
    """A filter names a type that there is not."""


def parse_types(text: str) -> frozenset[EventType]:
    """Return the types that a filter names: comma separated, ``hold.*`` for all of a noun, ``*``
    for all.

    Raises ``UnknownType``.
    """
    return frozenset(found for name in text.split(",") for found in _named(name.strip()))


def _named(name: str) -> frozenset[EventType]:
    if name == "*":
        return frozenset(EventType)
    noun, star, _ = name.partition(".*")
    found = {type_ for type_ in EventType if type_.value == name or (star and name == f"{noun}.*" and type_.value.startswith(f"{noun}."))}
    if not found:
        raise UnknownType(f"{name[:100]!r} is no type of event")
    return frozenset(found)
