-- The guards of entries and transfers as they were before migration 0013: read by 0002 and 0008, and by taking 0013 back.

CREATE OR REPLACE FUNCTION ledger_check_entries() RETURNS trigger LANGUAGE plpgsql
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    bad record;
BEGIN
    PERFORM FROM (
        SELECT n.transfer_id, count(*) AS lines, sum(n.change) AS difference, min(n.created_at) AS earliest, max(n.created_at) AS latest,
            min(a.currency_id COLLATE "C") AS one_currency, max(a.currency_id COLLATE "C") AS other_currency,
            bool_or(a.id IS NULL
                OR octet_length(n.hash) <> 32
                OR n.sequence <> coalesce(n.previous_sequence, p.sequence, 0) + 1
                OR n.created_at < coalesce(n.previous_at, p.created_at, n.created_at)
                OR n.balance_after_minor <> coalesce(n.previous_balance, p.balance_after_minor, 0) + n.change
                -- A credit may leave an account below its floor (the overdraft was cut meanwhile); a debit may not.
                OR (n.change < 0 AND n.balance_after_minor < -a.overdraft_limit_minor AND a.kind <> 'external')) AS wrong
        FROM (
            SELECT e.account_id, e.sequence, e.transfer_id, e.balance_after_minor, e.created_at, e.hash,
                CASE e.direction WHEN 'CREDIT' THEN e.amount_minor ELSE -e.amount_minor END AS change,
                lag(e.sequence) OVER chain AS previous_sequence,
                lag(e.balance_after_minor) OVER chain AS previous_balance,
                lag(e.created_at) OVER chain AS previous_at
            FROM new_rows e WINDOW chain AS (PARTITION BY e.account_id ORDER BY e.sequence)
        ) n
        -- No number for a row whose predecessor is in the batch: then the index is not even looked into.
        LEFT JOIN transfers_ledgerentry p
            ON p.account_id = n.account_id AND p.sequence = CASE WHEN n.previous_sequence IS NULL THEN n.sequence - 1 END
        LEFT JOIN merchants_account a ON a.id = n.account_id
        GROUP BY n.transfer_id
    ) s
    LEFT JOIN transfers_transfer t ON t.id = s.transfer_id
    -- True is what is right; anything else, unknown too, is not.
    WHERE (NOT s.wrong AND s.difference = 0 AND s.earliest = t.created_at AND s.latest = t.created_at
        AND s.one_currency = t.currency_id AND s.other_currency = t.currency_id
        -- All entries of a transfer come in one statement: nothing is added to a posted transfer later, not even a balanced pair.
        AND s.lines = (SELECT count(*) FROM transfers_ledgerentry q WHERE q.transfer_id = s.transfer_id)) IS NOT TRUE
    LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;

    SELECT account_id, sequence, reason INTO bad FROM (
        SELECT n.account_id, n.sequence, CASE
                WHEN a.id IS NULL THEN 'account does not exist'
                WHEN t.id IS NULL THEN 'transfer does not exist'
                WHEN a.currency_id <> t.currency_id THEN 'account is of another currency than the transfer'
                WHEN n.created_at <> t.created_at THEN 'time differs from the transfer''s'
                WHEN octet_length(n.hash) <> 32 THEN 'hash is not 32 bytes'
                WHEN n.sequence <> coalesce(p.sequence, 0) + 1 THEN 'gap in sequence'
                WHEN n.created_at < p.created_at THEN 'time runs backwards'
                WHEN n.balance_after_minor <> coalesce(p.balance_after_minor, 0)
                    + CASE n.direction WHEN 'CREDIT' THEN n.amount_minor ELSE -n.amount_minor END
                    THEN 'balance_after is not the previous balance and the amount'
                WHEN n.direction = 'DEBIT' AND a.kind <> 'external' AND n.balance_after_minor < -a.overdraft_limit_minor
                    THEN 'balance below what the account may hold'
            END AS reason
        FROM new_rows n
        LEFT JOIN transfers_ledgerentry p ON p.account_id = n.account_id AND p.sequence = n.sequence - 1
        LEFT JOIN merchants_account a ON a.id = n.account_id
        LEFT JOIN transfers_transfer t ON t.id = n.transfer_id
    ) n WHERE reason IS NOT NULL ORDER BY account_id, sequence LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger: entry % of account %: %', bad.sequence, bad.account_id, bad.reason USING ERRCODE = 'check_violation';
    END IF;

    SELECT e.transfer_id, sum(CASE e.direction WHEN 'DEBIT' THEN e.amount_minor ELSE -e.amount_minor END) AS difference
    INTO bad FROM new_rows e GROUP BY e.transfer_id
    HAVING sum(CASE e.direction WHEN 'DEBIT' THEN e.amount_minor ELSE -e.amount_minor END) <> 0
        OR count(*) <> (SELECT count(*) FROM transfers_ledgerentry q WHERE q.transfer_id = e.transfer_id)
    LIMIT 1;
    RAISE EXCEPTION 'ledger: transfer %: %', bad.transfer_id, CASE bad.difference WHEN 0 THEN 'was posted before, entries cannot be added'
        ELSE 'debits and credits differ by ' || bad.difference END USING ERRCODE = 'check_violation';
END
$$;

CREATE OR REPLACE FUNCTION ledger_check_transfers() RETURNS trigger LANGUAGE plpgsql
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    bad record;
BEGIN
    SELECT n.id, CASE
            WHEN s.id IS NULL THEN 'source does not exist'
            WHEN g.id IS NULL THEN 'target does not exist'
            WHEN s.currency_id <> n.currency_id OR g.currency_id <> n.currency_id THEN 'accounts are of another currency'
            WHEN h.id IS NULL AND n.hold_id IS NOT NULL THEN 'hold does not exist'
            ELSE 'fee schedule does not exist'
        END AS reason
    INTO bad
    FROM new_rows n
    LEFT JOIN merchants_account s ON s.id = n.source_id
    LEFT JOIN merchants_account g ON g.id = n.target_id
    LEFT JOIN fees_feeschedule f ON f.id = n.fee_schedule_id
    LEFT JOIN transfers_hold h ON h.id = n.hold_id
    WHERE s.id IS NULL OR g.id IS NULL OR s.currency_id <> n.currency_id OR g.currency_id <> n.currency_id
        OR (n.fee_schedule_id IS NOT NULL AND f.id IS NULL)
        OR (n.hold_id IS NOT NULL AND h.id IS NULL)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger: transfer %: %', bad.id, bad.reason USING ERRCODE = 'check_violation';
    END IF;

    SELECT r.reverses_id, CASE WHEN o.id IS NULL THEN 'does not exist'
            WHEN o.kind NOT IN ('transfer', 'capture') THEN 'is of a kind that cannot be reversed'
            WHEN o.currency_id <> r.currency_id THEN 'is of another currency'
            ELSE 'would be reversed by more than its amount' END AS reason
    INTO bad
    FROM (SELECT DISTINCT n.reverses_id, n.currency_id FROM new_rows n WHERE n.reverses_id IS NOT NULL) r
    LEFT JOIN transfers_transfer o ON o.id = r.reverses_id
    WHERE o.id IS NULL OR o.kind NOT IN ('transfer', 'capture') OR o.currency_id <> r.currency_id
        OR o.amount_minor < (SELECT sum(q.amount_minor) FROM transfers_transfer q WHERE q.reverses_id = r.reverses_id)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger: the reversed transfer % %', bad.reverses_id, bad.reason USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;
