"""Transfers, each against its entries, and reversals against their originals.

``TRANSFERS`` says what is wrong with a transfer; ``UNLIKE`` is the quick pass over all.
"""

from ledger_project.database.fields import readable
from transfers.reconciliation.entries import ACCOUNT_KIND_FITS
from transfers.reconciliation.scopes import id_condition

TRANSFERS = f"""
WITH checked AS MATERIALIZED (
    SELECT * FROM (
        SELECT t.id, CASE
            WHEN NOT ({readable("t.amount_minor", "t.fee_minor", "t.total_debit_minor")})
                THEN 'its amount, ' || t.amount_minor || ', its fee, ' || t.fee_minor || ', or its total, ' || t.total_debit_minor
                    || ', is no number that can be moved'
            WHEN l.transfer_id IS NULL THEN 'it has no entries'
            WHEN l.difference <> 0 THEN 'its debits and credits differ by ' || l.difference
            WHEN CASE t.kind WHEN 'hold_release' THEN l.releases ELSE l.main END <> 2 THEN 'lines are missing or too many'
            WHEN l.fee <> t.fee_minor THEN 'its fee is ' || t.fee_minor || ', its entries say ' || l.fee
            WHEN t.total_debit_minor <> t.amount_minor + CASE WHEN f.payer = 'sender' THEN t.fee_minor ELSE 0 END
                THEN 'its total debit is ' || t.total_debit_minor || ', not amount and fee'
            WHEN source.id IS NULL OR target.id IS NULL THEN 'its source or target does not exist'
            WHEN source.currency_id <> t.currency_id OR target.currency_id <> t.currency_id THEN 'its accounts are of another currency'
            WHEN t.kind = 'capture' AND h.id IS NULL THEN 'it captures no hold'
            WHEN (t.kind IN ('hold', 'hold_release', 'capture')) <> (t.hold_id IS NOT NULL) THEN 'its kind and its hold do not go together'
            WHEN t.kind IN ('hold', 'hold_release') AND source.merchant_id <> target.merchant_id THEN 'a hold between two merchants'
        END AS reason
        FROM transfers_transfer t
        LEFT JOIN (
            SELECT e.transfer_id,
                sum(CASE e.direction WHEN 'DEBIT' THEN e.amount_minor ELSE -e.amount_minor END) AS difference,
                coalesce(sum(e.amount_minor) FILTER (WHERE e.type = 'fee' AND e.direction = 'CREDIT'), 0) AS fee,
                count(*) FILTER (WHERE e.type NOT IN ('fee', 'fee_refund', 'hold_release')) AS main,
                count(*) FILTER (WHERE e.type = 'hold_release') AS releases
            FROM transfers_ledgerentry e WHERE /*lines*/ GROUP BY e.transfer_id
        ) l ON l.transfer_id = t.id
        LEFT JOIN merchants_account source ON source.id = t.source_id
        LEFT JOIN merchants_account target ON target.id = t.target_id
        LEFT JOIN fees_feeschedule f ON f.id = t.fee_schedule_id
        LEFT JOIN transfers_hold h ON h.id = t.hold_id
        WHERE /*transfers*/
    ) c WHERE reason IS NOT NULL
)
SELECT 'transfer ' || id, reason FROM checked ORDER BY id LIMIT %(limit)s
"""

_TERMS_FIT = f"""
({readable("t.amount_minor", "t.fee_minor", "t.total_debit_minor")} AND s.currency_id = t.currency_id AND g.currency_id = t.currency_id
    AND t.total_debit_minor = CASE f.payer WHEN 'sender' THEN t.amount_minor + t.fee_minor ELSE t.amount_minor END
    AND CASE WHEN t.hold_id IS NULL THEN t.kind NOT IN ('hold', 'hold_release', 'capture')
        ELSE t.kind = 'capture' OR (t.kind IN ('hold', 'hold_release') AND s.merchant_id = g.merchant_id) END)
"""

_MAIN_DEBIT, _MAIN_CREDIT, _FEE_DEBIT, _FEE_CREDIT, _HAS_FEE, _UNLIKE = 1, 2, 4, 8, 16, 32
_WITHOUT_FEE = _MAIN_DEBIT + _MAIN_CREDIT
_WITH_FEE = _WITHOUT_FEE + _FEE_DEBIT + _FEE_CREDIT + _HAS_FEE

