"""The ring of tables that idempotency keys lie in, and its purge: no key is lost early, and none is half there."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.core.checks import run_checks
from django.db import connection, transaction
from django.test import override_settings
from django.utils import timezone

from ledger_project.kernel.errors import IdempotencyInProgress, IdempotencyKeyReused
from tests.operations.stories import raw_connection
from tests.support.factories import unique
from tests.support.keys import claim_of, make_keys
from tests.support.service_role import owner_connection
from transfers.domain.idempotency import first_day_kept, ids_of_key, kept_until, record_id
from transfers.models import IdempotencyClaim, IdempotencyRecord
from transfers.posting import sql
from transfers.posting.idempotency import Claims
from transfers.posting.jobs import Answer, Key, Result
from transfers.posting.pipeline import Session
from transfers.posting.synchronous import answer_once
from transfers.selectors.idempotency import find_records, get_record
from transfers.sql.idempotency import SLOTS, slot_of
from transfers.upkeep import purging
from transfers.upkeep.purging import count_expired_keys, purge_expired_keys

OWNER = "ring"
RECORD = """
INSERT INTO transfers_idempotencyrecord (created_at, id, status_code, fingerprint, owner, key, body)
VALUES (now() + %s::interval, %s, 200, '78787878-7878-7878-7878-787878787878', %s, %s, '')
"""


@pytest.fixture(autouse=True)
def _emptied(ledger: None) -> Iterator[None]:
    """Begin and end without keys that are due."""
    del ledger
    purge_expired_keys(batch=10_000)
    yield
    purge_expired_keys(batch=10_000)
    connection.close()


def days_ago(days: float) -> datetime:
    return timezone.now() - timedelta(days=days)


def made(count: int, *, days: float) -> list[str]:
    keys = [unique("key") for _ in range(count)]
    make_keys(keys, at=days_ago(days), owner=OWNER)
    return keys


def slot_at(moment: datetime) -> str:
    return SLOTS[(moment.astimezone(UTC).date() - datetime(2000, 1, 1, tzinfo=UTC).date()).days % 32]


def claims(keys: list[str]) -> int:
    return IdempotencyClaim.objects.filter(id__in=[record_id(OWNER, key) for key in keys]).count()


def records(keys: list[str]) -> int:
    return IdempotencyRecord.objects.filter(id__in=[record_id(OWNER, key) for key in keys]).count()


def ask(statement: str, *parameters: object) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()[0]


def use(key: str, body: bytes = b"done", fingerprint: bytes = b"x" * 32) -> Result:
    with transaction.atomic():
        return answer_once(Key(OWNER, key, fingerprint), lambda: Answer(200, body))


@contextmanager
def locked(statement: str, *parameters: object) -> Iterator[psycopg.Connection[Any]]:
    """Run a statement as the owner of the tables, in a transaction that stays open meanwhile and is rolled back."""
    with owner_connection() as raw:
        raw.execute(statement, parameters)
        yield raw
        raw.rollback()


# --- ids and days -----------------------------------------------------------------------------------------------------------


def test_the_id_of_a_record_is_the_start_of_two_hashes() -> None:
    key = "sha256(int4send(octet_length({0}::bytea)) || {0}::bytea)"
    both = "sha256(int4send(octet_length(%s::bytea)) || %s::bytea || int4send(octet_length(%s::bytea)) || %s::bytea)"
    told = ask(
        f"SELECT encode(substr({key.format('%s')}, 1, 4) || substr({both}, 1, 12), 'hex')",
        *["order-1"] * 2, *["platform"] * 2, *["order-1"] * 2,
    )  # fmt: skip
    assert record_id("platform", "order-1") == told
    low, high = ids_of_key("order-1")
    assert low <= UUID(told) <= high


@pytest.mark.parametrize(("one", "other"), [(("a", "bc"), ("ab", "c")), (("", "a"), ("a", "")), (("x", "k"), ("y", "k"))])
def test_no_two_pairs_of_owner_and_key_have_one_id(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert record_id(*one) != record_id(*other)


def test_a_key_is_found_whoever_owns_it_and_by_its_id() -> None:
    key = unique("shared")
    make_keys([key], at=timezone.now(), owner="one")
    make_keys([key], at=timezone.now(), owner="other")
    make_keys([unique("shared")], at=timezone.now(), owner="one")
    assert {record.owner for record in find_records(key)} == {"one", "other"}
    (record,) = [record for record in find_records(key) if record.owner == "one"]
    assert get_record(record.id) == record
    assert list(find_records(unique("never"))) == []


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_day_is_that_of_utc_whatever_the_sessions_time_zone_is(zone: str) -> None:
    """One minute before and after midnight, 14 hours east and 11 hours west of it."""
    with locked("SET LOCAL TimeZone = '" + zone + "'") as raw:
        for moment in (datetime(2026, 11, 25, 23, 59, tzinfo=UTC), datetime(2026, 11, 26, 0, 1, tzinfo=UTC)):
            raw.execute(
                "INSERT INTO transfers_idempotencyrecord (created_at, id, status_code, fingerprint, owner, key, body) "
                "VALUES (%s, gen_random_uuid(), 200, gen_random_uuid(), 'o', 'k', '')",
                [moment],
            )
            found = raw.execute(
                "SELECT tableoid::regclass::text FROM transfers_idempotencyrecord WHERE created_at = %s AND key = 'k'", [moment]
            )
            assert found.fetchone() == (slot_at(moment),)


def test_the_ring_has_a_table_for_each_of_32_days_and_no_other() -> None:
    rows = (
        "SELECT array_agg(inhrelid::regclass::text ORDER BY 1) FROM pg_inherits WHERE inhparent = 'transfers_idempotencyrecord'::regclass"
    )
    assert tuple(ask(rows)) == SLOTS
    assert (
        ask("SELECT pg_get_partkeydef('transfers_idempotencyrecord'::regclass)").replace("(", "").replace(")", "").split()
        == ("LIST " + slot_of("created_at").replace("DATE '2000-01-01'", "'2000-01-01'::date").replace("'UTC'", "'UTC'::text"))
        .replace("(", "")
        .replace(")", "")
        .split()
    )


def test_a_key_is_kept_for_the_retention_at_least_and_a_day_longer_at_most() -> None:
    week = timedelta(days=7)
    for claimed in (datetime(2026, 11, 26, 0, 0, tzinfo=UTC), datetime(2026, 11, 26, 23, 59, 59, 999_999, tzinfo=UTC)):
        end = kept_until(claimed, week)
        assert week < end - claimed <= week + timedelta(days=1)
        moment = timedelta(microseconds=1)
        assert first_day_kept(end - moment, week) <= claimed.date() < first_day_kept(end, week)


@pytest.mark.parametrize(
    ("retention_s", "is_told"), [(0, True), (3599, True), (3600, False), (30 * 86_400, False), (30 * 86_400 + 1, True)]
)
def test_a_retention_that_the_ring_cannot_keep_is_told_at_start_up(retention_s: int, is_told: bool) -> None:
    with override_settings(LEDGER_IDEMPOTENCY_RETENTION=retention_s):
        assert any(found.id == "ledger.E024" for found in run_checks()) == is_told


# --- claim and record together ----------------------------------------------------------------------------------------------


def test_a_record_has_the_time_of_its_claim_however_late_it_is_written() -> None:
    """So it lies in the table of the claim's day, also when midnight comes between the two."""
    key = unique("key")

    def change() -> Answer:
        assert ask("SELECT clock_timestamp() > transaction_timestamp()")
        return Answer(200, b"")

    with transaction.atomic():
        began = ask("SELECT transaction_timestamp()")
        answer_once(Key(OWNER, key, b"x" * 32), change)
    claim = IdempotencyClaim.objects.get(id=record_id(OWNER, key))
    assert claim.created_at == began + timedelta(microseconds=1)
    assert IdempotencyRecord.objects.get(id=claim.id).created_at == claim.created_at


