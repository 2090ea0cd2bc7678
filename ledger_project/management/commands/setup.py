"""``manage.py setup``: what a new installation needs before anybody can work with it."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from ledger_project.command_line.output import ReportingCommand
from ledger_project.command_line.runner import IMPOSSIBLE
from ledger_project.configuration import environment_secret
from ledger_project.kernel.actors import Scope
from ledger_project.kernel.exact_json import dumps
from people.credentials import create_key
from people.models import ApiKey, User

_ONE_AT_A_TIME = 0x1ED6E25E
"""The advisory lock under which the first key is made: two setups at once make one."""


@dataclass(frozen=True, slots=True)
class _Report:
    """What is there now. ``operator_is_new``: this run made it. ``key`` is a new key's secret."""

    database_role: str
    role_is_owner: bool
    staff_roles: list[str]
    operator: str
    operator_is_new: bool
    key_prefix: str | None
    key: str | None


class Command(ReportingCommand):
    """Make what is missing, and say what there is."""

    help = (
        "Make what a new installation needs: the first superuser of the admin and the first API key of the platform; with --database-role "
        "the database role of the service as well. What exists is left as it is, so it can be run again. The password is asked for, or "
        "taken from LEDGER_SETUP_PASSWORD or the file that LEDGER_SETUP_PASSWORD_FILE names. The key is printed once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to make, and whether to ask."""
        super().add_arguments(parser)
        parser.add_argument("--username", metavar="NAME", help="User name of the first superuser; asked for on a terminal.")
        parser.add_argument("--email", metavar="ADDRESS", default="", help="E-mail address of the first superuser.")
        parser.add_argument("--key-name", metavar="TEXT", default="first platform key", help="What the first key is for.")
        parser.add_argument("--without-key", action="store_true", help="Make no API key.")
        parser.add_argument(
            "--database-role",
            metavar="ROLE",
            help="Make this role for the service, as create_roles does. Run it as the owner of the tables.",
        )
        parser.add_argument("--no-input", action="store_false", dest="asks", help="Never ask, also on a terminal.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make what is missing, in the order in which it is needed."""
        del args
        _check_migrated()
        if options["database_role"]:
            call_command("create_roles", role=options["database_role"], stdout=self.stderr if options["as_json"] else self.stdout)
        operator, is_new = _first_operator(options)
        role, is_owner = _connected_role()
        with transaction.atomic():
            made, prefix = (None, None) if options["without_key"] else _first_key(options["key_name"])
            roles = sorted(Group.objects.values_list("name", flat=True))
            report = _Report(role, is_owner, roles, operator.username, is_new, prefix, made)
            # Before the commit: a key that could not be shown must not exist.
            self._show(report, operator, as_json=options["as_json"])

    def _show(self, report: _Report, operator: User, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(dumps(asdict(report)).decode())
        else:
            self.stdout.write("\n".join([*_of_database(report), *_of_operator(report, operator), *_of_key(report)]))
        self.stdout.flush()


def _check_migrated() -> None:
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if pending:
        raise CommandError(f"{len(pending)} migrations are not applied; run manage.py migrate first.", returncode=IMPOSSIBLE)


def _connected_role() -> tuple[str, bool]:
    """Return the database role of this connection, and whether it owns the tables."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, pg_has_role(tableowner, 'USAGE') FROM pg_tables WHERE tablename = 'transfers_ledgerentry'")
        name, is_owner = cursor.fetchone()
    return name, is_owner


# --- the first operator ---------------------------------------------------------------------------


def _first_operator(options: dict[str, Any]) -> tuple[User, bool]:
    """Return the first superuser and whether this run made it. Raises ``CommandError``."""
    superusers = User.objects.filter(is_superuser=True, is_active=True).order_by("id")
    wanted: str | None = options["username"]
    found = superusers.filter(username=wanted).first() if wanted else superusers.first()
    if found is not None:
        return found, False
    asks = options["asks"] and sys.stdin.isatty()
    username = wanted or (_asked("User name of the first operator", default="admin") if asks else None)
    if not username:
        raise CommandError("There is no superuser yet: name one with --username.", returncode=IMPOSSIBLE)
    email = options["email"] or (_asked("E-mail address (may be empty)") if asks else "")
    user = User(username=username, email=get_user_model().objects.normalize_email(email))
    _check(lambda: user.full_clean(exclude=["password"]))
    password = environment_secret("LEDGER_SETUP_PASSWORD") or (_asked_password(user) if asks else "")
    if not password:
        raise CommandError(
            f"There is no password for {username}: set LEDGER_SETUP_PASSWORD, or run this on a terminal.", returncode=IMPOSSIBLE
        )
    _check(lambda: validate_password(password, user))
    try:
        return User.objects.create_superuser(username, user.email, password), True
    except IntegrityError:
        raise CommandError(f"The user {username} was made meanwhile; run this again.", returncode=IMPOSSIBLE) from None


def _check(test: Any) -> None:
    try:
        test()
    except ValidationError as error:
        raise CommandError(" ".join(error.messages), returncode=IMPOSSIBLE) from None


def _asked(question: str, *, default: str = "") -> str:
    """Ask on standard error, so that the result can be piped."""
    sys.stderr.write(f"{question}{f' [{default}]' if default else ''}: ")
    sys.stderr.flush()
    try:
        return input().strip() or default
    except EOFError:
        raise CommandError("No answer.", returncode=IMPOSSIBLE) from None


def _asked_password(user: User) -> str:
    """Ask until a password is good enough and was typed twice. It is not shown."""
    while True:
        try:
            password, again = getpass.getpass("Password: ", sys.stderr), getpass.getpass("Password again: ", sys.stderr)
        except EOFError:
            raise CommandError("No answer.", returncode=IMPOSSIBLE) from None
        try:
            validate_password(password, user)
        except ValidationError as error:
            sys.stderr.write(" ".join(error.messages) + "\n")
            continue
        if password == again:
            return password
        sys.stderr.write("The two are not the same.\n")


# --- the first key --------------------------------------------------------------------------------


def _first_key(name: str) -> tuple[str | None, str]:
    """Return the secret of a new key (None if the platform has a valid one), and the prefix."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ONE_AT_A_TIME])
    now = datetime.now(UTC)
    for key in ApiKey.objects.filter(merchant__isnull=True).order_by("id"):
        if key.state(now) == "valid":
            return None, key.prefix
    made = create_key(name=name, merchant=None, scopes=frozenset(Scope))
    return made.secret, made.prefix


# --- what is said ---------------------------------------------------------------------------------


def _of_database(report: _Report) -> list[str]:
    place = "all migrations are applied"
    if report.role_is_owner and not settings.LEDGER_EMBEDDED:
        place += f"; {report.database_role} owns the tables: run the service as another role (manage.py create_roles)"
    elif not report.role_is_owner:
        place += f"; {report.database_role} can post and cannot rewrite"
    return [f"Database     {place}", f"Staff roles  {', '.join(report.staff_roles) or 'none'}: give them to users in the admin"]


def _of_operator(report: _Report, operator: User) -> list[str]:
    if report.operator_is_new:
        second = " The first sign-in enrols an authenticator app." if settings.LEDGER_ADMIN_TOTP == "required" else ""
        return [f"Operator     {report.operator} is made; sign in at /admin/.{second}"]
    hint = "; its password is the demo's: change it at /admin/password_change/" if operator.check_password("admin") else ""
    return [f"Operator     {report.operator} is there{hint}"]


def _of_key(report: _Report) -> list[str]:
    if report.key is not None:
        return ["Platform key is made. Keep it now, it is not shown again:", report.key]
    if report.key_prefix is not None:
        return [f"Platform key {report.key_prefix}… is there; manage.py api_key create NAME --platform makes another one"]
    return ["Platform key none was asked for"]
