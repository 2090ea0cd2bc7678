"""What an error of the database means is said by its SQLSTATE, wherever it comes up: in a posting, a read, the admin, a command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from django.db import DatabaseError, connection, connections
from django.test import Client
from django.urls import reverse

from ledger_project.database import sqlstates
from ledger_project.database.connections import use_own_connection
from ledger_project.database.readers import in_reader
from ledger_project.http.health import check_readiness
from people.models import User
from tests.environment import ROOT
from tests.operations.stories import raw_connection
from tests.support.factories import balance_minor, key, merchant, transfer, unique
from tests.support.servers import database_url
from tests.support.service_role import owner_connection
from transfers.upkeep.roles import missing_rights

NOT_NOW = [
    "08006", "25006", "25P03", "25P04", "26000", "0A000", "40001", "40P01", "40003", "42P05", "53000", "53100", "53200", "53300", "53400",
    "57000", "57014", "57P01", "57P02", "57P03", "57P05", "58000", "58030",
]  # fmt: skip
MISTAKES = ["42883", "42601", "XX000"]

RAISE = "DO $$ BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = '{}'; END $$"


@pytest.fixture(scope="module")
def failing(ledger: None) -> Iterator[None]:
    """Have the database fail for a transfer whose memo says how."""
    del ledger
    with owner_connection() as owner:
        owner.execute(
            "CREATE FUNCTION fail_on_purpose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF NEW.memo LIKE 'fail:%' THEN RAISE EXCEPTION 'on purpose' USING ERRCODE = substr(NEW.memo, 6); END IF; RETURN NEW; END $$"
        )
        owner.execute("CREATE TRIGGER fail_on_purpose BEFORE INSERT ON transfers_transfer FOR EACH ROW EXECUTE FUNCTION fail_on_purpose()")
    yield
    with owner_connection() as owner:
        owner.execute("DROP FUNCTION fail_on_purpose CASCADE")


@pytest.mark.parametrize("state", NOT_NOW)
async def test_a_posting_that_cannot_be_made_now_is_503_and_its_key_stays_free(api: httpx.AsyncClient, failing: None, state: str) -> None:
    del failing
    source, target = await merchant(api, "10"), await merchant(api)
    headers = key()
    answer = await transfer(api, source, target, 100, memo=f"fail:{state}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable"), answer.text
    assert int(answer.headers["retry-after"]) >= 1
    assert (await transfer(api, source, target, 100, headers=headers)).status_code == 201
    assert await balance_minor(api, target) == 100


@pytest.mark.parametrize("state", MISTAKES)
async def test_a_mistake_stays_one(api: httpx.AsyncClient, failing: None, state: str) -> None:
    del failing
    answer = await transfer(api, await merchant(api, "10"), await merchant(api), 100, memo=f"fail:{state}")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")


@pytest.mark.parametrize("state", NOT_NOW + MISTAKES)
def test_an_error_means_the_same_however_it_is_wrapped(ledger: None, state: str) -> None:
    del ledger
    with connection.cursor() as cursor, pytest.raises(Exception, match="on purpose") as wrapped:
        cursor.execute(RAISE.format(state))
    connection.close()
    bare = sqlstates.driver_error(wrapped.value)
    assert bare is not wrapped.value
    assert sqlstates.sqlstate_of(bare) == state
    assert sqlstates.meaning_of(bare) is sqlstates.meaning_of(wrapped.value)
    assert (sqlstates.meaning_of(bare) is None) == (state in MISTAKES)


NAMED = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = %s, MESSAGE = %s, CONSTRAINT = %s; END $$"


@pytest.mark.parametrize(
    ("state", "message", "constraint", "expected"),
    [
        ("23505", "doubled", "one_rule", True),
        ("23505", "doubled", "one_rule_102008", True),  # of a shard
        ("23505", 'çift anahtar "one_rule" kısıtını bozuyor', "", True),
        ("23514", 'новая строка "one_rule_102008"', "", True),
        ("23505", 'doubled "another_one_rule"', "one_rule_more", False),
        ("23505", "doubled", "", False),
        ("40001", 'doubled "one_rule"', "one_rule", False),
    ],
)
def test_a_constraint_is_known_by_its_name_wherever_the_server_puts_it(
    ledger: None, state: str, message: str, constraint: str, expected: bool
) -> None:
    del ledger
    asked = NAMED.replace("%s", "{}").format(*(f"'{text}'" for text in (state, message, constraint)))
    with connection.cursor() as cursor, pytest.raises(DatabaseError) as wrapped:
        cursor.execute(asked)
    connection.close()
    assert sqlstates.violates(wrapped.value, "one_rule") is expected
    assert sqlstates.violates(sqlstates.driver_error(wrapped.value), "one_rule") is expected
    assert not sqlstates.violates(ValueError("one_rule"), "one_rule")


def _backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


@pytest.fixture
def one_reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have all reads be on one thread, so that a test knows whose connection it meets."""
    with ThreadPoolExecutor(1, initializer=use_own_connection) as executor:
        monkeypatch.setattr("ledger_project.database.readers._executor", executor)
        yield
        executor.submit(connections.close_all).result()


