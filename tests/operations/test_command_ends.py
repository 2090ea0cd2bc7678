"""Every command of ours tells what its surroundings refuse in one line, with an exit code: no traceback, whichever command it happens to."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.management import get_commands

from ledger_project.command_line.runner import IMPOSSIBLE, INTERRUPTED, NO_READER
from ledger_project.database.url import connection_settings
from ledger_project.kernel.configuration import ConfigurationError
from merchants.models import Account
from tests.environment import ROOT
from tests.operations.stories import register
from tests.support.command_runner import OUR_APPS, CommandRunner, Run
from tests.support.factories import unique
from tests.support.foreign_databases import BYTES, LATIN, foreign_database
from tests.support.servers import database_url, free_port
from tests.support.service_role import owner_connection

WITHOUT_DATABASE = {"make_anchor_key", "verify_receipt"}  # the latter asks the journal about a receipt whose signature is right
COMMANDS = sorted(name for name, app in get_commands().items() if app in OUR_APPS and name not in WITHOUT_DATABASE)
ARGUMENTS: dict[str, list[str]] = {
    "api_key": ["list"],
    "create_roles": ["--print"],
    "events_tail": ["--once"],
    "export_journal": ["--to", "FOLDER"],
    "export_statement": ["nobody", "--currency", "USD"],
    "import_transfers": ["PAYMENTS"],
    "purge_idempotency_records": ["--dry-run"],
    "reconcile": ["--since", "2999-01-01"],
    "second_factor": ["reset", "nobody"],
    "seed_demo": ["--if-empty"],
    "settle_fees": ["--currency", "XAF"],
    "setup": ["--no-input", "--without-key"],
}
WORKERS = {"serve", "run_periodic"}
"""They go on until they are told to stop."""


@pytest.fixture(scope="module")
def runner(ledger: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandRunner]:
    """What runs the commands of this module."""
    del ledger
    folder = tmp_path_factory.mktemp("commands")
    (folder / "payments.csv").write_text("key,from,to,currency,amount\nk,nobody,no-one,USD,1.00\n")
    (folder / "nothing.csv").write_text("key,from,to,currency,amount\n")
    made = CommandRunner(folder, PORT=str(free_port()))
    yield made
    made.close()


def arguments_of(name: str, runner: CommandRunner, *, payments: str = "payments.csv") -> list[str]:
    skip = [] if name == "serve" else ["--skip-checks"]
    places = {"PAYMENTS": str(runner.folder / payments), "FOLDER": str(runner.folder / "journal")}
    return [name, *skip, *(places.get(text, text) for text in ARGUMENTS.get(name, []))]


def assert_one_line(run: Run, *codes: int) -> None:
    assert run.code in codes, run
    assert "Traceback" not in run.err, run
    assert len(run.err.splitlines()) == (1 if run.code else 0), run


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "run_periodic"])
def test_a_database_that_does_not_answer(runner: CommandRunner, name: str) -> None:
    run = runner.run(*arguments_of(name, runner), url=f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    assert_one_line(run, 1 if name == "expire_holds" else IMPOSSIBLE)
    assert "Connection refused" in run.err


def test_a_database_of_another_encoding_without_tables_or_without_rights(runner: CommandRunner) -> None:
    role = unique("stranger")
    with foreign_database(BYTES) as bytes_url, foreign_database(LATIN) as latin_url, foreign_database(("TEMPLATE template0",)) as empty_url:
        with owner_connection() as owner:
            owner.autocommit = True
            owner.execute(f"CREATE ROLE \"{role}\" LOGIN PASSWORD 'x'")
        parts = urlsplit(database_url())
        stranger_url = parts._replace(netloc=f"{role}:x@{parts.netloc.rpartition('@')[2]}").geturl()
        try:
            for name in COMMANDS:
                for url in (bytes_url, latin_url):
                    run = runner.run(*arguments_of(name, runner), url=url)
                    assert_one_line(run, 1 if name == "expire_holds" else IMPOSSIBLE)
                    assert "the ledger needs UTF8" in run.err, run
                if name in WORKERS:
                    continue
                if name != "check_database":  # it looks at the server, and finds what is missing
                    assert_one_line(runner.run(*arguments_of(name, runner), url=empty_url), 1, IMPOSSIBLE)
                if name not in {"check_database", "create_roles"}:
                    run = runner.run(*arguments_of(name, runner), url=stranger_url)
                    assert_one_line(run, 1 if name == "expire_holds" else IMPOSSIBLE)
                    assert "permission denied" in run.err, run
        finally:
            with owner_connection() as owner:
                owner.autocommit = True
                owner.execute(f'DROP ROLE "{role}"')


WRITING = {"check_database", "create_roles", "expire_holds", "import_transfers", "purge_idempotency_records", "reconcile", "settle_fees"}


@pytest.mark.parametrize(("where", "code"), [("pipe", NO_READER), ("/dev/full", IMPOSSIBLE), ("closed", 0)])
def test_an_output_that_nobody_reads_or_that_is_full_or_closed(runner: CommandRunner, where: str, code: int) -> None:
    register(100)  # there is a treasury or not, but merchants there are
    for name in COMMANDS:
        if name in WORKERS:
            continue
        run = runner.run(*arguments_of(name, runner, payments="nothing.csv"), url=database_url(), out=where)
        assert_one_line(run, 0, 1, IMPOSSIBLE, NO_READER)
        if name in WRITING - {"settle_fees"}:
            assert run.code == code, run
    silent = runner.run(*arguments_of("reconcile", runner), url="postgresql://nobody@127.0.0.1:1/x", err=where)
    assert silent.code == IMPOSSIBLE
    if where != "closed":
        assert_one_line(runner.run("run_periodic", "--settle-every", "0", url=database_url(), out=where), code)


@contextmanager
def silent_server() -> Iterator[tuple[str, Callable[[], None]]]:
    """Have a server that takes connections and says nothing: its URL, and what waits until somebody is connected."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        taken: list[socket.socket] = []
        yield f"postgresql://nobody@127.0.0.1:{listener.getsockname()[1]}/x", lambda: taken.append(listener.accept()[0])
        for connection in taken:
            connection.close()


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in WORKERS])
def test_ctrl_c(runner: CommandRunner, name: str) -> None:
    with silent_server() as (url, wait):

        def interrupt(pid: int) -> None:
            wait()
            os.kill(pid, signal.SIGINT)

        run = runner.run(*arguments_of(name, runner), url=url, meanwhile=interrupt)
    assert (run.code, run.err) == (INTERRUPTED, "Interrupted.\n")


