"""Stored answers, each against the transfer that it names."""

KEYS = """
WITH checked AS MATERIALIZED (
    SELECT * FROM (
        SELECT r.id, CASE
            WHEN r.status_code IS NULL THEN 'it was claimed and has no answer'
            WHEN r.transfer_id IS NOT NULL AND t.id IS NULL THEN 'its transfer ' || r.transfer_id || ' does not exist'
            -- A hold's or a registration's answer does not name the movement; all others do.
            WHEN t.kind IN ('transfer', 'capture', 'deposit', 'withdrawal', 'reversal') AND position(t.id::text IN r.body) = 0
                THEN 'its answer does not speak of transfer ' || t.id
            WHEN r.transfer_id IS NOT NULL AND r.status_code >= 400 THEN 'its answer is a refusal, but transfer ' || t.id || ' was posted'
        END AS reason
        FROM transfers_idempotencyrecord r LEFT JOIN transfers_transfer t ON t.id = r.transfer_id
        WHERE /*keys*/
    ) c WHERE reason IS NOT NULL
)
SELECT 'idempotency record ' || id, reason FROM checked ORDER BY id LIMIT %(limit)s
"""