def test_a_change_that_fails_leaves_neither_claim_nor_record() -> None:
    key = unique("key")

    def change() -> Answer:
        raise LookupError

    with pytest.raises(LookupError), transaction.atomic():
        answer_once(Key(OWNER, key, b"x" * 32), change)
    assert claims([key]) == records([key]) == 0
    assert use(key).replayed is False


def test_a_used_key_replays_its_bytes_and_refuses_another_request() -> None:
    key = unique("key")
    assert (use(key).replayed, use(key, b"other").replayed) == (False, True)
    assert use(key).answer == Answer(200, b"done")
    with pytest.raises(IdempotencyKeyReused):
        use(key, fingerprint=b"y" * 32)


def test_a_claim_without_a_record_is_not_taken_for_a_free_key() -> None:
    """Nothing does that: somebody has deleted the record. The caller is told to try again, and nothing is done twice."""
    (key,) = made(1, days=0)
    with locked("SELECT") as raw:
        raw.execute("DELETE FROM transfers_idempotencyrecord WHERE id = %s", [record_id(OWNER, key)])
        raw.commit()
        with pytest.raises(IdempotencyInProgress):
            use(key)
        raw.execute("DELETE FROM transfers_idempotencyclaim WHERE id = %s", [record_id(OWNER, key)])
        raw.commit()


