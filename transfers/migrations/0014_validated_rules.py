"""Look at the rows that were there before the rules of 0013. Postings go on meanwhile.

A row that breaks a rule cannot be mended, since history is never changed, and must not keep a release from being installed: its rule stays
NOT VALID, which says so in the catalogue, new rows are checked all the same, and ``reconcile`` names the row.
"""

from django.db import migrations

RULES = (
    ("transfers_transfer", "transfer_amounts_bounded"),
    ("transfers_ledgerentry", "entry_amounts_bounded"),
    ("transfers_hold", "hold_amounts_bounded"),
    ("transfers_dailyactivity", "daily_activity_bounded"),
    ("transfers_dailyvalue", "daily_value_bounded"),
    ("transfers_dailymerchant", "daily_merchant_bounded"),
)


def validate(table: str, rule: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"""
        DO $$ BEGIN
            ALTER TABLE {table} VALIDATE CONSTRAINT {rule};
        EXCEPTION WHEN check_violation THEN
            RAISE WARNING 'ledger: rows of {table} break {rule}; manage.py reconcile names them';
        END $$
        """,
        migrations.RunSQL.noop,
    )


class Migration(migrations.Migration):
    atomic = False  # each in a transaction of its own, so that no lock is kept for the next one
    dependencies = [("transfers", "0013_whole_transfers")]
    operations = [validate(table, rule) for table, rule in RULES]