UNLIKE = f"""
SELECT id FROM (
    SELECT id, count(*) AS lines, bit_or(part) AS parts FROM (
        SELECT coalesce(t.id, e.transfer_id) AS id, CASE
            WHEN t.fits IS NOT TRUE OR (e.created_at = t.created_at AND a.currency_id = t.currency_id AND {ACCOUNT_KIND_FITS}) IS NOT TRUE
                OR (a.kind IN ('held', 'fees') AND e.balance_after_minor < 0) THEN {_UNLIKE}
            WHEN e.type = t.kind THEN CASE
                WHEN e.amount_minor <> t.amount_minor THEN {_UNLIKE}
                WHEN e.direction = 'CREDIT' THEN CASE e.account_id WHEN t.target_id THEN {_MAIN_CREDIT} ELSE {_UNLIKE} END
                WHEN e.account_id <> t.source_id AND t.kind <> 'capture' THEN {_UNLIKE}
                WHEN t.fee_minor = 0 THEN {_MAIN_DEBIT}
                ELSE {_MAIN_DEBIT + _HAS_FEE} END
            WHEN e.type = 'fee' AND e.amount_minor = t.fee_minor AND t.kind IN ('transfer', 'capture')
                THEN CASE e.direction WHEN 'CREDIT' THEN {_FEE_CREDIT} ELSE {_FEE_DEBIT} END
            ELSE {_UNLIKE} END AS part
        FROM (
            SELECT t.id, t.kind, t.source_id, t.target_id, t.currency_id, t.amount_minor, t.fee_minor, t.created_at, {_TERMS_FIT} AS fits
            FROM transfers_transfer t
            LEFT JOIN merchants_account s ON s.id = t.source_id
            LEFT JOIN merchants_account g ON g.id = t.target_id
            LEFT JOIN fees_feeschedule f ON f.id = t.fee_schedule_id
            WHERE {id_condition("t.id")}
            OFFSET 0  -- so that terms are compared once for each transfer, not for each entry
        ) t
        FULL JOIN (
            SELECT transfer_id, account_id, direction, type, amount_minor, balance_after_minor, created_at FROM transfers_ledgerentry
            WHERE {id_condition("transfer_id")}
        ) e ON e.transfer_id = t.id
        LEFT JOIN merchants_account a ON a.id = e.account_id
        -- A step of its own: the rows that are sorted or hashed by transfer next are narrow then.
        OFFSET 0
    ) e GROUP BY id
) s
WHERE (parts = {_WITHOUT_FEE} AND lines = 2 OR parts = {_WITH_FEE} AND lines = 4) IS NOT TRUE
"""
"""The transfers of a range of ids that are not plainly what their two or four entries say.

Entries without a transfer are found under its id. Captures that leave a rest and reversals that
refund a fee have more entries: ``TRANSFERS`` and ``ENTRIES`` judge them.
"""

REVERSALS = """
WITH checked AS MATERIALIZED (
    SELECT * FROM (
        SELECT t.id, CASE
            WHEN o.id IS NULL THEN 'the transfer that it reverses, ' || t.reverses_id || ', does not exist'
            WHEN o.kind NOT IN ('transfer', 'capture') THEN 'it reverses transfer ' || o.id || ' of kind ' || o.kind
            WHEN o.source_id <> t.target_id OR o.target_id <> t.source_id THEN 'it does not go back the way of transfer ' || o.id
            WHEN o.created_at > t.created_at THEN 'it is older than transfer ' || o.id || ' that it reverses'
            WHEN sum(t.amount_minor) OVER (PARTITION BY t.reverses_id) > o.amount_minor
                THEN 'the reversals of transfer ' || o.id || ' add up to more than its amount'
        END AS reason
        FROM transfers_transfer t LEFT JOIN transfers_transfer o ON o.id = t.reverses_id
        WHERE t.reverses_id IS NOT NULL AND /*reversals*/
    ) c WHERE reason IS NOT NULL
)
SELECT 'transfer ' || id, reason FROM checked ORDER BY id LIMIT %(limit)s
"""

_REFERENCE_ACCOUNT = "CASE WHEN t.kind IN ('deposit', 'opening') THEN t.target_id ELSE t.source_id END"

REFERENCES = f"""
WITH checked AS MATERIALIZED (
    SELECT t.id, 'its external reference is not kept beside its account' AS reason
    FROM transfers_transfer t
    LEFT JOIN transfers_externalreference x ON x.reference = t.external_reference AND x.account_id = {_REFERENCE_ACCOUNT}
    WHERE t.external_reference IS NOT NULL AND x.transfer_id IS DISTINCT FROM t.id AND /*transfers*/
    UNION ALL
    SELECT x.transfer_id, 'the external reference ' || x.reference || ' of account ' || x.account_id || ' names it, and is not its own'
    FROM transfers_externalreference x LEFT JOIN transfers_transfer t ON t.id = x.transfer_id
    WHERE (t.external_reference = x.reference AND {_REFERENCE_ACCOUNT} = x.account_id) IS NOT TRUE AND /*references*/
)
SELECT 'transfer ' || id, reason FROM checked ORDER BY id LIMIT %(limit)s
"""
