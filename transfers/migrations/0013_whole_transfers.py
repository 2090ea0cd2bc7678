"""A transfer has exactly its entries, a hold its movements; amounts are numbers, and no time is in the future: see sql/guards.sql.

Rules of columns are added NOT VALID, which is done at once whatever the size of the tables; 0014 looks at the rows that are there.
"""

from importlib import import_module
from pathlib import Path

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q

SQL = Path(__file__).parent.parent / "sql"
AT_COMMIT = "-- Since migration 0013"
MAX, MAX_SUM = 10**38 - 1, 10**60 - 1

PIN = import_module("transfers.migrations.0006_guard_search_path").PIN + "".join(
    f"EXECUTE format('ALTER FUNCTION {name}() SET search_path = %I, pg_temp', current_schema());\n"
    for name in ("ledger_check_commit", "ledger_check_hold")
)


def _guards() -> str:
    text = (SQL / "guards.sql").read_text()
    bodies = ""
    for function, trigger in (("ledger_check_entries", "entry_guard"), ("ledger_check_transfers", "transfer_guard")):
        start = text.index(f"CREATE FUNCTION {function}()")
        bodies += text[start : text.index(f"CREATE TRIGGER {trigger}")].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)
    return bodies + text[text.index(AT_COMMIT) :] + f"DO $pin$ BEGIN\n{PIN}END $pin$"


def _guards_before() -> str:
    pin = import_module("transfers.migrations.0006_guard_search_path").PIN
    return f"""
    DROP TRIGGER hold_is_placed ON transfers_hold; DROP TRIGGER hold_is_moved_on ON transfers_hold; DROP FUNCTION ledger_check_hold();
    DROP TRIGGER transfer_is_whole ON transfers_transfer; DROP FUNCTION ledger_check_commit();
    {(SQL / "guards_before_whole_transfers.sql").read_text()}
    DO $pin$ BEGIN\n{pin}END $pin$
    """


def _rule(model: str, name: str, condition: Q) -> AddConstraintNotValid:
    return AddConstraintNotValid(model_name=model, constraint=models.CheckConstraint(condition=condition, name=name))


class Migration(migrations.Migration):
    dependencies = [("transfers", "0012_hold_movement_index"), ("fees", "0002_guards_and_default"), ("merchants", "0004_list_indexes")]
    operations = [
        # Every posting locks accounts before it writes: with this lock first, none is half-way between two tables that are locked below,
        # waiting for the other one.
        migrations.RunSQL("LOCK TABLE merchants_account IN EXCLUSIVE MODE", migrations.RunSQL.noop),
        migrations.AddField(
            "transfer",
            "batch_place",
            models.SmallIntegerField(
                choices=[
                    (0, "looked at by itself"),
                    (1, "looked at together with all further ones"),
                    (2, "looked at with the first one"),
                ],
                db_default=0,
                editable=False,
            ),
        ),
        _rule("transfer", "transfer_amounts_bounded", Q(amount_minor__lte=MAX, fee_minor__lte=MAX) & Q(total_debit_minor__lte=MAX)),
        _rule("ledgerentry", "entry_amounts_bounded", Q(amount_minor__lte=MAX, balance_after_minor__lte=MAX)),
        _rule("hold", "hold_amounts_bounded", Q(amount_minor__lte=MAX, reserved_minor__lte=MAX)),
        _rule(
            "dailyactivity",
            "daily_activity_bounded",
            Q(volume_minor__lte=MAX_SUM, fees_minor__lte=MAX_SUM, fee_refunds_minor__lte=MAX_SUM),
        ),
        _rule("dailyvalue", "daily_value_bounded", Q(change_minor__lte=MAX_SUM)),
        _rule("dailymerchant", "daily_merchant_bounded", Q(sent_minor__lte=MAX_SUM, received_minor__lte=MAX_SUM)),
        migrations.RunSQL(_guards(), _guards_before()),
    ]
