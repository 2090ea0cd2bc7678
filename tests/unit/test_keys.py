"""The ids of idempotency keys, and how long they are kept."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from hashlib import sha256
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from transfers.domain.idempotency import first_day_kept, ids_of_key, kept_until, record_id

TEXTS = st.text(max_size=20)
ZONES = [UTC, timezone(timedelta(hours=13)), timezone(-timedelta(hours=11))]
SECONDS = st.integers(0, 4_000_000_000)
MOMENTS = st.builds(datetime.fromtimestamp, SECONDS, st.sampled_from(ZONES))
RETENTIONS = st.timedeltas(timedelta(hours=1), timedelta(days=30))


def test_an_id_is_made_of_two_digests_behind_lengths() -> None:
    key, both = b"\0\0\0\1k", b"\0\0\0\1o\0\0\0\1k"
    assert record_id("o", "k") == (sha256(key).digest()[:4] + sha256(both).digest()[:12]).hex()


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_two_pairs_have_two_ids(owner: str, key: str, other_owner: str, other_key: str) -> None:
    assert (record_id(owner, key) == record_id(other_owner, other_key)) == ((owner, key) == (other_owner, other_key))


@given(TEXTS, TEXTS)
def test_a_key_is_found_whoever_owns_it(owner: str, key: str) -> None:
    lowest, highest = ids_of_key(key)
    assert lowest <= UUID(record_id(owner, key)) <= highest


@given(MOMENTS, RETENTIONS)
def test_a_key_lives_for_the_retention_at_least_and_a_day_longer_at_most(created_at: datetime, retention: timedelta) -> None:
    until = kept_until(created_at, retention)
    assert retention < until - created_at <= retention + timedelta(days=1)


@given(MOMENTS, RETENTIONS)
def test_a_day_goes_when_the_last_of_its_keys_may_go(created_at: datetime, retention: timedelta) -> None:
    day: date = created_at.astimezone(UTC).date()
    until = kept_until(created_at, retention)
    assert first_day_kept(until - timedelta(microseconds=1), retention) <= day
    assert first_day_kept(until, retention) > day