def test_a_replay_looks_into_the_table_of_the_claims_day_only() -> None:
    (key,) = made(1, days=3)
    with raw_connection() as raw:
        raw.execute("SET LOCAL enable_seqscan = off; SET LOCAL plan_cache_mode = force_generic_plan")
        raw.execute("PREPARE taken(uuid[]) AS " + sql.TAKEN_KEYS.replace("%s", "$1"))
        ((found, moment, slot),) = raw.execute(f"EXECUTE taken('{{{record_id(OWNER, key)}}}')").fetchall()
        numbered = sql.REPLAYS.replace("%s", "$1", 1).replace("%s", "$2", 1).replace("%s", "$3", 1)
        raw.execute("PREPARE replays(uuid[], timestamptz[], int) AS " + numbered)
        told = raw.execute(
            f"EXPLAIN (ANALYZE, COSTS OFF) EXECUTE replays('{{{found}}}', ARRAY['{moment}'::timestamptz], {slot})"
        ).fetchall()
        raw.rollback()
    plan = "\n".join(row[0] for row in told)
    assert "Subplans Removed: 31" in plan
    assert f"Index Scan using {slot_at(days_ago(3))}" in plan
    assert "Seq Scan" not in plan


def test_keys_of_two_days_are_replayed_by_one_posting() -> None:
    keys = [*made(2, days=3), *made(2, days=1)]
    with transaction.atomic():
        claims = Claims(Session())
        claims.claim(wanted := [Key(OWNER, key, b"x" * 32) for key in keys])
        claims.read_claims()
        assert not any(claims.ours(key) for key in wanted)
        claims.ask_stored()
        claims.read_stored()
        assert [claims.replay(key).answer for key in wanted] == [Answer(409, b"{}")] * 4


# --- the purge --------------------------------------------------------------------------------------------------------------


def test_a_day_that_is_over_goes_as_a_whole_and_its_table_with_all_bytes() -> None:
    old, kept = made(5, days=9), made(5, days=7)
    size = f"SELECT pg_relation_size('{slot_at(days_ago(9))}')"
    assert ask(size) > 0
    assert count_expired_keys() == 5
    steps: list[int] = []
    assert purge_expired_keys(batch=2, progress=steps.append) == 5
    assert steps == [2, 2, 1]
    assert claims(old) == records(old) == ask(size) == 0
    assert claims(kept) == records(kept) == 5
    assert count_expired_keys() == purge_expired_keys(batch=2) == 0


def test_a_purge_after_forty_days_keeps_the_keys_that_share_their_table_with_old_ones() -> None:
    old, fresh = made(7, days=33), made(3, days=1)
    make_keys(more := [unique("key") for _ in range(7)], at=days_ago(33 + 32), owner=OWNER)
    assert slot_at(days_ago(33)) == slot_at(days_ago(1))
    assert use(fresh[0]).answer == Answer(409, b"{}")
    assert count_expired_keys() == 14
    assert purge_expired_keys(batch=3) == 14
    assert claims(old + more) == records(old + more) == 0
    assert claims(fresh) == records(fresh) == 3
    assert [use(key).replayed for key in (*fresh, old[0])] == [True] * 3 + [False]


def test_a_key_that_was_used_again_32_days_later_is_one_key() -> None:
    """Its old record is still in the same table: the claim is gone, the table was locked."""
    key = unique("key")
    make_keys([key], at=days_ago(32), owner=OWNER)
    with locked(f"LOCK TABLE {slot_at(days_ago(32))} IN SHARE ROW EXCLUSIVE MODE"):
        assert purge_expired_keys(batch=10) == 1
    assert (claims([key]), records([key])) == (0, 1)
    assert use(key, b"anew").replayed is False
    assert use(key).answer.body == b"anew"
    assert purge_expired_keys(batch=10) == 0
    assert (claims([key]), records([key])) == (1, 1)
    assert use(key).answer.body == b"anew"


def test_keys_of_a_clock_that_was_ahead_are_kept_until_their_time_is_over() -> None:
    """Their table is the one of a day that is over, and is not taken for it."""
    ahead, over = made(2, days=-20), made(2, days=12)
    assert slot_at(days_ago(-20)) == slot_at(days_ago(12))
    assert purge_expired_keys(batch=10) == 2
    assert claims(over) == records(over) == 0
    assert claims(ahead) == records(ahead) == 2
    assert use(ahead[0]).replayed