def test_files_and_folders_that_are_not_there_or_full(runner: CommandRunner) -> None:
    wallet = str(Account.objects.get(merchant_id=register(100).id, kind="wallet").id)
    payments, nothing = str(runner.folder / "payments.csv"), str(runner.folder / "nothing.csv")
    cases = [
        (["import_transfers", "/no/such.csv"], "/no/such.csv: No such file or directory"),
        (["import_transfers", str(runner.folder)], "Is a directory"),
        (["import_transfers", payments, "--result", "/no/such/x.csv"], "/no/such/x.csv: No such file or directory"),
        (["import_transfers", nothing, "--result", "/dev/full"], "/dev/full: No space left on device"),
        (["import_transfers", nothing, "--batch-size", "0"], "--batch-size is from 1 to 1000"),
        (["export_statement", wallet, "--output", "/no/such/x.csv"], "No such file or directory"),
        (["export_statement", wallet, "--output", "/dev/full"], "No space left on device"),
        (["export_statement", wallet, "--from", "0001-01-01T00:00:00+14:00"], "--from is"),
        (["make_anchor_key", "/no/such/key"], "No such file or directory"),
        (["make_anchor_key", str(runner.folder)], "File exists"),
        (["reconcile", "--since", "9999-12-31T23:59:59-14:00"], "--since is"),
        (["reconcile", "--account", "１" * 32], "--account is"),
        (["reconcile", "--since", "2999-01-01", "--anchor", "/no/such/anchor"], "No such file or directory"),
        (["reconcile", "--account", "\udcff"], "Argument 4 is not UTF-8"),
        (["api_key", "create", "x", "--platform", "--expires-in-days", "99999999999"], "--expires-in-days is"),
        (["api_key", "create", "x" * 101, "--platform"], ""),
        (["api_key", "create", "x", "--merchant", "no/body"], "There is no merchant named 'no/body'"),
        (["api_key", "revoke", "nothing"], "There is no key"),
        (["create_roles", "--role", ""], ""),
        (["run_periodic", "--settle-every", "nan"], "Intervals are seconds"),
        (["purge_idempotency_records", "--batch", "0"], "--batch must be"),
        (["settle_fees", "--currency", "nothing"], "There is no currency"),
        (["seed_demo", "--months", "nan"], "--months"),
    ]  # fmt: skip
    for arguments, complaint in cases:
        name, *others = arguments
        run = runner.run(name, "--skip-checks", *others, url=database_url())
        assert_one_line(run, IMPOSSIBLE)
        assert complaint in run.err, run
    assert Path("/dev/full").is_char_device()


