"""Events: their types, what callers are told, and that nothing that happened is lost in silence."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from events.domain.addresses import UrlRefused, read_url
from events.domain.errors import EventNotFound, UrlNotAllowed, WebhookNotFound
from events.domain.receipts import Side, canonical, receipt_number
from events.domain.types import OF_ROWS, type_of
from ledger_project.kernel import happenings
from ledger_project.kernel.ids import first_uuid7_at, last_uuid7_at, time_of, uuid7_at
from transfers.domain.kinds import TransferKind


def test_each_kind_of_transfer_is_an_event_of_one_type() -> None:
    found = {type_of(kind.value, "voided") for kind in TransferKind} | {type_of(TransferKind.HOLD_RELEASE.value, "expired")}
    assert len(found) == len(TransferKind) + 1
    assert found.isdisjoint(OF_ROWS)


def test_callers_are_told_what_is_not_there() -> None:
    wanted = uuid4()
    assert str(EventNotFound(wanted)) == f"There is no event {wanted}."
    assert EventNotFound(wanted).extra() == {"event_id": str(wanted)}
    assert str(WebhookNotFound(wanted)) == f"There is no webhook {wanted}."
    assert str(UrlNotAllowed("it is not https")) == "A webhook cannot have this URL: it is not https."


def test_a_receipt_has_a_number_of_its_own_for_each_party() -> None:
    transfer = uuid4()
    assert len({receipt_number(transfer, side) for side in Side}) == len(Side)


def test_a_receipt_is_signed_in_one_form() -> None:
    assert (
        canonical({"b": 10**30, "a": {"d": "ü\n", "c": None}}) == '{"a":{"c":null,"d":"ü\\n"},"b":1000000000000000000000000000000}'.encode()
    )


def test_the_last_id_of_a_moment_is_after_all_others() -> None:
    moment = datetime(2026, 11, 26, 6, 0, 0, 123_456, tzinfo=UTC)
    last = last_uuid7_at(moment)
    assert (
        first_uuid7_at(moment)
        < uuid7_at(moment, position=2**20 - 1, entropy=2**62 - 1, place=UUID(int=2**128 - 1))
        <= last
        < first_uuid7_at(moment.replace(microsecond=123_457))
    )
    assert time_of(last) == moment


@pytest.fixture
def no_recorder() -> Iterator[None]:
    """Nobody records what happens."""
    before = list(happenings._recorders)
    happenings._recorders.clear()
    yield
    happenings._recorders[:] = before


def test_without_a_recorder_nothing_can_happen(no_recorder: None) -> None:
    happening = happenings.Happening(happenings.EventType.MERCHANT_FROZEN, merchant_id=UUID(int=1))
    with pytest.raises(LookupError, match="no recorder"):
        happenings.tell(happening)
    told: list[happenings.Happening] = []
    happenings.record_with(told.append)
    happenings.tell(happening)
    assert told == [happening]


@pytest.mark.parametrize("url", ["https://a]b.example/", "https://[::1/", "https://[::1]x/"])
def test_brackets_that_hold_no_address_are_refused(url: str) -> None:
    with pytest.raises(UrlRefused):
        read_url(url, is_open=False)
