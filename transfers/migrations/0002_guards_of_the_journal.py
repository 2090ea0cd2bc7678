"""Install the guards of the journal (sql/guards.sql), the search by time (sql/entries.sql), and the mark of the daily figures."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"

REVERSE = """
ALTER TABLE transfers_externalreference RENAME CONSTRAINT transfer_external_reference_unique TO transfers_externalreference_pkey;
DROP TRIGGER reference_not_truncated ON transfers_externalreference; DROP TRIGGER reference_append_only ON transfers_externalreference;
DROP FUNCTION ledger_check_reference() CASCADE;
ALTER TABLE transfers_hold DROP CONSTRAINT hold_bucket;
DROP TRIGGER hold_not_truncated ON transfers_hold; DROP TRIGGER hold_kept ON transfers_hold; DROP TRIGGER hold_terms ON transfers_hold;
DROP TRIGGER transfer_not_truncated ON transfers_transfer; DROP TRIGGER transfer_append_only ON transfers_transfer;
DROP TRIGGER entry_not_truncated ON transfers_ledgerentry; DROP TRIGGER entry_append_only ON transfers_ledgerentry;
DROP FUNCTION ledger_check_hold() CASCADE; DROP FUNCTION ledger_check_commit() CASCADE;
DROP FUNCTION ledger_check_transfers() CASCADE; DROP FUNCTION ledger_check_entries() CASCADE;
"""

# Before the first transfer: the first refresh sums up all that is there, in steps.
FIRST_MARK = """
INSERT INTO transfers_rollupmark (id, rolled_until, refreshed_at) VALUES (1, '2000-01-01T00:00:00Z', '2000-01-01T00:00:00Z')
"""


class Migration(migrations.Migration):
    dependencies = [("transfers", "0001_journal"), ("merchants", "0002_guards"), ("fees", "0002_guards")]
    operations = [
        migrations.RunSQL((SQL / "guards.sql").read_text(), REVERSE),
        migrations.RunSQL((SQL / "entries.sql").read_text(), "DROP FUNCTION ledger_sequence_at(uuid, timestamptz)"),
        migrations.RunSQL(FIRST_MARK, migrations.RunSQL.noop),
    ]
