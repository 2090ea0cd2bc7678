"""Indexes for the filters of the list: an action or a currency is found without reading all others."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0002_staff_roles"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="approval",
            index=models.Index(fields=["action", "id"], name="approval_action_id"),
        ),
        migrations.AddIndex(
            model_name="approval",
            index=models.Index(fields=["currency", "id"], name="approval_currency_id"),
        ),
    ]