# --- where the database is ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("postgresql://u:p@h/d?pgbouncer=true", "the option 'pgbouncer', which PostgreSQL's client library does not take"),
        ("postgresql://u:p@h/d?schema=public", "'schema'"),
        ("postgresql://u:p@h/d?sslmode=require&connection_limit=5", "'connection_limit'"),
        ("postgresql://u:p@h/d?pool=false", "'pool'"),
        ("postgresql://u:p@h/d?isolation_level=1", "'isolation_level'"),
        ("postgresql://u:p@h/d?SSLMODE=require", "'SSLMODE'"),
        ("postgresql://u:p@h/d?dbname=other", "the database's name is the path"),
        ("postgresql://u:p@h/d?sslmode", "'sslmode' without a value"),
        ("postgresql://u:p@h/d?sslmode=", "'sslmode' without a value"),
        ("postgresql://u:p@h/d?sslmode=disable&sslmode=require", "'sslmode' twice"),
        ("postgresql://u:p@h/d?application_name=a%00b", "without a value"),
        ("postgresql://u:p@h/d?&", "''"),
        ("postgresql://u:p@h:port/d", "the port 'port'"),
        ("postgresql://u:p@h:5432,i:99999/d", "the port '99999'"),
        ("postgresql://u:pa#ss@h/d", "written %23"),
        ("mysql://u:p@h/d", "not a PostgreSQL URL"),
        ("postgresql://u:p@h", "not a PostgreSQL URL"),
        ("postgresql://u:p@[h/d", "not a PostgreSQL URL"),
    ],
)
def test_a_database_url_that_cannot_work_is_refused_with_the_cause(url: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        connection_settings(url, data_dir=Path("/nowhere"), pool_max_size=1)
    assert complaint in str(refused.value)
    assert ":p@" not in str(refused.value), "a password in a message"


def test_options_of_the_client_library_are_handed_on() -> None:
    url = "postgresql://u:p%23%2F@a:1,b/d?sslmode=verify-full&options=-c%20work_mem%3D8MB&target_session_attrs=read-write&channel_binding=require"
    made = connection_settings(url, data_dir=Path("/nowhere"), pool_max_size=1)
    assert (made["PASSWORD"], made["HOST"], made["PORT"], made["NAME"]) == ("p#/", "a,b", "1,5432", "d")
    assert {name: made["OPTIONS"][name] for name in ("sslmode", "options", "channel_binding")} == {
        "sslmode": "verify-full", "options": "-c work_mem=8MB", "channel_binding": "require",
    }  # fmt: skip


@pytest.mark.parametrize(
    "env",
    [{"DATABASE_URL": "postgresql://u:p@h/d?pgbouncer=true"}, {"LEDGER_DATA_DIR": "/dev/null/data"}],
    ids=["an option that is none", "a data folder that cannot be"],
)
def test_settings_that_cannot_work_end_every_command_with_one_line(env: dict[str, str]) -> None:
    everything = os.environ | {"SECRET_KEY": "x"} | env
    done = subprocess.run([sys.executable, "manage.py", "reconcile"], cwd=ROOT, env=everything, capture_output=True, text=True, check=False)
    assert_one_line(Run(["reconcile"], done.returncode, done.stdout, done.stderr), IMPOSSIBLE)


def test_a_traceback_is_there_for_who_asks_for_it(runner: CommandRunner) -> None:
    run = runner.run("reconcile", "--traceback", url="postgresql://nobody@127.0.0.1:1/x")
    assert (run.code, "Traceback" in run.err) == (1, True)
