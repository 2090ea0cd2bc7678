"""Indexes of the list of merchants: by a part of the name, and by a status that is not the usual one."""

from pathlib import Path

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("merchants", "0003_api_keys")]
    operations = [
        migrations.RunSQL(
            (Path(__file__).parent.parent / "sql" / "search.sql").read_text(),
            "DROP INDEX merchant_name_grams; DROP FUNCTION ledger_grams(text);",
        ),
        migrations.AddIndex(
            model_name="merchant",
            index=models.Index(
                condition=models.Q(("status", "active"), _negated=True), fields=["status", "id"], name="merchant_status_id"
            ),
        ),
    ]
