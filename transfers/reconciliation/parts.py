"""Parts: the ledger in ranges of about the same size, for several connections.

The limits of the ranges come from a sample of the tables. A poor sample makes uneven parts, never a
row in none of them: the first part begins below every id, the last one ends above.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

import psycopg

from transfers.reconciliation.scopes import ChainRange, IdRange

Raw = psycopg.Connection[Any]
P = TypeVar("P")

_LEAST_ID, _GREATEST_ID = UUID(int=0), UUID(int=2**128 - 1)
_LEAST_SEQUENCE, _GREATEST_SEQUENCE = 1 - 2**63, 2**63 - 1

_PAGES = "SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::int"
_SAMPLED_PAGES = 200
_PAGES_OF_PART = 8_000
"""Pages of transfers in one part at most: what a part keeps in memory is in proportion to it."""

_CHAINS = "SELECT account_id, sequence FROM transfers_ledgerentry TABLESAMPLE SYSTEM (%s) ORDER BY account_id, sequence"
_IDS = "SELECT id FROM transfers_transfer TABLESAMPLE SYSTEM (%s) ORDER BY id"


def chain_ranges(raw: Raw, jobs: int) -> list[ChainRange]:
    """Return ``jobs`` ranges, or less, that have every entry in one of them."""
    limits = _between(_sample(raw, "transfers_ledgerentry", _CHAINS), jobs)
    edges = [(_LEAST_ID, _LEAST_SEQUENCE), *((account, sequence) for account, sequence in limits), (_GREATEST_ID, _GREATEST_SEQUENCE)]
    return [ChainRange(after, last) for after, last in itertools.pairwise(edges)]


def id_ranges(raw: Raw, jobs: int) -> list[IdRange]:
    """Return ``jobs`` ranges, or a multiple, that have every transfer in one of them."""
    rounds = _pages(raw, "transfers_transfer") // (_PAGES_OF_PART * jobs) + 1
    limits = _between(_sample(raw, "transfers_transfer", _IDS), jobs * rounds)
    edges = [_LEAST_ID, *(identifier for (identifier,) in limits), None]
    return [IdRange(first, end) for first, end in itertools.pairwise(edges) if first is not None]


def _pages(raw: Raw, table: str) -> int:
    (pages,) = psycopg.Cursor(raw).execute(_PAGES, [table]).fetchone() or (0,)
    return int(pages)


def _sample(raw: Raw, table: str, statement: str) -> Sequence[tuple[Any, ...]]:
    percent = min(100.0, 100.0 * _SAMPLED_PAGES / max(1, _pages(raw, table)))
    return psycopg.Cursor(raw).execute(statement, [percent]).fetchall()


def _between(sample: Sequence[P], parts: int) -> list[P]:
    """Return up to ``parts - 1`` rows of a sorted sample that divide it evenly."""
    places = sorted({len(sample) * number // parts for number in range(1, parts)})
    return [sample[place] for place in places if place < len(sample)]
