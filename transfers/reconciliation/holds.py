"""Holds, each against the movements that placed and ended it, and all against held accounts."""

from ledger_project.database.fields import readable
from transfers.sql.entries import newest_entry

HOLDS = f"""
WITH checked AS MATERIALIZED (
    SELECT * FROM (
        SELECT h.id, CASE
            WHEN NOT ({readable("h.amount_minor", "h.reserved_minor", "h.captured_minor")})
                THEN 'it is of ' || h.amount_minor || ', reserves ' || h.reserved_minor || ' and captured ' || h.captured_minor
                    || ', which are not all numbers that can be moved'
            WHEN coalesce(m.places, 0) <> 1 THEN 'it was placed ' || coalesce(m.places, 0) || ' times'
            WHEN m.placed_minor <> h.reserved_minor THEN 'it reserves ' || h.reserved_minor || ', ' || m.placed_minor || ' was moved'
            WHEN a.id IS NULL OR a.merchant_id <> h.source_merchant_id OR a.currency_id <> h.currency_id
                THEN 'its source account is not its merchant''s in its currency'
            WHEN m.created_at <> h.created_at THEN 'its time is not that of its movement'
            WHEN f.id IS NULL THEN 'its fee schedule does not exist'
            WHEN f.payer <> 'sender' AND h.reserved_minor <> h.amount_minor THEN 'it reserves a fee that its sender does not pay'
            WHEN h.status = 'open' AND coalesce(m.ends, 0) <> 0 THEN 'it is open, but its money has moved on'
            WHEN h.status <> 'open' AND m.ends <> 1 THEN 'it is ' || h.status || ', but its money was moved on ' || m.ends || ' times'
            WHEN h.status IN ('voided', 'expired') AND m.released_minor IS DISTINCT FROM h.reserved_minor
                THEN 'it is ' || h.status || ', but what came back is not what was reserved'
            WHEN h.status = 'captured' AND c.id IS NULL THEN 'its capture does not exist'
            WHEN h.status = 'captured' AND (c.hold_id IS DISTINCT FROM h.id OR c.kind <> 'capture') THEN 'its capture is of something else'
            WHEN h.status = 'captured' AND c.amount_minor <> h.captured_minor
                THEN 'it says ' || h.captured_minor || ' was captured, its capture says ' || c.amount_minor
            WHEN h.status = 'captured' AND g.merchant_id <> h.target_merchant_id THEN 'its capture went to another merchant'
        END AS reason
        FROM transfers_hold h
        LEFT JOIN (
            SELECT t.hold_id,
                count(*) FILTER (WHERE t.kind = 'hold') AS places,
                sum(t.amount_minor) FILTER (WHERE t.kind = 'hold') AS placed_minor,
                min(t.created_at) FILTER (WHERE t.kind = 'hold') AS created_at,
                count(*) FILTER (WHERE t.kind IN ('hold_release', 'capture')) AS ends,
                sum(t.amount_minor) FILTER (WHERE t.kind = 'hold_release') AS released_minor
            FROM transfers_transfer t WHERE t.hold_id IS NOT NULL AND /*movements*/ GROUP BY t.hold_id
        ) m ON m.hold_id = h.id
        LEFT JOIN merchants_account a ON a.id = h.source_id
        LEFT JOIN fees_feeschedule f ON f.id = h.fee_schedule_id
        LEFT JOIN transfers_transfer c ON c.id = h.capture_id
        LEFT JOIN merchants_account g ON g.id = c.target_id
        WHERE /*holds*/
    ) c WHERE reason IS NOT NULL
)
SELECT 'hold ' || id, reason FROM checked
UNION ALL
SELECT 'transfer ' || t.id, 'its hold ' || t.hold_id || ' does not exist'
FROM transfers_transfer t LEFT JOIN transfers_hold h ON h.id = t.hold_id
WHERE t.hold_id IS NOT NULL AND h.id IS NULL AND /*transfers*/
LIMIT %(limit)s
"""

HELD = f"""
SELECT 'account ' || id, 'it holds ' || balance || ', open holds have reserved ' || reserved FROM (
    SELECT a.id, coalesce(e.balance_after_minor, 0) AS balance, coalesce(h.reserved, 0) AS reserved
    FROM merchants_account a
    LEFT JOIN LATERAL ({newest_entry("balance_after_minor", account="a.id")}) e ON true
    LEFT JOIN (
        SELECT source_merchant_id, currency_id, sum(reserved_minor) AS reserved FROM transfers_hold WHERE status = 'open' GROUP BY 1, 2
    ) h ON h.source_merchant_id = a.merchant_id AND h.currency_id = a.currency_id
    WHERE a.kind = 'held' AND /*accounts*/
) s WHERE balance <> reserved ORDER BY id LIMIT %(limit)s
"""
