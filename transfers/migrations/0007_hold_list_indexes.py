"""A merchant's holds of one status, newest first, from one index: few open holds among many that ended are found at once."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # the tables may be large, and postings go on meanwhile

    dependencies = [("transfers", "0006_guard_search_path")]
    operations = [
        AddIndexConcurrently(
            model_name="hold", index=models.Index(fields=["source_merchant", "status", "id"], name="hold_source_status_id")
        ),
        AddIndexConcurrently(
            model_name="hold", index=models.Index(fields=["target_merchant", "status", "id"], name="hold_target_status_id")
        ),
    ]
