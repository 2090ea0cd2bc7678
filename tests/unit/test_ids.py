"""Ids are in order of time."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from ledger_project.kernel.ids import beside, first_uuid7_at, id_in, time_of, uuid7_at

moments = st.datetimes(datetime(1971, 1, 1), datetime(2500, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
entropies = st.integers(0, 2**62 - 1)
places = st.uuids()
HERE = UUID(int=0)


@given(moments, entropies, entropies)
def test_a_later_microsecond_has_a_higher_id(moment: datetime, first: int, second: int) -> None:
    later = moment + timedelta(microseconds=1)
    assert uuid7_at(moment, position=2**20 - 1, entropy=first, place=UUID(int=1023)) < uuid7_at(
        later, position=0, entropy=second, place=HERE
    )


@given(moments, st.integers(0, 2**20 - 2), entropies)
def test_a_later_position_has_a_higher_id(moment: datetime, position: int, entropy: int) -> None:
    assert uuid7_at(moment, position=position, entropy=entropy, place=UUID(int=1023)) < uuid7_at(
        moment, position=position + 1, entropy=entropy, place=HERE
    )


@given(moments, entropies)
def test_the_bound_of_a_moment_parts_earlier_from_later(moment: datetime, entropy: int) -> None:
    bound = first_uuid7_at(moment)
    assert uuid7_at(moment - timedelta(microseconds=1), position=2**20 - 1, entropy=entropy, place=HERE) < bound
    assert bound <= uuid7_at(moment, position=0, entropy=entropy, place=HERE)


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_moment_that_can_be_asked_for_has_a_bound(moment: datetime) -> None:
    bound = first_uuid7_at(moment)
    assert (bound <= uuid7_at(datetime(1970, 1, 1, tzinfo=UTC), position=0, entropy=0, place=HERE)) == (
        moment <= datetime(1970, 1, 1, tzinfo=UTC)
    )


@given(moments, st.integers(0, 2**20 - 1), entropies)
def test_an_id_is_a_uuid7_and_tells_its_time(moment: datetime, position: int, entropy: int) -> None:
    made = uuid7_at(moment, position=position, entropy=entropy, place=HERE)
    assert (made.version, made.variant) == (7, UUID(int=0x80 << 56).variant)
    assert time_of(made) == moment


@given(moments, entropies, places, places)
def test_an_id_beside_a_merchant_has_its_bucket_and_keeps_the_rest(moment: datetime, entropy: int, made: UUID, place: UUID) -> None:
    assert uuid7_at(moment, position=0, entropy=entropy, place=place).int % 1024 == place.int % 1024
    assert beside(made, place).int % 1024 == place.int % 1024
    assert beside(made, place).int // 1024 == made.int // 1024


@given(st.uuids())
def test_an_id_is_read_in_each_of_its_spellings(made: UUID) -> None:
    assert id_in(str(made)) == id_in(str(made).upper()) == id_in(made.hex) == made


def test_a_text_that_is_no_id_is_none() -> None:
    assert [id_in(text) for text in ("", "abc", "0" * 31, "g" * 32)] == [None] * 4
