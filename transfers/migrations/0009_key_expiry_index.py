"""An index by which expired keys are found: the purge looked at every key that there is."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # keys are a large table, and postings go on meanwhile

    dependencies = [("transfers", "0008_faster_entry_guard")]

    operations = [
        AddIndexConcurrently("idempotencyrecord", models.Index(fields=["expires_at"], name="idempotency_expires_at")),
    ]
