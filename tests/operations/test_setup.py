"""``manage.py setup``: the first superuser and the first key, made once, with a password that no argument has."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ledger_project.command_line.runner import IMPOSSIBLE
from tests.environment import ROOT
from tests.support.command_runner import CommandRunner, Run
from tests.support.factories import unique
from tests.support.foreign_databases import connect, foreign_database
from tests.support.migrated import migrated_database
from tests.support.own_servers import shared_runner

pytestmark = pytest.mark.skipif(os.environ.get("TEST_AS_SERVICE_ROLE") == "1", reason="makes databases and roles, as the owner")

PASSWORD = "correct horse battery"
Runs = Callable[..., Run]


@pytest.fixture(scope="module")
def migrated(ledger: None) -> Iterator[str]:
    """The name of a database that was only migrated; each test copies it."""
    del ledger
    with migrated_database() as url:
        yield urlsplit(url).path.lstrip("/")


@pytest.fixture
def database(migrated: str) -> Iterator[str]:
    """The URL of a database without users and keys."""
    with foreign_database((f"TEMPLATE {migrated}",)) as url:
        yield url


class SetupRunner:
    """Runs commands with this password in the environment."""

    def __init__(self, password: str, runner: CommandRunner) -> None:
        self.password, self.runner = password, runner

    def run(self, *arguments: str, url: str, out: str = "") -> Run:
        return self.runner.run(*arguments, url=url, out=out, env={"LEDGER_SETUP_PASSWORD": self.password})


@pytest.fixture(scope="module")
def runners(ledger: None) -> dict[str, SetupRunner]:
    """What runs commands with a password in the environment, and without."""
    del ledger
    return {name: SetupRunner(password, shared_runner()) for name, password in (("good", PASSWORD), ("weak", "password"), ("none", ""))}


def counts(url: str) -> tuple[int, int]:
    """Return how many superusers and keys there are."""
    with connect(url) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM people_user WHERE is_superuser), (SELECT count(*) FROM merchants_apikey)"
        ).fetchone()
    assert row is not None
    return int(str(row[0])), int(str(row[1]))


def test_it_makes_what_is_missing_and_then_says_what_is_there(database: str, runners: dict[str, SetupRunner]) -> None:
    first = runners["good"].run("setup", "--username", "ops", "--email", "Ops@Ledger.Example", "--json", url=database)
    assert (first.code, first.err) == (0, "")
    report = json.loads(first.out)
    assert (report["operator"], report["operator_is_new"]) == ("ops", True)
    assert report["staff_roles"] == ["approver", "fee manager", "operator", "policy manager", "viewer"]
    assert report["role_is_owner"] is True
    with connect(database) as connection:
        assert connection.execute("SELECT digest FROM merchants_apikey").fetchone() == (hashlib.sha256(report["key"].encode()).digest(),)
        assert connection.execute("SELECT email, is_staff, is_active, activated_at IS NOT NULL FROM people_user").fetchall() == [
            ("Ops@ledger.example", True, True, True)
        ]
    for name in ("good", "none"):  # nothing is made, so no password is needed
        again = runners[name].run("setup", "--username", "ops", url=database)
        assert (again.code, again.err) == (0, "")
        assert "ops is there" in again.out
        assert f"{report['key_prefix']}… is there" in again.out
        assert report["key"] not in again.out
    assert "ops is there" in runners["none"].run("setup", url=database).out
    assert counts(database) == (1, 1)


def test_the_words_tell_the_key_once_and_how_to_sign_in(database: str, runners: dict[str, SetupRunner]) -> None:
    said = runners["good"].run("setup", "--username", "ops", url=database).out
    assert "sign in at /admin/" in said
    assert said.splitlines()[-1].startswith("lk_")
    assert PASSWORD not in said


@pytest.mark.parametrize(
    ("runner", "arguments", "wanted"),
    [
        ("good", ["setup"], "--username"),
        ("none", ["setup", "--username", "ops"], "LEDGER_SETUP_PASSWORD"),
        ("weak", ["setup", "--username", "ops"], "too common"),
        ("good", ["setup", "--username", "two words"], "no blanks"),
        ("good", ["setup", "--username", "ops", "--email", "nonsense"], "valid email"),
        ("good", ["setup", "--username", "ops", "--password", PASSWORD], "unrecognized arguments"),
    ],
)
def test_what_it_cannot_do_it_says_and_nothing_is_made(
    database: str, runners: dict[str, SetupRunner], runner: str, arguments: list[str], wanted: str
) -> None:
    run = runners[runner].run(*arguments, url=database)
    assert run.code == IMPOSSIBLE
    assert wanted in run.err
    assert "Traceback" not in run.err
    assert counts(database) == (0, 0)


def test_a_user_who_is_no_superuser_is_not_made_one(database: str, runners: dict[str, SetupRunner]) -> None:
    assert runners["good"].run("setup", "--username", "ops", "--without-key", url=database).code == 0
    with connect(database) as connection:
        connection.execute("UPDATE people_user SET is_superuser = false")
    run = runners["good"].run("setup", "--username", "ops", url=database)
    assert run.code == IMPOSSIBLE
    assert "exists already" in run.err
    assert counts(database) == (0, 0)


def test_two_at_once_make_one_of_each(database: str, runners: dict[str, SetupRunner], tmp_path: Path) -> None:
    other = CommandRunner(tmp_path, SECRET_KEY="x")
    twin = SetupRunner(PASSWORD, other)
    ended: list[Run] = []
    threads = [
        threading.Thread(target=lambda one=one: ended.append(one.run("setup", "--username", "ops", url=database)))
        for one in (runners["good"], twin)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert {run.code for run in ended} <= {0, IMPOSSIBLE}  # the slower one may be told to run again
    assert counts(database) == (1, 1)
    assert sum("lk_" in run.out and "is made. Keep it" in run.out for run in ended) == 1


def test_a_key_that_cannot_be_shown_is_not_made(database: str, runners: dict[str, SetupRunner]) -> None:
    run = runners["good"].run("setup", "--username", "ops", url=database, out="/dev/full")
    assert run.code == IMPOSSIBLE
    assert counts(database) == (1, 0)
    assert "lk_" in runners["good"].run("setup", "--username", "ops", url=database).out
    assert counts(database) == (1, 1)


def test_a_database_that_is_not_migrated_is_told(ledger: None, runners: dict[str, SetupRunner]) -> None:
    del ledger
    with foreign_database(("TEMPLATE template0 ENCODING 'UTF8'",)) as url:
        run = runners["good"].run("setup", "--username", "ops", url=url)
    assert run.code == IMPOSSIBLE
    assert "manage.py migrate" in run.err


def test_it_makes_the_role_of_the_service_which_can_run_it_too(database: str, runners: dict[str, SetupRunner]) -> None:
    role = unique("service").replace("-", "_")
    try:
        made = runners["none"].run("setup", "--database-role", role, "--username", "ops", url=database)
        assert made.code == IMPOSSIBLE  # it has no password; the role is there, all the same
        parts = urlsplit(database)
        with connect(database) as connection:
            connection.execute(f"ALTER ROLE {role} PASSWORD 'of-the-service'")
        service_url = parts._replace(netloc=f"{role}:of-the-service@{parts.netloc.rpartition('@')[2]}").geturl()
        run = runners["good"].run("setup", "--username", "ops", url=service_url)
        assert (run.code, run.err) == (0, "")
        assert f"{role} can post and cannot rewrite" in run.out
        assert counts(database) == (1, 1)
    finally:
        with connect(database) as connection:
            connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_on_a_terminal_it_asks_and_does_not_show_the_password(database: str, tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name != "LEDGER_SETUP_PASSWORD"}
    env |= {"DATABASE_URL": database, "SECRET_KEY": "x", "LEDGER_LOG_LEVEL": "CRITICAL"}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "setup"], cwd=ROOT, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    said = b""

    def answer(prompt: bytes, text: str) -> None:
        nonlocal said
        while not said.endswith(prompt):
            said += os.read(ours, 1)
        os.write(ours, f"{text}\n".encode())

    try:
        answer(b"operator [admin]: ", "")
        answer(b"(may be empty): ", "ops@ledger.example")
        for first, second in (("password", "password"), (PASSWORD, "another one that is long"), (PASSWORD, PASSWORD)):
            answer(b"Password: ", first)
            answer(b"Password again: ", second)
        while True:
            try:
                said += os.read(ours, 1024)
            except OSError:  # the terminal is closed when its last process has ended
                break
        assert process.wait(timeout=60) == 0, said
    finally:
        process.kill()
        os.close(ours)
    assert PASSWORD.encode() not in said
    assert b"too common" in said
    assert b"not the same" in said
    assert counts(database) == (1, 1)
