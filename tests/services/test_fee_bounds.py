"""The migration that bounds fee versions, on a database that has versions beyond the bounds."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DataError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from fees.models import FeeSchedule
from merchants.models import new_id
from tests.services.test_admin import new_merchant

UNREADABLE = "9999-12-31T23:59:59.999999-14:00"


def insert(**values: Any) -> None:
    row = {
        "id": new_id(), "version": 1, "rate": "0.01", "flat_minor": "0", "tiers": "[]", "rounding": "half_even", "payer": "sender",
        "effective_from": "2020-01-01T00:00:00Z", "note": "before the bounds", "currency_id": "USD",
    } | values  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO fees_feeschedule ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})",
            list(row.values()),
        )


def constraints() -> dict[str, bool]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT conname, convalidated FROM pg_constraint WHERE conrelid = 'fees_feeschedule'::regclass AND contype = 'c'")
        return dict(cursor.fetchall())


def test_what_cannot_be_read_is_taken_away_and_what_was_charged_by_stays() -> None:
    unreadable, odd, sound = (new_merchant(0).id for _ in range(3))
    loader = MigrationExecutor(connection).loader
    migration = loader.get_migration("fees", "0003_bounds")

    def state() -> Any:
        return loader.project_state(("fees", "0003_bounds"), at_end=False)

    assert constraints()["fee_schedule_money_bounded"]
    with transaction.atomic():
        with connection.schema_editor() as editor:
            migration.unapply(state(), editor)
        with connection.cursor() as cursor:
            # The guard of before, which is gone: this is what it let pass.
            cursor.execute("ALTER TABLE fees_feeschedule DISABLE TRIGGER fee_schedule_guard")
        insert(merchant_id=unreadable, effective_from=UNREADABLE)
        insert(merchant_id=odd, maximum_minor="NaN")
        insert(merchant_id=sound)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
            cursor.execute("ALTER TABLE fees_feeschedule ENABLE TRIGGER fee_schedule_guard")
        with pytest.raises(DataError), transaction.atomic():
            list(FeeSchedule.objects.filter(merchant_id=unreadable))
        with connection.schema_editor() as editor:
            migration.apply(state(), editor)
        assert set(FeeSchedule.objects.filter(merchant_id__in=[unreadable, odd, sound]).values_list("merchant_id", flat=True)) == {
            odd,
            sound,
        }
        after = constraints()
        assert (after["fee_schedule_money_bounded"], after["fee_schedule_effective_from_range"]) == (False, True)
        transaction.set_rollback(True)
