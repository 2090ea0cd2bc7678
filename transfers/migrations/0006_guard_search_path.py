"""Have the guards look only into the ledger's own schema.

A temporary table comes before every schema in the search for a name. Without this a role that may make one could lay an account of its
own, with a boundless overdraft, over the real one and have the guard read that.
"""

from django.db import migrations

FUNCTIONS = ("ledger_check_entries", "ledger_check_transfers", "ledger_check_fee_schedules")

PIN = "".join(
    f"EXECUTE format('ALTER FUNCTION {name}() SET search_path = %I, pg_temp', current_schema());\n" for name in FUNCTIONS
)
UNPIN = "".join(f"ALTER FUNCTION {name}() RESET search_path;\n" for name in FUNCTIONS)


class Migration(migrations.Migration):
    dependencies = [("transfers", "0005_reconciliation_run"), ("fees", "0002_guards_and_default")]
    operations = [migrations.RunSQL(f"DO $$ BEGIN\n{PIN}END $$", UNPIN)]
