"""Replace the entries' guard by one that proves the same in one pass: see sql/entry_guard.sql."""

from importlib import import_module
from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"
PIN = import_module("transfers.migrations.0006_guard_search_path").PIN


def _original() -> str:
    """Return the guard as guards.sql has it."""
    text = (SQL / "guards.sql").read_text()
    start = text.index("CREATE FUNCTION ledger_check_entries()")
    return "CREATE OR REPLACE" + text[start + len("CREATE") : text.index("CREATE TRIGGER entry_guard")]


class Migration(migrations.Migration):
    dependencies = [("transfers", "0007_hold_list_indexes")]
    # What replaces a function takes its settings away too: the search path is pinned again.
    operations = [
        migrations.RunSQL(
            (SQL / "entry_guard.sql").read_text() + f"DO $pin$ BEGIN\n{PIN}END $pin$",
            _original() + f"DO $pin$ BEGIN\n{PIN}END $pin$",
        )
    ]
