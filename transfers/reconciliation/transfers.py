"""Transfers, each against its entries, and reversals against their originals."""

from ledger_project.database.fields import readable

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
        WHERE t.reverses_id IS NOT NULL AND /*transfers*/
    ) c WHERE reason IS NOT NULL
)
SELECT 'transfer ' || id, reason FROM checked ORDER BY id LIMIT %(limit)s
"""
