"""Entries, each against the one before it, its transfer and its account.

``ENTRIES`` says what is wrong with an entry. Over a whole ledger it would cost 8 microseconds an
entry, so a quick pass over each chain (``UNCHAINED``) and one over each transfer
(``UNLIKE`` in transfers.py) find the few rows that are not plainly right, and ``ENTRIES`` judges
those. Both passes read their rows once, in the order of an index or sorted, and keep none.
The database computes SHA-256 over the same canonical bytes as domain/hashing.py; a test compares
the two.

``ENTRIES`` finds the wrong rows in a MATERIALIZED part of its own. The planner expects every row
to be wrong. For a LIMIT on those it would choose the plan that gives the first rows soonest, which
is the slowest one if there are none.
"""

from ledger_project.database.fields import readable
from transfers.domain.hashing import WORDS

_LATEST = "statement_timestamp() + interval '10 seconds'"
"""How far a time may be ahead, as in sql/guards.sql."""


def _literal(content: bytes) -> str:
    return f"'\\x{content.hex()}'::bytea"


def _words() -> str:
    """Return the SQL of an entry's direction and type in canonical bytes.

    One that is not known has none, so its hash does not fit.
    """
    by_direction: dict[str, list[str]] = {}
    for (direction, kind), content in WORDS.items():
        by_direction.setdefault(direction, []).append(f"WHEN '{kind}' THEN {_literal(content)}")
    cases = [f"WHEN '{direction}' THEN CASE e.type {' '.join(kinds)} END" for direction, kinds in by_direction.items()]
    return f"CASE e.direction {' '.join(cases)} END"


def _hash(previous: str) -> str:
    """Return the SQL of the hash that entry ``e`` should have after one with this hash."""
    return f"""
sha256(coalesce({previous}, {_literal(bytes(32))})
    || uuid_send(e.account_id) || int8send(e.sequence) || uuid_send(e.transfer_id)
    -- A float holds microseconds exactly for the next two centuries, and is much faster than extract()'s numeric.
    || int8send((date_part('epoch', e.created_at) * 1000000)::bigint)
    || coalesce({_words()}, ''::bytea)
    || textsend(chr(length(e.amount_minor::text)) || e.amount_minor::text
        || chr(length(e.balance_after_minor::text)) || e.balance_after_minor::text))
"""


HASH = _hash("p.hash")
"""The hash that entry ``e`` should have after entry ``p``."""

ACCOUNT_KIND_FITS = """
CASE e.type
    WHEN 'fee' THEN CASE e.direction WHEN 'CREDIT' THEN a.kind = 'fees' ELSE a.kind IN ('wallet', 'held') END
    WHEN 'deposit' THEN a.kind = CASE e.direction WHEN 'DEBIT' THEN 'external' ELSE 'wallet' END
    WHEN 'opening' THEN a.kind = CASE e.direction WHEN 'DEBIT' THEN 'external' ELSE 'wallet' END
    WHEN 'withdrawal' THEN a.kind = CASE e.direction WHEN 'DEBIT' THEN 'wallet' ELSE 'external' END
    WHEN 'hold' THEN a.kind = CASE e.direction WHEN 'DEBIT' THEN 'wallet' ELSE 'held' END
    WHEN 'hold_release' THEN a.kind = CASE e.direction WHEN 'DEBIT' THEN 'held' ELSE 'wallet' END
    WHEN 'capture' THEN a.kind = CASE e.direction WHEN 'DEBIT' THEN 'held' ELSE 'wallet' END
    WHEN 'fee_refund' THEN CASE e.direction WHEN 'DEBIT' THEN a.kind IN ('fees', 'wallet') ELSE a.kind = 'wallet' END
    WHEN 'fee_settlement' THEN a.kind = CASE e.direction WHEN 'DEBIT' THEN 'fees' ELSE 'wallet' END
    ELSE a.kind = 'wallet'
END
"""
"""Whether an entry's type and direction are those of its account's kind ``a``."""

_TYPE_FITS = """
(e.type = t.kind
    OR (e.type = 'fee' AND t.kind IN ('transfer', 'capture'))
    OR (e.type = 'hold_release' AND t.kind = 'capture')
    OR (e.type = 'fee_refund' AND t.kind = 'reversal'))
"""

