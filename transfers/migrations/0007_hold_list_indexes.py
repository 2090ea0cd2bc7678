"""A merchant's holds of one status, newest first, from one index: few open holds among many that ended are found at once."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("transfers", "0006_guard_search_path")]
    operations = [
        migrations.AddIndex(
            model_name="hold", index=models.Index(fields=["source_merchant", "status", "id"], name="hold_source_status_id")
        ),
        migrations.AddIndex(
            model_name="hold", index=models.Index(fields=["target_merchant", "status", "id"], name="hold_target_status_id")
        ),
    ]
