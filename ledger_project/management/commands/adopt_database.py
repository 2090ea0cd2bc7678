"""``manage.py adopt_database``: once, for a database of the migrations before their squash."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder

from ledger_project.database.schema import differences

LAST_BEFORE = {("merchants", "0008_treasury"), ("fees", "0003_bounds"), ("transfers", "0015_overdraft_permission")}
"""The last migrations before the squash: the database must have them."""

SQUASHED = (
    ("merchants", "0001_tables"),
    ("merchants", "0002_guards"),
    ("people", "0001_tables"),
    ("fees", "0001_tables"),
    ("fees", "0002_guards"),
    ("transfers", "0001_tables"),
    ("transfers", "0002_journal_guards"),
    ("transfers", "0003_roles"),
)
"""The migrations that make the same tables and guards."""


class Command(BaseCommand):
    """Record the squashed migrations as applied, if the schema is the one that they make."""

    help = (
        "Once, before the first `migrate` of this release, for a database that was made by migrations of before their squash: compare its "
        "schema with the one that the squashed migrations make, and record these as applied. Nothing is changed if anything differs. "
        "Exit code 0: done, or done before; 1: refused."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        del args, options
        with transaction.atomic():
            recorded = set(MigrationRecorder(connection).applied_migrations())
            if recorded.issuperset(SQUASHED[:1]):
                self.stdout.write("This database has the squashed migrations already; there is nothing to do.")
                return
            missing = sorted(LAST_BEFORE - recorded)
            if missing:
                names = ", ".join(".".join(migration) for migration in missing)
                raise CommandError(f"Migrate with the release before this one first: {names} is not applied here.")
            found = differences()
            if found:
                raise CommandError("The schema is not the one that the migrations make:\n" + "\n".join(found))
            self._adopt()
        self.stdout.write("The schema is the same. The squashed migrations are recorded; go on with manage.py migrate.")

    def _adopt(self) -> None:
        """Exchange the records, and have API keys belong to the app that keeps them now."""
        apps = sorted({app for app, _ in LAST_BEFORE})
        with connection.cursor() as cursor:
            cursor.execute("UPDATE django_content_type SET app_label = 'people' WHERE app_label = 'merchants' AND model = 'apikey'")
            cursor.execute("DELETE FROM django_migrations WHERE app = ANY(%s)", [apps])
        recorder = MigrationRecorder(connection)
        for app, name in SQUASHED:
            recorder.record_applied(app, name)