_REASON = f"""
CASE
    WHEN a.id IS NULL THEN 'its account does not exist'
    WHEN t.id IS NULL THEN 'its transfer ' || e.transfer_id || ' does not exist'
    WHEN NOT ({readable("e.amount_minor", "e.balance_after_minor")})
        THEN 'its amount, ' || e.amount_minor || ', or its balance, ' || e.balance_after_minor || ', is no number that can be kept'
    WHEN p.sequence IS NULL AND e.sequence <> 1 THEN 'the entry before it, ' || e.sequence - 1 || ', is missing'
    WHEN e.balance_after_minor <> coalesce(p.balance_after_minor, 0)
        + CASE e.direction WHEN 'CREDIT' THEN e.amount_minor ELSE -e.amount_minor END
        THEN 'balance_after is ' || e.balance_after_minor || ', the balance before it and the amount make '
            || coalesce(p.balance_after_minor, 0) + CASE e.direction WHEN 'CREDIT' THEN e.amount_minor ELSE -e.amount_minor END
    WHEN e.created_at < p.created_at THEN 'it is older than the entry before it'
    WHEN e.created_at > {_LATEST} THEN 'its time, ' || e.created_at || ', is in the future'
    WHEN e.hash <> {HASH} THEN 'its hash does not fit: this row, or the hash before it, was changed'
    WHEN t.currency_id <> a.currency_id THEN 'its account is of ' || a.currency_id || ', its transfer of ' || t.currency_id
    WHEN e.created_at <> t.created_at THEN 'its time is not that of transfer ' || t.id
    WHEN NOT {_TYPE_FITS} THEN 'a line of type ' || e.type || ' in transfer ' || t.id || ' of kind ' || t.kind
    WHEN NOT {ACCOUNT_KIND_FITS} THEN 'a ' || e.direction || ' of type ' || e.type || ' on an account of kind ' || a.kind
    WHEN e.type = t.kind AND e.amount_minor <> t.amount_minor
        THEN 'its amount is ' || e.amount_minor || ', that of transfer ' || t.id || ' is ' || t.amount_minor
    WHEN e.type = t.kind AND e.account_id <> t.source_id AND e.direction = 'DEBIT' AND t.kind <> 'capture'
        THEN 'it is not on the source account of transfer ' || t.id
    WHEN e.type = t.kind AND e.account_id <> t.target_id AND e.direction = 'CREDIT'
        THEN 'it is not on the target account of transfer ' || t.id
    WHEN e.balance_after_minor < 0 AND a.kind IN ('held', 'fees') THEN 'a balance below zero on an account of kind ' || a.kind
END
"""

ENTRIES = f"""
WITH checked AS MATERIALIZED (
    SELECT * FROM (
        SELECT e.account_id, e.sequence, {_REASON} AS reason
        FROM transfers_ledgerentry e
        LEFT JOIN transfers_ledgerentry p ON p.account_id = e.account_id AND p.sequence = e.sequence - 1
        LEFT JOIN transfers_transfer t ON t.id = e.transfer_id
        LEFT JOIN merchants_account a ON a.id = e.account_id
        WHERE /*entries*/
    ) c WHERE reason IS NOT NULL
)
SELECT 'entry ' || account_id || ' #' || sequence, reason FROM checked ORDER BY account_id, sequence LIMIT %(limit)s
"""

_CHANGE = "CASE e.direction WHEN 'CREDIT' THEN e.amount_minor ELSE -e.amount_minor END"

UNCHAINED = f"""
SELECT e.account_id, e.sequence FROM (
    SELECT account_id, sequence, transfer_id, direction, type, amount_minor, balance_after_minor, created_at, hash,
        row_number() OVER chain AS place,
        lag(balance_after_minor) OVER chain AS previous_balance_minor,
        lag(created_at) OVER chain AS previous_at,
        lag(hash) OVER chain AS previous_hash
    FROM transfers_ledgerentry
    WHERE (account_id, sequence) >= (%(first_account)s::uuid, %(first_sequence)s::bigint)
        AND (account_id, sequence) <= (%(last_account)s::uuid, %(last_sequence)s::bigint)
    WINDOW chain AS (PARTITION BY account_id ORDER BY sequence)
) e
WHERE (e.sequence = e.place + CASE e.account_id WHEN %(first_account)s::uuid THEN %(passed)s::bigint ELSE 0 END
    AND e.balance_after_minor = coalesce(e.previous_balance_minor, 0) + {_CHANGE}
    AND {readable("e.balance_after_minor")}
    AND e.created_at >= coalesce(e.previous_at, '-infinity')
    AND e.created_at <= (SELECT {_LATEST})
    AND e.hash = {_hash("e.previous_hash")}) IS NOT TRUE
    -- The first row was proved by the part that ends with it.
    AND (e.account_id, e.sequence) <> (%(first_account)s::uuid, %(first_sequence)s::bigint)
"""
"""The entries of a part of all chains that do not plainly continue the entry before them.

A part is all entries after the first row, which only says what came before, up to the last one.
"""

COUNT = "SELECT count(*) FROM transfers_ledgerentry e WHERE /*entries*/"
