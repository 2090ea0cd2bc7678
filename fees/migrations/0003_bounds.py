"""Bound what a version may hold: flat amounts, minimum, maximum, tiers, and the moment from which it is in force.

A version that comes into force after the year 9999 cannot be read, and each list that it belongs to fails. Nothing can have been charged
by it, so it is taken away. Other rows from before that break a bound stay as they are, history is not edited: then the constraint holds
for new rows only, and the migration says so.
"""

from datetime import UTC, datetime
from pathlib import Path

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations
from django.db.models import CheckConstraint, Q

MONEY = CheckConstraint(
    condition=Q(flat_minor__lte=10**30)
    & (Q(minimum_minor__isnull=True) | Q(minimum_minor__lte=10**30))
    & (Q(maximum_minor__isnull=True) | Q(maximum_minor__lte=10**30)),
    name="fee_schedule_money_bounded",
)
MOMENT = CheckConstraint(
    condition=Q(effective_from__gte=datetime(1970, 1, 1, tzinfo=UTC), effective_from__lt=datetime(3000, 1, 1, tzinfo=UTC)),
    name="fee_schedule_effective_from_range",
)

REMOVE_UNREADABLE = """
ALTER TABLE fees_feeschedule DISABLE TRIGGER fee_schedule_append_only;
DELETE FROM fees_feeschedule WHERE effective_from >= '9999-12-31' OR effective_from < '0001-01-02';
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE fees_feeschedule ENABLE TRIGGER fee_schedule_append_only;
"""

VALIDATE = """
DO $validate$ BEGIN
    ALTER TABLE fees_feeschedule VALIDATE CONSTRAINT {name};
EXCEPTION WHEN check_violation THEN
    RAISE WARNING 'fees_feeschedule has rows from before that break {name}; it holds for new rows';
END $validate$
"""


def _guard() -> str:
    text = (Path(__file__).parent.parent / "sql" / "guards.sql").read_text()
    start = text.index("CREATE FUNCTION ledger_check_fee_schedules()")
    return text[start : text.index("CREATE TRIGGER fee_schedule_guard")].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)


# What replaces a function takes its settings away too.
PIN = """
DO $pin$ BEGIN
    EXECUTE format('ALTER FUNCTION ledger_check_fee_schedules() SET search_path = %I, pg_temp', current_schema());
END $pin$
"""


class Migration(migrations.Migration):
    dependencies = [("fees", "0002_guards_and_default")]
    operations = [
        migrations.RunSQL(REMOVE_UNREADABLE, migrations.RunSQL.noop),
        *(AddConstraintNotValid("feeschedule", constraint) for constraint in (MONEY, MOMENT)),
        *(migrations.RunSQL(VALIDATE.format(name=constraint.name), migrations.RunSQL.noop) for constraint in (MONEY, MOMENT)),
        # The earlier release works with this guard as with its own, so there is nothing to take back.
        migrations.RunSQL(_guard() + PIN, migrations.RunSQL.noop),
    ]
