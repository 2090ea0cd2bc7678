"""``events_tail``: the feed on a terminal, from where one likes, until one has seen enough."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from typing import Any

import pytest
from django.core.management import CommandError

from tests.environment import ROOT
from tests.operations.stories import USD, post, register, tell
from tests.operations.test_commands import run
from tests.services.test_rollups import settle
from tests.support.servers import database_url
from transfers.domain.commands import Details, TransferFunds


def tail(*arguments: str) -> list[dict[str, Any]]:
    code, text = run("events_tail", "--once", "--json", *arguments)
    assert code == 0
    return [json.loads(line) for line in text.splitlines()]


def test_each_event_is_a_line_in_the_order_of_the_feed(ledger: None) -> None:
    del ledger
    story = tell()
    settle()
    events = tail("--merchant", story.payer.name, "--after", "first")
    assert [event["id"] for event in events] == sorted(event["id"] for event in events)
    types = [event["type"] for event in events]
    assert {
        "merchant.created",
        "deposit.posted",
        "transfer.posted",
        "reversal.posted",
        "hold.placed",
        "hold.captured",
        "hold.voided",
    } <= set(types)
    assert events[-1]["data"]["transfer"]["amount_minor"] == 7_00
    later = tail("--merchant", story.payer.name, "--after", events[3]["id"])
    assert later == events[4:]
    assert [event["type"] for event in tail("--merchant", story.payer.name, "--after", "first", "--types", "hold.placed,reversal.*")] == [
        one for one in types if one in {"hold.placed", "reversal.posted"}
    ]
    account = str(story.account(story.payee))
    assert {event["type"] for event in tail("--account", account, "--after", "first")} >= {"transfer.posted", "hold.captured"}


def test_people_see_who_paid_whom_and_how_much(ledger: None) -> None:
    del ledger
    payer, payee = register(100_00), register()
    made = post(TransferFunds(payer, payee, USD, 50_00, Details())).transfer_id
    settle()
    code, text = run("events_tail", "--once", "--after", "first", "--merchant", payer.name)
    line = next(line for line in text.splitlines() if str(made) in line)
    assert code == 0
    assert "transfer.posted" in line
    assert f"{payer.name} → {payee.name}  50.00 + 0.50 fee USD" in line


HEEDING = (
    "import runpy, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); sys.argv[0] = 'manage.py'; "
    "runpy.run_path('manage.py', run_name='__main__')"
)
"""Runs a command that ends on SIGINT, also where the tests run in the background of a shell, which ignores it."""


def test_it_begins_with_what_comes_from_now_on_and_goes_on_until_it_is_interrupted(ledger: None) -> None:
    del ledger
    payer, payee = register(100_00), register()
    settle()
    command = [sys.executable, "-c", HEEDING, "events_tail", "--json", "--merchant", payer.name]
    env = {**os.environ, "DATABASE_URL": database_url()}
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            shown: dict[str, Any] = {}
            posted = set()
            while not shown:
                posted.add(str(post(TransferFunds(payer, payee, USD, 1_00, Details())).transfer_id))
                if _readable(process.stdout, 0.5):
                    shown = json.loads(process.stdout.readline())
            assert shown["id"] in posted
            assert shown["type"] == "transfer.posted"
        finally:
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "Interrupted.\n")


def _readable(stream: Any, seconds: float) -> bool:
    return bool(select.select([stream], [], [], seconds)[0])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--after", "yesterday"], "--after is 'yesterday'"),
        (["--types", "transfer.lost"], "--types: 'transfer.lost' is no type of event"),
        (["--merchant", "no-one"], "There is no merchant named 'no-one'"),
        (["--account", "x"], "--account is 'x'"),
    ],
)
def test_options_that_make_no_sense_end_with_two(ledger: None, arguments: list[str], complaint: str) -> None:
    del ledger
    with pytest.raises(CommandError, match=complaint) as refused:
        run("events_tail", "--once", *arguments)
    assert refused.value.returncode == 2
