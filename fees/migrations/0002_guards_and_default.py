"""Install the guards of fee schedules, and one schedule for everyone: 1%, half-even, the sender pays."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from django.db import migrations

REVERSE = """
DROP TRIGGER fee_schedule_guard ON fees_feeschedule; DROP FUNCTION ledger_check_fee_schedules();
DROP TRIGGER fee_schedule_not_truncated ON fees_feeschedule; DROP TRIGGER fee_schedule_append_only ON fees_feeschedule;
"""


def install_default(apps, schema_editor):
    FeeSchedule = apps.get_model("fees", "FeeSchedule")
    if not FeeSchedule.objects.exists():
        FeeSchedule.objects.create(
            version=1, rate=Decimal("0.01"), effective_from=datetime(2000, 1, 1, tzinfo=UTC), note="The default for everyone: 1%."
        )


class Migration(migrations.Migration):
    dependencies = [("fees", "0001_initial"), ("merchants", "0002_guards_and_currencies")]
    operations = [
        migrations.RunSQL((Path(__file__).parent.parent / "sql" / "guards.sql").read_text(), REVERSE),
        migrations.RunPython(install_default, migrations.RunPython.noop),
    ]
