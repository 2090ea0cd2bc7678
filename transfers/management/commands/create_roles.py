"""``manage.py create_roles``: a database role that can post and cannot change the journal."""

from __future__ import annotations

import os
from typing import Any

from django.core.management import CommandError
from django.core.management.base import BaseCommand, CommandParser
from django.db import ProgrammingError, connection, transaction
from psycopg import sql

from ledger_project.command_line.runner import IMPOSSIBLE
from ledger_project.database.sqlstates import sqlstate_of
from transfers.upkeep.roles import create_role, grants, read_powers

PASSWORD_VARIABLE = "LEDGER_SERVICE_PASSWORD"  # noqa: S105 - the name of a variable
_INSUFFICIENT_PRIVILEGE = "42501"


class Command(BaseCommand):
    """Make the role and give it its rights; run again after a migration that adds a table."""

    help = (
        "Make a role for the service, or give an existing one its rights again. The role can post; it cannot change, delete or "
        "truncate the journal or disable its guards. Run the command as the owner of the tables, after migrate, as often as you like: the "
        "owner needs no superuser's rights, and CREATEROLE only to make the role or to set its password. The role's password "
        f"comes from {PASSWORD_VARIABLE}; without it none is set."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the role's name."""
        parser.add_argument("--role", default="ledger_service", help="Name of the role (ledger_service).")
        parser.add_argument("--print", action="store_true", dest="only_print", help="Print the SQL, without the password; change nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the role in one transaction, or print the SQL."""
        del args
        role, only_print = options["role"], options["only_print"]
        password = "" if only_print else os.environ.get(PASSWORD_VARIABLE, "")
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT current_user, current_database(), current_schema()")
            user, database, schema = cursor.fetchone()
            if user == role:
                raise CommandError(f"{role} is who is connected now; run this as the owner of the tables.", returncode=IMPOSSIBLE)
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1", [schema])
            tables = [row[0] for row in cursor.fetchall()]
            if "transfers_ledgerentry" not in tables:
                raise CommandError("There are no ledger tables yet; run manage.py migrate first.", returncode=IMPOSSIBLE)
            powers = read_powers(cursor, role)
            for statement in create_role(role, password, powers=powers):
                self._run(cursor, statement, only_print=only_print, refused=_refused(user, role, exists=powers is not None))
            for statement in grants(role, tables, database=database, schema=schema):
                self._run(cursor, statement, only_print=only_print)
        if not only_print:
            self.stdout.write(f"{role} can post to {database} and cannot change what was posted. Put it into the service's DATABASE_URL.")

    def _run(self, cursor: Any, statement: sql.Composable, *, only_print: bool, refused: str = "") -> None:
        if only_print:
            self.stdout.write(statement.as_string(cursor.connection) + ";")
            return
        try:
            cursor.execute(statement)
        except ProgrammingError as error:
            if not refused or sqlstate_of(error) != _INSUFFICIENT_PRIVILEGE:
                raise
            raise CommandError(refused, returncode=IMPOSSIBLE) from None


def _refused(user: str, role: str, *, exists: bool) -> str:
    """Return what to do if the owner of the tables may not make or change roles."""
    if exists:
        return f"{user} may not change the role {role}. Leave {PASSWORD_VARIABLE} empty, or have a superuser set its password or powers."
    return f"{user} may not make roles. Have a superuser run CREATE ROLE {role} LOGIN PASSWORD '…', then run this again."
