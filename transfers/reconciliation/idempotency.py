"""Stored answers, each against the claim of its key and the transfer that it names.

A key that is due may be half removed: its claim goes first. And a table of the ring that is
truncated meanwhile is empty in every snapshot, also in that of a proof which began before. So only
the keys of kept days are compared with their claims, and claims only if their day is kept until
tomorrow at least.
"""

_KEPT_FROM = "date_trunc('day', transaction_timestamp() - make_interval(secs => %(retention_s)s), 'UTC')"

KEYS = f"""
WITH checked AS MATERIALIZED (
    SELECT * FROM (
        SELECT r.id, CASE
            WHEN c.id IS NULL AND r.created_at >= {_KEPT_FROM} THEN 'its claim is gone: the key could be used again'
            WHEN r.transfer_id IS NOT NULL AND t.id IS NULL THEN 'its transfer ' || r.transfer_id || ' does not exist'
            -- A hold's or a registration's answer does not name the movement; all others do.
            WHEN t.kind IN ('transfer', 'capture', 'deposit', 'withdrawal', 'reversal') AND position(t.id::text IN r.body) = 0
                THEN 'its answer does not speak of transfer ' || t.id
            WHEN r.transfer_id IS NOT NULL AND r.status_code >= 400 THEN 'its answer is a refusal, but transfer ' || t.id || ' was posted'
        END AS reason
        FROM transfers_idempotencyrecord r LEFT JOIN transfers_transfer t ON t.id = r.transfer_id
        LEFT JOIN transfers_idempotencyclaim c ON c.id = r.id AND c.created_at = r.created_at
        WHERE /*keys*/
        UNION ALL
        SELECT c.id, 'it was claimed and has no answer' FROM transfers_idempotencyclaim c
        WHERE /*claims*/ AND c.created_at >= {_KEPT_FROM} + interval '1 day'
            AND NOT EXISTS (SELECT FROM transfers_idempotencyrecord r WHERE r.id = c.id AND r.created_at = c.created_at)
    ) c WHERE reason IS NOT NULL
)
SELECT 'idempotency record ' || id, reason FROM checked ORDER BY id LIMIT %(limit)s
"""
