"""The OpenAPI document serves callers: three generators read it, a generated client works, and every example does as it is."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from ledger_project.http.documentation import schema_bytes
from ledger_project.http.example_values import Things
from tests.generators import BIN, MISSING, have_generators
from tests.support.factories import key, unique
from tests.support.servers import Service

Document = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Document:
    found: Document = json.loads(schema_bytes())
    return found


@pytest.fixture(scope="module")
def server(ledger: None) -> Iterator[Service]:
    del ledger
    running = Service()
    running.start()
    yield running
    running.stop()


def operations(document: Document) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            yield method, path, call


# --- the document -----------------------------------------------------------------------------------------------------------


def media_types(document: Document) -> Iterator[tuple[str, dict[str, Any]]]:
    for _, _, call in operations(document):
        for where, part in (("body", call.get("requestBody", {})), *call["responses"].items()):
            for name, media in part.get("content", {}).items():
                yield f"{call['operationId']} {where} {name}", media


def test_every_body_and_every_answer_has_an_example_that_fits_its_schema(document: Document) -> None:
    for label, media in media_types(document):
        examples = [one["value"] for one in media["examples"].values()] if "examples" in media else [media["example"]]
        assert examples, label
        for example in examples:
            errors = [
                error.message
                for error in Draft202012Validator(media["schema"] | {"components": document["components"]}).iter_errors(example)
            ]
            assert not errors, (label, errors)


def test_every_body_says_whether_it_may_be_left_out(document: Document) -> None:
    may_be = {call["operationId"] for _, _, call in operations(document) if call.get("requestBody", {}).get("required") is False}
    assert may_be == {
        "reverse_transfer", "capture_hold", "void_hold", "change_merchant", "change_webhook", "rotate_webhook_secret", "test_webhook",
        "change_user", "approve",
    }  # fmt: skip
    assert all("required" in call["requestBody"] for _, _, call in operations(document) if "requestBody" in call)


# --- the examples, sent as they are -----------------------------------------------------------------------------------------

NOT_SENT = {"create_token", "refresh_token", "get_approval", "approve", "reject"}
"""Calls whose examples would have to be somebody's password, or what somebody else asked for."""

STORY = (
    "register_merchant", "create_transfer", "create_transfer_batch", "quote_transfer", "reverse_transfer", "place_hold", "get_hold",
    "capture_hold", "place_hold", "void_hold", "deposit", "withdraw", "open_account", "change_merchant", "set_overdraft_limit",
    "get_receipt", "get_receipt_keys", "list_events", "get_event", "create_webhook", "list_webhooks", "get_webhook", "replay_events",
    "list_webhook_deliveries", "rotate_webhook_secret", "test_webhook", "change_webhook", "delete_webhook", "list_merchants", "list_holds", "list_transfers", "get_merchant", "get_balance", "get_account", "get_statement", "get_transfer",
    "create_user", "list_users", "get_user", "change_user", "set_membership", "remove_membership", "erase_user",
    "register_merchant", "unfreeze_account", "unfreeze_merchant", "freeze_account", "freeze_merchant", "close_merchant", "operations_summary", "list_approvals", "healthz", "readyz",
)  # fmt: skip
"""Every call in an order in which somebody may try them on an empty ledger."""


def send_as_it_is(client: httpx.Client, operation: str) -> None:
    """Do what Execute does on the page of the document: what is filled in is what is sent."""
    document = client.get("/openapi.json").json()
    method, path, call = next(found for found in operations(document) if found[2]["operationId"] == operation)
    headers, query = {}, {}
    for parameter in call.get("parameters", []):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", parameter["example"])
        elif parameter["in"] == "query" and "example" in parameter:
            query[parameter["name"]] = parameter["example"]
        elif parameter["in"] == "header" and parameter["name"] == "Idempotency-Key":
            headers["Idempotency-Key"] = parameter["example"]
    body = call.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    response = client.request(method, path, params=query, json=body, headers=headers)
    # Without a policy nothing waits for a second person: 202 is not what is answered here.
    (expected,) = [status for status in call["responses"] if status < "3" and not (status == "202" and operation != "replay_events")]
    assert str(response.status_code) == expected, (operation, response.text)
    if expected == "204":
        return
    schema = call["responses"][expected]["content"]["application/json"]["schema"] | {"components": document["components"]}
    assert not [error.message for error in Draft202012Validator(schema).iter_errors(response.json())], operation
    if operation == "create_transfer_batch":
        assert {result["status"] for result in response.json()["results"]} == {201}


