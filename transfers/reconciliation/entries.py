"""Entries, each against the one before it, its transfer and its account.

It is one pass with three joins, without sort or window, so that PostgreSQL's parallel workers share
it. At a million entries it is faster than a window over the primary key. It needs the memory of its
hash tables only, whatever the size of the ledger: beyond ``work_mem`` they go to disk in batches.
The database computes SHA-256 over the same canonical bytes as domain/hashing.py; a test compares
the two.

Each statement finds the wrong rows in a MATERIALIZED part of its own. The planner expects every row
to be wrong. For a LIMIT on those it would choose the plan that gives the first rows soonest, which
is the slowest one if there are none.
"""

from ledger_project.database.fields import readable

CLOCK_TOLERANCE = "interval '10 seconds'"
"""How far a time may be ahead, as in sql/guards.sql."""

HASH = r"""
sha256(coalesce(p.hash, '\x0000000000000000000000000000000000000000000000000000000000000000'::bytea)
    || uuid_send(e.account_id) || int8send(e.sequence) || uuid_send(e.transfer_id)
    -- A float holds microseconds exactly for the next two centuries, and is much faster than extract()'s numeric.
    || int8send((date_part('epoch', e.created_at) * 1000000)::bigint)
    || convert_to(CASE e.direction WHEN 'DEBIT' THEN E'\x05DEBIT' WHEN 'CREDIT' THEN E'\x06CREDIT' ELSE e.direction END
        || chr(length(e.type)) || e.type
        || chr(length(e.amount_minor::text)) || e.amount_minor::text
        || chr(length(e.balance_after_minor::text)) || e.balance_after_minor::text, 'UTF8'))
"""
"""The hash that entry ``e`` should have after entry ``p``."""

_ACCOUNT_KIND_FITS = """
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
    WHEN e.created_at > statement_timestamp() + {CLOCK_TOLERANCE} THEN 'its time, ' || e.created_at || ', is in the future'
    WHEN e.hash <> {HASH} THEN 'its hash does not fit: this row, or the hash before it, was changed'
    WHEN t.currency_id <> a.currency_id THEN 'its account is of ' || a.currency_id || ', its transfer of ' || t.currency_id
    WHEN e.created_at <> t.created_at THEN 'its time is not that of transfer ' || t.id
    WHEN NOT {_TYPE_FITS} THEN 'a line of type ' || e.type || ' in transfer ' || t.id || ' of kind ' || t.kind
    WHEN NOT {_ACCOUNT_KIND_FITS} THEN 'a ' || e.direction || ' of type ' || e.type || ' on an account of kind ' || a.kind
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

TOTALS = """
SELECT 'currency ' || currency, 'debits are ' || debits || ', credits are ' || credits FROM (
    SELECT a.currency_id AS currency, sum(s.debits) AS debits, sum(s.credits) AS credits FROM (
        SELECT e.account_id,
            coalesce(sum(e.amount_minor) FILTER (WHERE e.direction = 'DEBIT'), 0) AS debits,
            coalesce(sum(e.amount_minor) FILTER (WHERE e.direction <> 'DEBIT'), 0) AS credits
        FROM transfers_ledgerentry e WHERE /*lines*/ GROUP BY e.account_id
    ) s JOIN merchants_account a ON a.id = s.account_id GROUP BY a.currency_id
) t WHERE debits <> credits ORDER BY currency LIMIT %(limit)s
"""

COUNT = "SELECT count(*) FROM transfers_ledgerentry e WHERE /*entries*/"
