"""Install the guards of fee schedules, and one schedule for everyone: 1%, half-even, the sender pays."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from django.db import migrations
from uuid_utils import uuid7

SQL = Path(__file__).parent.parent / "sql"


def install_default(apps, schema_editor):
    """A transfer needs a schedule that applies."""
    FeeSchedule = apps.get_model("fees", "FeeSchedule")
    FeeSchedule.objects.using(schema_editor.connection.alias).create(
        id=uuid7().hex,
        version=1,
        rate=Decimal("0.01"),
        effective_from=datetime(2000, 1, 1, tzinfo=UTC),
        note="The default for everyone: 1%.",
    )


class Migration(migrations.Migration):
    dependencies = [("fees", "0001_tables"), ("merchants", "0002_guards")]
    operations = [
        migrations.RunSQL(
            (SQL / "guards.sql").read_text(),
            "DROP FUNCTION ledger_check_fee_schedules() CASCADE; "
            "DROP TRIGGER fee_schedule_not_truncated ON fees_feeschedule; DROP TRIGGER fee_schedule_append_only ON fees_feeschedule",
        ),
        migrations.RunPython(install_default, migrations.RunPython.noop),
    ]