@pytest.mark.parametrize("state", ["25006", "26000", "57P01"])
async def test_a_reader_leaves_a_server_that_is_of_no_use(one_reader: None, state: str) -> None:
    """Once for a good answer: the second attempt has another connection."""
    del one_reader
    met: list[int] = []

    def read() -> str:
        met.append(_backend())
        with connection.cursor() as cursor:
            cursor.execute(RAISE.format(state) if len(met) == 1 else "SELECT 1")
        return "read"

    assert await in_reader(read) == "read"
    assert met[0] != met[1]


# --- readiness --------------------------------------------------------------------------------------------------------------


def test_a_server_that_takes_no_writes_is_not_ready(posting_thread: ThreadPoolExecutor) -> None:
    def told(value: str) -> str | None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET default_transaction_read_only = {value}")
        return check_readiness()

    assert "read-only" in str(posting_thread.submit(told, "on").result())
    assert posting_thread.submit(told, "off").result() is None


@pytest.mark.skipif(os.environ.get("TEST_AS_SERVICE_ROLE") == "1", reason="makes a role, as the owner")
def test_a_role_without_the_rights_of_a_posting_is_not_ready(ledger: None) -> None:
    del ledger
    assert missing_rights() is None
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE ledger_looks_only; GRANT SELECT ON ALL TABLES IN SCHEMA public TO ledger_looks_only")
        cursor.execute("SET ROLE ledger_looks_only")
        try:
            told = missing_rights()
        finally:
            cursor.execute("RESET ROLE; DROP OWNED BY ledger_looks_only; DROP ROLE ledger_looks_only")
    connection.close()
    assert told is not None
    assert "INSERT on" in told


# --- admin and commands -----------------------------------------------------------------------------------------------------


@pytest.fixture
def page(ledger: None) -> Callable[[], object]:
    del ledger
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser(unique("root")))
    return lambda: client.get(reverse("admin:merchants_merchant_changelist"))


@pytest.mark.parametrize(("state", "status"), [("53100", 503), ("25006", 503), ("57014", 503), ("42883", 500)])
def test_a_page_of_the_admin_says_not_now(
    page: Callable[[], httpx.Response], state: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from merchants.admin.merchants import MerchantAdmin

    def fail(*_: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(RAISE.format(state))

    monkeypatch.setattr(MerchantAdmin, "get_queryset", fail)
    answer = page()
    assert answer.status_code == status
    assert ("Retry-After" in answer.headers) == (status == 503)


def test_a_command_ends_in_one_line(ledger: None) -> None:
    """Its connection is ended while it waits for a lock."""
    del ledger
    name = unique("command")
    env = {**os.environ, "DATABASE_URL": f"{database_url()}&application_name={name}", "SECRET_KEY": "x"}
    with owner_connection() as owner, raw_connection() as other:
        other.autocommit = True  # what others do is seen anew by each transaction
        owner.execute("LOCK TABLE merchants_merchant IN ACCESS EXCLUSIVE MODE")
        process = subprocess.Popen([sys.executable, "manage.py", "settle_fees"], cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)
        ended: list[object] = []
        while not ended:
            waiting = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'"
            ended = other.execute(waiting, [name]).fetchall()
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said.count("\n")) == (2, 1), said
    assert said.startswith("The database does not answer.")