def test_a_locked_table_is_left_for_the_next_round_and_its_keys_are_free_meanwhile() -> None:
    old = made(3, days=9)
    with locked(f"SELECT FROM {slot_at(days_ago(9))}"):
        assert purge_expired_keys(batch=10) == 3
        assert (claims(old), records(old)) == (0, 3)
        assert use(old[0]).replayed is False
    assert purge_expired_keys(batch=10) == 0
    assert records(old) == 1
    assert use(old[0]).replayed


def test_a_locked_claim_keeps_all_records_that_are_due() -> None:
    old = made(3, days=9)
    with locked("SELECT id FROM transfers_idempotencyclaim WHERE id = %s FOR UPDATE", record_id(OWNER, old[1])):
        assert purge_expired_keys(batch=1) in {0, 1}
        assert records(old) == 3
        assert use(old[1]).replayed
    purge_expired_keys(batch=1)
    assert claims(old) == records(old) == 0


def test_two_purges_at_once_remove_each_key_once(posting_thread: ThreadPoolExecutor) -> None:
    old, fresh = made(300, days=9), made(3, days=1)
    other = posting_thread.submit(purge_expired_keys, batch=7)
    together = purge_expired_keys(batch=11) + other.result()
    assert together == 300
    purge_expired_keys(batch=11)
    assert claims(old) == records(old) == 0
    assert claims(fresh) == records(fresh) == 3


def test_a_purge_that_is_killed_between_claims_and_records_is_finished_by_the_next() -> None:
    old = made(3, days=9)

    def die(_count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        purge_expired_keys(batch=2, progress=die)
    assert (claims(old), records(old)) == (1, 3)
    assert purge_expired_keys(batch=2) == 1
    assert claims(old) == records(old) == 0


def test_a_record_that_arrives_before_the_lock_is_not_lost(posting_thread: ThreadPoolExecutor) -> None:
    """A clock is wrong, and a key of today's is inserted into a table that is just being emptied."""
    old, late = made(2, days=9), unique("key")
    assert slot_at(days_ago(-23)) == slot_at(days_ago(9))
    with raw_connection() as raw:
        raw.execute(claim_of(late, OWNER).replace("now()", "now() + interval '23 days'"))
        raw.execute(RECORD, ["23 days", record_id(OWNER, late), OWNER, late])
        purging = posting_thread.submit(purge_expired_keys, batch=10)
        waits = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LOCK TABLE _transfers_idempotencyrecord%%' AND wait_event_type = 'Lock'"
        while not (purging.done() or ask(waits)):
            pass
        raw.commit()
    assert purging.result() == 2
    assert claims([late]) == records([late]) == 1
    purge_expired_keys(batch=10)
    assert (claims(old), records(old), records([late])) == (0, 0, 1)
    assert use(late).replayed


def test_a_claim_that_is_not_committed_yet_goes_with_the_next_round() -> None:
    key = unique("key")
    old = made(1, days=9)
    with raw_connection() as raw:
        raw.execute(claim_of(key, OWNER).replace("now()", "now() - interval '9 days'"))
        assert purge_expired_keys(batch=10) == 1
        raw.execute(RECORD, ["-9 days", record_id(OWNER, key), OWNER, key])
        raw.commit()
    assert claims([key]) == records([key]) == 1
    assert purge_expired_keys(batch=10) == 1
    assert claims([key, *old]) == records([key, *old]) == 0


def test_claims_are_read_once_however_many_batches_there_are() -> None:
    """Each batch begins where the last one ended, on a table where hardly any key is due."""
    made(2000, days=0)
    made(7, days=9)
    with raw_connection() as raw:
        raw.execute("ANALYZE transfers_idempotencyclaim")
        explained = "EXPLAIN " + purging._PURGE_CLAIMS
        values = {"until": days_ago(8), "last": "(3,0)", "batch": 500}
        plan = "\n".join(row[0] for row in raw.execute(explained, values).fetchall())
        raw.rollback()
    assert "Tid Range Scan on transfers_idempotencyclaim" in plan
    assert "Seq Scan" not in plan


def test_what_is_due_is_found_by_indexes() -> None:
    made(7, days=9)
    plan = explained(purging._OLDEST.as_string(None))
    assert plan.count("Index") >= 32
    assert explained(purging._NEWEST.format(psycopg.sql.Identifier(SLOTS[0])).as_string(None)).count("Index") >= 1


def explained(statement: str) -> str:
    with raw_connection() as raw:
        raw.execute("SET LOCAL enable_seqscan = off")
        plan = "\n".join(row[0] for row in raw.execute("EXPLAIN " + statement).fetchall())
        raw.rollback()
    return plan
