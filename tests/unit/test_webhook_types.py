"""Which events a webhook wants."""

from __future__ import annotations

import pytest

from events.domain.subscriptions import chosen_types
from events.domain.types import UnknownType
from ledger_project.kernel.happenings import EventType


def test_types_are_names_or_begin_alike_or_are_all() -> None:
    assert chosen_types(["transfer.posted"]) == {EventType.TRANSFER_POSTED}
    assert chosen_types(["hold.*", "transfer.posted"]) == {
        EventType.HOLD_PLACED,
        EventType.HOLD_CAPTURED,
        EventType.HOLD_VOIDED,
        EventType.HOLD_EXPIRED,
        EventType.TRANSFER_POSTED,
    }
    assert chosen_types(["*"]) is None
    assert chosen_types([event_type.value for event_type in EventType]) is None


@pytest.mark.parametrize(
    "text",
    ["", " hold.*", "hold.*,transfer.posted", "hold", "hold.", "hold.plac*", "*.posted", ".*", "holds.*", "HOLD.*", "webhook.test", "**"],
)
def test_an_unknown_type_is_refused(text: str) -> None:
    with pytest.raises(UnknownType):
        chosen_types(["*", text])
