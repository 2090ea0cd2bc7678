"""``manage.py create_roles`` by an owner of the tables who is no superuser: first, again, and where the owner may not do it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit, urlunsplit

import pytest

from ledger_project.command_line.runner import IMPOSSIBLE
from tests.support.command_runner import Run
from tests.support.factories import unique
from tests.support.foreign_databases import connect, foreign_database
from tests.support.own_servers import shared_runner
from tests.support.service_role import owner_connection

pytestmark = pytest.mark.skipif(os.environ.get("TEST_AS_SERVICE_ROLE") == "1", reason="makes the roles itself, as the owner")
RIGHTS = "SELECT has_table_privilege(%(role)s, 'transfers_ledgerentry', 'INSERT'), has_table_privilege(%(role)s, 'transfers_ledgerentry', 'UPDATE')"


@contextmanager
def made_role(powers: str) -> Iterator[str]:
    """Have a role of the server with these powers."""
    name = unique("role").replace("-", "_")
    with owner_connection() as connection:
        connection.autocommit = True
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'owner' {powers}")
        try:
            yield name
        finally:
            connection.execute(f"DROP ROLE {name}")


class Installation:
    """A database whose owner has few powers, and the role of its service."""

    def __init__(self, url: str, owner: str, env: dict[str, str]) -> None:
        parts = urlsplit(url)
        self.admin_url, self.env, self.role = url, env, f"{owner}_service"
        self.owner, self.url = owner, urlunsplit(parts._replace(netloc=f"{owner}:owner@{parts.netloc.rpartition('@')[2]}"))

    def run(self, *arguments: str) -> Run:
        return shared_runner().run(*arguments, url=self.url, env=self.env)

    def create_roles(self) -> Run:
        return self.run("create_roles", "--role", self.role)

    def admin(self, statement: str) -> None:
        with connect(self.admin_url) as connection:
            connection.execute(statement)

    def rights(self) -> tuple[object, ...] | None:
        with connect(self.admin_url) as connection:
            return connection.execute(RIGHTS, {"role": self.role}).fetchone()


@contextmanager
def installation(powers: str, **env: str) -> Iterator[Installation]:
    """Have a migrated database of an owner with these powers."""
    with ExitStack() as made:
        owner = made.enter_context(made_role(powers))
        url = made.enter_context(foreign_database((f"OWNER {owner} TEMPLATE template0 ENCODING 'UTF8'",)))
        found = Installation(url, owner, env)
        migrated = found.run("migrate", "-v0")
        assert migrated.code == 0, migrated
        yield found
        found.admin(f"DROP OWNED BY {found.role}; DROP ROLE {found.role}")


def test_an_owner_who_may_make_roles_can_repeat_it(ledger: None) -> None:
    del ledger
    with installation("CREATEROLE", LEDGER_SERVICE_PASSWORD="of-the-service") as made:
        for _ in range(2):
            run = made.create_roles()
            assert (run.code, run.err) == (0, "")
            assert made.rights() == (True, False)
        made.admin(f"REVOKE INSERT ON transfers_ledgerentry FROM {made.role}")
        assert made.create_roles().code == 0
        assert made.rights() == (True, False)
        # A power that somebody gave the role is named: this owner may not take it away.
        made.admin(f"ALTER ROLE {made.role} CREATEDB")
        run = made.create_roles()
        assert run.code == IMPOSSIBLE
        assert f"{made.owner} may not change the role {made.role}" in run.err
        assert "Traceback" not in run.err


def test_an_owner_who_may_make_no_roles_gives_rights_to_one_that_is_there(ledger: None) -> None:
    del ledger
    with installation("", LEDGER_SERVICE_PASSWORD="") as made:
        run = made.create_roles()
        assert (run.code, run.out) == (IMPOSSIBLE, "")
        assert f"CREATE ROLE {made.role} LOGIN" in run.err
        made.admin(f"CREATE ROLE {made.role} LOGIN")
        for _ in range(2):
            run = made.create_roles()
            assert (run.code, run.err) == (0, "")
            assert made.rights() == (True, False)


def test_a_superuser_takes_powers_away_that_the_role_must_not_have(ledger: None) -> None:
    del ledger
    with installation("SUPERUSER", LEDGER_SERVICE_PASSWORD="") as made:
        made.admin(f"CREATE ROLE {made.role} NOLOGIN SUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS")
        assert made.create_roles().code == 0
        with connect(made.admin_url) as connection:
            found = connection.execute(
                "SELECT rolcanlogin, rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls FROM pg_roles WHERE rolname = %s",
                [made.role],
            ).fetchone()
        assert found == (True, False)
