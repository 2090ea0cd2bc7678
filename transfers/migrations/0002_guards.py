"""Install the guards of the journal: see sql/guards.sql, which is written to be read.

Those of entries and transfers as they were before migration 0013, which brings the columns that today's look at.
"""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"

REVERSE = """
ALTER TABLE transfers_idempotencyrecord RESET (fillfactor);
DROP TRIGGER hold_not_truncated ON transfers_hold; DROP TRIGGER hold_kept ON transfers_hold; DROP TRIGGER hold_terms ON transfers_hold;
DROP TRIGGER transfer_not_truncated ON transfers_transfer; DROP TRIGGER transfer_append_only ON transfers_transfer;
DROP TRIGGER entry_not_truncated ON transfers_ledgerentry; DROP TRIGGER entry_append_only ON transfers_ledgerentry;
DROP TRIGGER transfer_guard ON transfers_transfer; DROP FUNCTION ledger_check_transfers();
DROP TRIGGER entry_guard ON transfers_ledgerentry; DROP FUNCTION ledger_check_entries();
"""


def _triggers() -> str:
    text = (SQL / "guards.sql").read_text().partition("-- Since migration 0013")[0]
    for function, trigger in (("ledger_check_entries", "entry_guard"), ("ledger_check_transfers", "transfer_guard")):
        text = text[: text.index(f"CREATE FUNCTION {function}()")] + text[text.index(f"CREATE TRIGGER {trigger}") :]
    return text


class Migration(migrations.Migration):
    dependencies = [("transfers", "0001_initial"), ("merchants", "0002_guards_and_currencies"), ("fees", "0002_guards_and_default")]
    operations = [migrations.RunSQL((SQL / "guards_before_whole_transfers.sql").read_text() + _triggers(), REVERSE)]
