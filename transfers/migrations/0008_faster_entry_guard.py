"""Have databases that were made before it take the entries' guard that proves the same in one pass."""

from importlib import import_module
from pathlib import Path

from django.db import migrations

PIN = import_module("transfers.migrations.0006_guard_search_path").PIN


def _guard() -> str:
    text = (Path(__file__).parent.parent / "sql" / "guards_before_whole_transfers.sql").read_text()
    return text[: text.index("CREATE OR REPLACE FUNCTION ledger_check_transfers()")]


class Migration(migrations.Migration):
    dependencies = [("transfers", "0007_hold_list_indexes")]
    # What replaces a function takes its settings away too: the search path is pinned again. There is nothing to take back: the earlier
    # release works with this guard as with its own.
    operations = [migrations.RunSQL(_guard() + f"DO $pin$ BEGIN\n{PIN}END $pin$", migrations.RunSQL.noop)]
