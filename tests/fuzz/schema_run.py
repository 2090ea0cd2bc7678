"""Run schemathesis' engine over the document of a running service, and say what it saw."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
import schemathesis
from schemathesis.engine import events, from_schema

from tests.support.factories import key, unique

NOT_IN_A_SCHEMA = {
    "invalid_cursor",  # a cursor is signed, and belongs to its list
    "unknown_currency",  # the currencies are rows of a table
    "currency_mismatch",  # the accounts' currencies are too
    "same_account",  # two members that must differ
    "url_not_allowed",  # a name is resolved, and its address judged
    "fee_exceeds_amount",  # the fee is known when it is priced
}
"""Refusals of requests that fit the document, because what makes them wrong cannot be said in JSON Schema."""

NOT_OF_A_FIELD = {
    "nul",  # said once for all strings, in words
    "invalid_number",  # of metadata: a number that could not be kept as it is
    "email",  # "format" has other addresses than Django
    "min_value",  # "0.00" is zero
    "max_value",  # 10^30 minor units, of a currency that is another member
    "after_end",  # two times of a period, of which one must not be later than the other
    "max_decimal_places",  # of that currency, too
    "required",  # initial_balance needs a currency, unless it is zero
    "a day from 1970-01-01 to 8999-12-31 is expected",  # a date is of any year in JSON Schema
    "a JSON integer is expected",  # 5.0 is an integer in JSON Schema; for money it is a float
}
"""The same, of single fields: codes, and two details."""


def is_beyond_the_document(check: str, label: str, status: int, content: bytes) -> bool:
    """Whether a check complains of something that the contract says in words, which the document cannot."""
    if check == "negative_data_rejection":
        # An invalid item of a batch fails alone: the batch is 200, its result 422.
        return label == "POST /transfers/batch" and status == 200 and b'"error":' in content
    if check != "positive_data_acceptance":
        return False
    problem = json.loads(content)
    errors = problem["errors"] if problem["code"] == "validation_error" else []
    excused = [error["code"] in NOT_OF_A_FIELD or error["detail"] in NOT_OF_A_FIELD for error in errors]
    return problem["code"] in NOT_IN_A_SCHEMA or (bool(excused) and all(excused))


@dataclass(slots=True)
class Report:
    """What a run saw: how many requests by status, and every answer that a check did not expect."""

    statuses: Counter[int] = field(default_factory=Counter)
    succeeded: set[str] = field(default_factory=set)
    unexpected: dict[str, str] = field(default_factory=dict)

    @property
    def examples(self) -> int:
        """How many requests were answered."""
        return sum(self.statuses.values())

    def add(self, recorder: Any) -> None:
        """Take in one scenario."""
        for case_id, interaction in recorder.interactions.items():
            label = recorder.cases[case_id].value.operation.label
            if interaction.response is None:
                self.unexpected[f"no answer: {label}"] = str(interaction.request)
                continue
            status, content = interaction.response.status_code, interaction.response.content or b""
            self.statuses[status] += 1
            if status < 300:
                self.succeeded.add(label)
            for check in recorder.checks.get(case_id, []):
                if check.failure_info is None or is_beyond_the_document(check.name, label, status, content):
                    continue
                words = f"{check.failure_info.failure.message}\n{check.failure_info.code_sample}\n{content[:600]!r}"
                self.unexpected.setdefault(f"{check.name}: {label} {status}", words)


def fuzz(base_url: str, config: dict[str, Any], report: Report) -> None:
    """Send what schemathesis makes of the service's document, check every answer, and note all in the report."""
    schema = schemathesis.openapi.from_url(f"{base_url}/openapi.json", config=schemathesis.Config.from_dict(config))
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            report.add(event.recorder)
        elif isinstance(event, events.NonFatalError):
            report.unexpected[f"error: {event.label}"] = str(event.value)
        elif isinstance(event, events.FatalError):
            raise event.exception


def seeds(base_url: str, headers: dict[str, str] | None = None) -> dict[str, list[str]]:
    """Make merchants, accounts, transfers and holds, so that examples can be about something that is there."""
    with httpx.Client(base_url=base_url, headers=headers, timeout=30) as client:

        def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
            response = client.post(path, json=body, headers=key())
            assert response.status_code in {200, 201}, response.text
            answer: dict[str, Any] = response.json()
            return answer

        made = [post("/merchants", {"merchant_name": unique("z"), "currency": "USD", "initial_balance": "100000"}) for _ in range(4)]
        names = [str(merchant["merchant_name"]) for merchant in made]
        accounts = [str(merchant["balances"][0]["account_id"]) for merchant in made]
        movement = {"from_merchant": names[0], "to_merchant": names[1], "currency": "USD"}
        transfers = [post("/transfers", {**movement, "amount_minor": 1000 + n})["id"] for n in range(30)]
        holds = [post("/holds", {**movement, "amount_minor": 100 + n})["id"] for n in range(30)]
    *names, idle = names
    *accounts, idle_account = accounts
    return {
        "idle": [idle],
        "idle_accounts": [idle_account],
        "merchants": names,
        "accounts": accounts,
        "transfers": transfers,
        "holds": holds,
        "currencies": ["USD", "EUR", "BTC"],
    }
