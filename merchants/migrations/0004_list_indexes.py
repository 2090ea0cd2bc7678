"""Indexes of the list of merchants: by a part of the name, and by a status that is not the usual one."""

from pathlib import Path

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


_TEXT = (Path(__file__).parent.parent / "sql" / "search.sql").read_text()
_FUNCTION, _INDEX = _TEXT[: _TEXT.index("CREATE INDEX")], _TEXT[_TEXT.index("CREATE INDEX") :]


class Migration(migrations.Migration):
    atomic = False  # the tables may be large, and postings go on meanwhile

    dependencies = [("merchants", "0003_api_keys")]
    operations = [
        migrations.RunSQL(_FUNCTION, "DROP FUNCTION ledger_grams(text)"),
        migrations.RunSQL(_INDEX, "DROP INDEX merchant_name_grams"),
        AddIndexConcurrently(
            model_name="merchant",
            index=models.Index(
                condition=models.Q(("status", "active"), _negated=True), fields=["status", "id"], name="merchant_status_id"
            ),
        ),
    ]
