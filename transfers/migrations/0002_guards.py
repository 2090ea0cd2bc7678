"""Install the guards of the journal: see sql/guards.sql, which is written to be read."""

from pathlib import Path

from django.db import migrations

REVERSE = """
ALTER TABLE transfers_idempotencyrecord RESET (fillfactor);
DROP TRIGGER hold_not_truncated ON transfers_hold; DROP TRIGGER hold_kept ON transfers_hold; DROP TRIGGER hold_terms ON transfers_hold;
DROP TRIGGER transfer_not_truncated ON transfers_transfer; DROP TRIGGER transfer_append_only ON transfers_transfer;
DROP TRIGGER entry_not_truncated ON transfers_ledgerentry; DROP TRIGGER entry_append_only ON transfers_ledgerentry;
DROP TRIGGER transfer_guard ON transfers_transfer; DROP FUNCTION ledger_check_transfers();
DROP TRIGGER entry_guard ON transfers_ledgerentry; DROP FUNCTION ledger_check_entries();
"""


class Migration(migrations.Migration):
    dependencies = [("transfers", "0001_initial"), ("merchants", "0002_guards_and_currencies"), ("fees", "0002_guards_and_default")]
    # What is checked at the commit needs a column of migration 0013, which makes it.
    operations = [
        migrations.RunSQL((Path(__file__).parent.parent / "sql" / "guards.sql").read_text().partition("-- Since migration 0013")[0], REVERSE)
    ]
