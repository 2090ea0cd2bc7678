"""The shape of the statements of a posting: what keeps them right when the ledger is spread over servers."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.apps import apps
from django.db.models import Model, UniqueConstraint

from tests.house.sources import modules
from transfers.posting import sql

STATEMENTS = {name: text for name, text in vars(sql).items() if name.isupper() and isinstance(text, str) and " " in text}
LOCKING = {name: text for name, text in STATEMENTS.items() if re.search(r"\bFOR (UPDATE|SHARE)\b", text)}
PLACES = {"account", "account_id", "source", "target", "merchant", "owner"}
"""Columns that say where a row lies."""

KEPT = [
    apps.get_model(name)
    for name in (
        "merchants.Account",
        *(f"transfers.{m}" for m in ("Transfer", "ExternalReference", "LedgerEntry", "Hold", "IdempotencyRecord")),
    )
]


def test_the_statements_are_found() -> None:
    assert {"LOCK_ACCOUNTS", "LOCK_MERCHANTS", "LOCK_FREE_ACCOUNTS"} <= LOCKING.keys()
    assert {"HEADS", "INSERT_TRANSFERS", "INSERT_ENTRIES"} <= STATEMENTS.keys()


@pytest.mark.parametrize("name", LOCKING)
def test_a_statement_that_locks_names_one_table_and_takes_its_locks_in_the_order_of_ids(name: str) -> None:
    text = LOCKING[name]
    assert len(re.findall(r"\b(SELECT|FROM)\b", text)) == 2, text
    assert not re.search(r"\bJOIN\b|\bFROM [^W]*,", text), text
    one_row = re.search(r"\bWHERE id = \d+ FOR\b", text)
    assert one_row or re.search(r"\bWHERE id = ANY\(\S+\) ORDER BY id FOR (UPDATE|SHARE)", text), text


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_uses_what_is_one_for_the_whole_cluster(name: str) -> None:
    assert not re.search(r"nextval|advisory|notify|\blisten\b", STATEMENTS[name], re.IGNORECASE)


def columns(constraint: UniqueConstraint) -> set[str]:
    """Return the columns that a constraint is of."""
    inner: list[Any] = list(constraint.expressions)
    found = set(constraint.fields)
    while inner:
        one = inner.pop()
        found.add(str(getattr(one, "name", "")))
        inner += one.get_source_expressions() if hasattr(one, "get_source_expressions") else []
    return found


@pytest.mark.parametrize("model", KEPT, ids=lambda model: model.__name__)
def test_a_unique_constraint_contains_the_place_of_its_row(model: type[Model]) -> None:
    for constraint in model._meta.constraints:
        if isinstance(constraint, UniqueConstraint):
            assert columns(constraint) & PLACES, constraint.name
    assert not [field.name for field in model._meta.get_fields() if getattr(field, "_unique", False) and not field.primary_key]


def test_no_statement_of_a_posting_stands_elsewhere() -> None:
    statement = re.compile(r"[\"'](?:\\n)?\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH|LOCK TABLE)\s")
    elsewhere = [module.name for module in modules() if module.name.startswith("transfers/posting/") and statement.search(module.text)]
    assert elsewhere == ["transfers/posting/sql.py"]
