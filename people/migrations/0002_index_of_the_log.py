"""The log of operators by what was changed: Django's own table has no such index.

A page shows what was done to its object; without the index each would read the whole log.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0001_users_and_keys"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]
    operations = [
        migrations.RunSQL(
            "CREATE INDEX IF NOT EXISTS operator_log_object ON django_admin_log (object_id, id DESC)",
            "DROP INDEX IF EXISTS operator_log_object",
        )
    ]
