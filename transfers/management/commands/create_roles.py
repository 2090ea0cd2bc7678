"""``manage.py create_roles``: a database role that can post and cannot change the journal."""

from __future__ import annotations

import os
from typing import Any

from django.core.management import CommandError
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection, transaction
from psycopg import sql

from ledger_project.command_line.runner import IMPOSSIBLE
from transfers.upkeep.roles import create_role, grants

PASSWORD_VARIABLE = "LEDGER_SERVICE_PASSWORD"  # noqa: S105 - the name of a variable


class Command(BaseCommand):
    """Make the role and give it its rights; run again after a migration that adds a table."""

    help = (
        "Make a role for the service, or give an existing one its rights again. The role can post; it cannot change, delete or "
        "truncate the journal or disable its guards. Run the command as the owner of the tables, after migrate. The role's password "
        f"comes from {PASSWORD_VARIABLE}; without it none is set."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the role's name."""
        parser.add_argument("--role", default="ledger_service", help="Name of the role (ledger_service).")
        parser.add_argument("--print", action="store_true", dest="only_print", help="Print the SQL, without the password; change nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the role in one transaction, or print the SQL."""
        del args
        role = options["role"]
        password = "" if options["only_print"] else os.environ.get(PASSWORD_VARIABLE, "")
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_user, current_database(), current_schema(), EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", [role]
            )
            user, database, schema, exists = cursor.fetchone()
            if user == role:
                raise CommandError(f"{role} is who is connected now; run this as the owner of the tables.", returncode=IMPOSSIBLE)
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", [schema])
            tables = [row[0] for row in cursor.fetchall()]
            if "transfers_ledgerentry" not in tables:
                raise CommandError("There are no ledger tables yet; run manage.py migrate first.", returncode=IMPOSSIBLE)
            for statement in [*create_role(role, password, exists=exists), *grants(role, tables, database=database, schema=schema)]:
                self._run(cursor, statement, only_print=options["only_print"])
        if not options["only_print"]:
            self.stdout.write(f"{role} can post to {database} and cannot change what was posted. Put it into the service's DATABASE_URL.")

    def _run(self, cursor: Any, statement: sql.Composable, *, only_print: bool) -> None:
        if only_print:
            self.stdout.write(statement.as_string(cursor.connection) + ";")
        else:
            cursor.execute(statement)
