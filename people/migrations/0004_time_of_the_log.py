"""The log of operators by its time: days are filtered, and searched for words."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0003_approvals_scope"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]
    operations = [
        migrations.RunSQL(
            "CREATE INDEX IF NOT EXISTS operator_log_time ON django_admin_log (action_time)",
            "DROP INDEX IF EXISTS operator_log_time",
        )
    ]