def test_every_example_works_as_it_is(server: Service) -> None:
    with httpx.Client(base_url=server.base_url, timeout=30) as client:
        known = {call["operationId"] for _, _, call in operations(client.get("/openapi.json").json())}
        assert known == {*STORY, *NOT_SENT}
        client.post("/merchants", json={"merchant_name": Things().idle})
        for operation in STORY:
            send_as_it_is(client, operation)
            if operation == "freeze_account":  # so that there is something to go on with
                client.post("/merchants", json={"merchant_name": unique("idle")})


# --- the generators ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def document_file(document: Document, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    path.write_text(json.dumps(document))
    return path


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_openapi_python_client_makes_a_client_that_moves_money(
    document_file: Path, server: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.yaml").write_text("post_hooks: []\n")
    output = tmp_path / "ledger_client"
    options = ("--meta", "none", "--output-path", output, "--config", tmp_path / "config.yaml", "--fail-on-warning")
    run(sys.executable, "-m", "openapi_python_client", "generate", "--path", document_file, *options, cwd=tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    models, made = importlib.import_module("ledger_client.models"), importlib.import_module("ledger_client")
    register = importlib.import_module("ledger_client.api.merchants.register_merchant")
    move = importlib.import_module("ledger_client.api.transfers.create_transfer")
    look = importlib.import_module("ledger_client.api.transfers.get_transfer")
    with made.Client(base_url=server.base_url) as client:
        source, target = unique("py"), unique("py")
        for name in (source, target):
            body = models.RegistrationBodyRequest(merchant_name=name, currency="EUR", initial_balance="10.00")
            assert register.sync(client=client, body=body).balances[0].available_minor == 1000
        wanted = models.TransferBodyRequest(
            from_merchant=source, to_merchant=target, currency="EUR", amount="2.00", memo="by a generated client"
        )
        transfer = move.sync(client=client, body=wanted, idempotency_key=key()["Idempotency-Key"])
        assert (transfer.total_debit, transfer.memo) == ("2.02", "by a generated client")
        assert len(look.sync(transfer.id, client=client).entries) == 4
        refused = move.sync(client=client, body=wanted, idempotency_key="not a key")
        assert (type(refused).__name__, refused.code) == ("ProblemJson", "idempotency_key_invalid")


def test_openapi_typescript_and_hey_api_make_clients_that_compile(document_file: Path, tmp_path: Path) -> None:
    if not have_generators():
        pytest.skip(MISSING)
    generators = [
        subprocess.Popen([str(part) for part in command], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for command in (
            (BIN / "openapi-typescript", document_file, "--output", tmp_path / "schema.d.ts"),
            (BIN / "openapi-ts", "--input", document_file, "--output", tmp_path / "client", "--no-log-file"),
        )
    ]
    for generator in generators:
        said, _ = generator.communicate()
        assert generator.returncode == 0, said
    (tmp_path / "use.ts").write_text(
        'import type { operations, webhooks } from "./schema";\n'
        'import { createTransfer, type CreateTransferData } from "./client";\n'
        'export type Body = operations["create_transfer"]["requestBody"]["content"]["application/json"];\n'
        'const body: Body = { from_merchant: "a", to_merchant: "b", currency: "EUR", amount: "1.00" };\n'
        'const data: CreateTransferData["body"] = body;\n'
        'export const sent = createTransfer({ body: data, headers: { "Idempotency-Key": "k" } });\n'
        'type Received = webhooks["hold.expired"]["post"]["requestBody"]["content"]["application/json"];\n'
        'export const kept = (event: Received): [string, "hold.expired" | undefined] => [event.id, event.type];\n'
    )
    options = ("--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler")
    run(BIN / "tsc", *options, tmp_path / "use.ts", cwd=tmp_path)
