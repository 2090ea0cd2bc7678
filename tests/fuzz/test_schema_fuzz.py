"""Whatever fits the service's OpenAPI document, and whatever does not: every answer is one that the document tells.

A few hundred examples here; ``make fuzz`` makes EXAMPLES of them (5000) in each mode.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger_project.kernel.actors import Scope
from people.credentials import create_key
from tests.api.test_tokens import private_pem
from tests.fuzz.schema_run import Report, fuzz, seeds
from tests.support.servers import Service

EXAMPLES = int(os.environ.get("EXAMPLES", "0"))
"""How many requests at least; 0 is the short form."""

SEED = int(os.environ.get("FUZZ_SEED", "1"))

REQUIRED = {
    "LEDGER_AUTH": "required",
    "LEDGER_JWT_SIGNING_KEY": private_pem(Ed25519PrivateKey.generate()),
    # The brakes have tests of their own; here they would answer 429 to nearly everything.
    **{f"LEDGER_RATE_{name}": "0" for name in ("CREDENTIAL", "ADDRESS", "FAILURES")},
}

BOUND = {
    "path.name": "merchants",
    "path.account_id": "accounts",
    "path.transfer_id": "transfers",
    "path.hold_id": "holds",
    "body.from_merchant": "merchants",
    "body.to_merchant": "merchants",
    "body.currency": "currencies",
    "body.transfers[*].from_merchant": "merchants",
    "body.transfers[*].to_merchant": "merchants",
    "body.transfers[*].currency": "currencies",
}
"""Which parameters are about something that is there, part of the time."""

DEEP = {
    "POST /accounts/{account_id}/deposit", "POST /accounts/{account_id}/withdraw", "POST /transfers", "POST /transfers/batch",
    "POST /transfers/quote", "POST /transfers/{transfer_id}/reverse", "POST /holds", "POST /holds/{hold_id}/capture",
    "POST /holds/{hold_id}/void", "GET /accounts/{account_id}/statement", "GET /transfers/{transfer_id}", "GET /holds/{hold_id}",
    "GET /merchants/{name}/balance",
}  # fmt: skip
"""Calls that a run must have seen succeed: refusals alone would not reach what moves money."""


def config(service: Service, made: dict[str, list[str]], *, examples: int, seed: int, secret: str | None) -> dict[str, Any]:
    """Return the engine's configuration: all of its checks and phases."""
    return {
        "base-url": service.base_url,
        "seed": seed,
        "continue-on-failure": True,
        "headers": {"Authorization": f"Bearer {secret}"} if secret else {},
        "dictionaries": {name: {"values": values} for name, values in made.items()},
        "parameters": {name: {"dictionary": dictionary, "probability": 0.6} for name, dictionary in BOUND.items()},
        # Whom operators freeze, nobody pays any more.
        "operations": [{"include-path-regex": "/(freeze|unfreeze|close|overdraft)$", "parameters": {
            "path.name": {"dictionary": "idle", "probability": 0.6}, "path.account_id": {"dictionary": "idle_accounts", "probability": 0.6},
        }}],
        "generation": {"max-examples": examples, "no-shrink": True, "database": "none", "allow-x00": True, "with-security-parameters": False},
        # Open mode asks nobody for a credential: there is no authentication to ignore.
        "checks": {"ignored_auth": {"enabled": secret is not None}},
        # The short form with credentials leaves out what does not depend on them; sequences of calls are the state machine's there.
        "phases": {"coverage": {"enabled": bool(EXAMPLES) or secret is None}, "stateful": {"enabled": bool(EXAMPLES)}},
    }  # fmt: skip


@pytest.mark.parametrize("mode", ["open", "required"])
def test_every_answer_is_one_that_the_document_tells(serve: Callable[..., Service], mode: str) -> None:
    service = serve(workers=2, env=REQUIRED if mode == "required" else {})
    secret = create_key(name="fuzz", merchant=None, scopes=list(Scope)).secret if mode == "required" else None
    headers = {"Authorization": f"Bearer {secret}"} if secret else None
    report, round_ = Report(), 0
    while round_ == 0 or report.examples < EXAMPLES:
        made = seeds(service.base_url, headers)  # anew, for transfers that are not reversed yet and holds that are open
        fuzz(
            service.base_url,
            config(service, made, examples=40 if EXAMPLES else 3 if secret is None else 1, seed=SEED + round_, secret=secret),
            report,
        )
        round_ += 1
    print(f"{mode}: {report.examples} examples, {len(report.unexpected)} unexpected, {dict(sorted(report.statuses.items()))}")
    assert not report.unexpected, "\n\n".join(f"{name}\n{words}" for name, words in report.unexpected.items())
    assert report.statuses.keys() <= {200, 201, 204, 400, 401, 403, 404, 405, 409, 413, 415, 422, 429}
    missed = DEEP - report.succeeded
    assert not EXAMPLES or not missed, f"no example of these succeeded: {missed}"
