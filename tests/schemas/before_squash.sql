-- A database as the last release before the squash of the migrations made it (pg_dump), without rows but those of migrations and content
-- types: for tests/operations/test_migrations.py.
CREATE FUNCTION public.ledger_check_commit() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    bad record;
BEGIN
    -- The common case, in a tenth of the time: a movement by itself that is of no hold and reverses nothing.
    IF NEW.batch_place = 0 AND NEW.hold_id IS NULL AND NEW.reverses_id IS NULL THEN
        PERFORM FROM transfers_ledgerentry e WHERE e.transfer_id = NEW.id LIMIT 1;
        IF FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    SELECT t.id, CASE
            WHEN NOT EXISTS (SELECT FROM transfers_ledgerentry e WHERE e.transfer_id = t.id) THEN 'it has no entries'
            WHEN t.hold_id IS NOT NULL AND h.id IS NULL THEN 'its hold does not exist'
            WHEN t.kind = 'hold' THEN 'its hold is not what it reserves'
            WHEN t.hold_id IS NOT NULL THEN 'it does not end its hold'
            WHEN NOT EXISTS (SELECT FROM transfers_ledgerentry e WHERE e.transfer_id = t.reverses_id) THEN 'what it reverses has no entries'
            ELSE 'the reversals of ' || t.reverses_id || ' add up to more than its amount'
        END AS reason
    INTO bad
    FROM transfers_transfer t
    LEFT JOIN transfers_hold h ON h.id = t.hold_id
    WHERE t.id >= NEW.id AND t.id <= CASE NEW.batch_place WHEN 1 THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff' ELSE NEW.id END
        -- Written by the same statement, or its transaction; a savepoint gives all rows of a statement one number too.
        AND t.xmin = (SELECT f.xmin FROM transfers_transfer f WHERE f.id = NEW.id)
        AND (NOT EXISTS (SELECT FROM transfers_ledgerentry e WHERE e.transfer_id = t.id)
            OR CASE WHEN t.hold_id IS NULL THEN false
                WHEN h.currency_id = t.currency_id THEN (CASE t.kind
                    WHEN 'hold' THEN h.source_id = t.source_id AND h.reserved_minor = t.amount_minor AND h.created_at = t.created_at
                    WHEN 'capture' THEN h.status = 'captured' AND h.capture_id = t.id AND h.captured_minor = t.amount_minor
                        AND h.source_id = t.source_id AND h.fee_schedule_id = t.fee_schedule_id
                        AND h.target_merchant_id = (SELECT g.merchant_id FROM merchants_account g WHERE g.id = t.target_id)
                    WHEN 'hold_release' THEN h.status IN ('voided', 'expired') AND h.source_id = t.target_id
                        AND h.reserved_minor = t.amount_minor END) IS NOT TRUE
                ELSE true END
            OR CASE WHEN t.reverses_id IS NULL THEN false ELSE
                NOT EXISTS (SELECT FROM transfers_ledgerentry e WHERE e.transfer_id = t.reverses_id)
                OR (SELECT o.amount_minor FROM transfers_transfer o WHERE o.id = t.reverses_id)
                    < (SELECT sum(q.amount_minor) FROM transfers_transfer q WHERE q.reverses_id = t.reverses_id) END)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger: transfer %: %', bad.id, bad.reason USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE FUNCTION public.ledger_check_entries() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    bad record;
    bad_entry record;
    doubtful uuid[];
    wrong boolean;
BEGIN
    SELECT array_agg(s.transfer_id), bool_or(s.wrong IS NOT FALSE OR t.id IS NULL) INTO doubtful, wrong FROM (
        SELECT n.transfer_id, min(n.created_at) AS earliest, max(n.created_at) AS latest, bit_or(n.word) AS words,
            string_agg(uuid_send(n.account_id), '') FILTER (WHERE n.word <> 2 AND n.debit) AS debited,
            string_agg(uuid_send(n.account_id), '') FILTER (WHERE n.word <> 2 AND NOT n.debit) AS credited,
            min(n.amount_minor) FILTER (WHERE n.word <> 2) AS least,
            max(n.amount_minor) FILTER (WHERE n.word <> 2) AS most,
            string_agg(uuid_send(n.account_id), '') FILTER (WHERE n.word = 2 AND n.debit) AS charged,
            string_agg(uuid_send(n.merchant_id), '') FILTER (WHERE n.word = 2) AS charging,
            min(n.amount_minor) FILTER (WHERE n.word = 2) AS least_fee,
            max(n.amount_minor) FILTER (WHERE n.word = 2) AS most_fee,
            min(n.currency_id COLLATE "C") FILTER (WHERE n.word = 2 AND NOT n.debit) AS fee_currency,
            bool_or(n.wrong) AS wrong
        FROM (
            -- OFFSET 0 keeps this a step of its own: the rows that are sorted by transfer next are narrow then.
            SELECT c.transfer_id, c.account_id, c.amount_minor, c.created_at, c.word, c.debit, a.merchant_id, a.currency_id,
                octet_length(c.hash) <> 32
                OR c.sequence <> coalesce(c.previous_sequence, p.sequence, 0) + 1
                OR CASE WHEN c.previous_transfer = c.transfer_id THEN c.created_at <> c.previous_at
                    ELSE c.created_at <= coalesce(c.previous_at, p.created_at, '-infinity') END
                OR c.balance_after_minor <> coalesce(c.previous_balance, p.balance_after_minor, 0) + c.change
                -- A credit may leave an account below its floor (the overdraft was cut meanwhile); a debit may not.
                OR (c.debit AND c.balance_after_minor < 0
                    AND (a.kind = 'external' OR c.balance_after_minor >= -a.overdraft_limit_minor) IS NOT TRUE)
                OR (c.word = 2 AND NOT c.debit AND (a.kind = 'fees') IS NOT TRUE) AS wrong
            FROM (
                SELECT e.account_id, e.sequence, e.transfer_id, e.amount_minor, e.balance_after_minor, e.created_at, e.hash,
                    -- Numbers of which each sum tells its parts, so that the words of a transfer's rows are one number.
                    CASE e.type WHEN 'transfer' THEN 1 WHEN 'fee' THEN 2 WHEN 'deposit' THEN 4 WHEN 'hold' THEN 8 WHEN 'withdrawal' THEN 16
                        WHEN 'hold_release' THEN 32 WHEN 'reversal' THEN 64 WHEN 'opening' THEN 128 WHEN 'fee_settlement' THEN 256
                        ELSE 512 END AS word,
                    e.direction = 'DEBIT' AS debit,
                    CASE e.direction WHEN 'CREDIT' THEN e.amount_minor ELSE -e.amount_minor END AS change,
                    lag(e.sequence) OVER chain AS previous_sequence,
                    lag(e.transfer_id) OVER chain AS previous_transfer,
                    lag(e.balance_after_minor) OVER chain AS previous_balance,
                    lag(e.created_at) OVER chain AS previous_at
                FROM new_rows e WINDOW chain AS (PARTITION BY e.account_id ORDER BY e.sequence)
            ) c
            -- No number for a row whose predecessor is in the batch: then the index is not even looked into.
            LEFT JOIN transfers_ledgerentry p
                ON p.account_id = c.account_id AND p.sequence = CASE WHEN c.previous_sequence IS NULL THEN c.sequence - 1 END
            -- Only where something about the account is asked: source and target exist and are of the right kind and currency
            -- (ledger_check_transfers).
            LEFT JOIN merchants_account a
                ON a.id = CASE WHEN c.word = 2 OR (c.debit AND c.balance_after_minor < 0) THEN c.account_id END
            OFFSET 0
        ) n
        GROUP BY n.transfer_id
    ) s
    LEFT JOIN transfers_transfer t ON t.id = s.transfer_id
    -- True is what is right; anything else, unknown too, is not.
    WHERE (NOT s.wrong AND s.earliest = t.created_at AND s.latest = t.created_at
        AND s.debited = uuid_send(t.source_id) AND s.credited = uuid_send(t.target_id)
        AND s.least = t.amount_minor AND s.most = t.amount_minor
        -- 'transfer' is the general word, which each kind of movement may have.
        AND (s.words = CASE t.kind WHEN 'transfer' THEN CASE WHEN t.fee_minor > 0 THEN 3 ELSE 1 END WHEN 'deposit' THEN 4
            WHEN 'hold' THEN 8 WHEN 'withdrawal' THEN 16 WHEN 'hold_release' THEN 32 WHEN 'reversal' THEN 64 WHEN 'opening' THEN 128
            WHEN 'fee_settlement' THEN 256 END OR (s.words = 1 AND t.fee_minor = 0))
        AND (t.fee_minor = 0 OR (s.least_fee = t.fee_minor AND s.most_fee = t.fee_minor AND s.fee_currency = t.currency_id
            AND s.charged = uuid_send(CASE WHEN t.total_debit_minor > t.amount_minor THEN t.source_id ELSE t.target_id END)
            AND octet_length(s.charging) = 32 AND substr(s.charging, 1, 16) = substr(s.charging, 17)))) IS NOT TRUE;
    IF doubtful IS NULL THEN
        RETURN NULL;
    END IF;

    SELECT t.id, CASE
            WHEN l.difference <> 0 THEN 'debits and credits differ by ' || l.difference
            WHEN NOT l.timely THEN 'its entries are of another time'
            WHEN NOT l.own_currency THEN 'an account is of another currency than the transfer'
            WHEN l.debits <> 1 OR l.credits <> 1 THEN 'its entries do not move its amount from its source to its target'
            WHEN l.strangers > 0 THEN 'it has entries that a ' || t.kind || ' between these accounts does not have'
            WHEN l.fee <> t.fee_minor THEN 'its fee is ' || t.fee_minor || ', its entries say ' || l.fee
            WHEN t.kind = 'capture' AND l.from_held IS DISTINCT FROM h.reserved_minor
                THEN 'its hold reserves ' || coalesce(h.reserved_minor::text, 'nothing') || ', its entries take ' || l.from_held
            WHEN l.releases > 1 OR l.release_out <> l.release_in THEN 'what it releases does not go back to its source'
            WHEN l.refunds > 1 OR l.refund_out <> l.refund_in THEN 'what it refunds does not go back to who paid it'
            WHEN l.refund_in > 0 AND (l.refund_in <= CASE WHEN e.earlier + t.amount_minor = o.amount_minor THEN o.fee_minor - e.refunded
                    ELSE div(o.fee_minor * t.amount_minor, o.amount_minor) END) IS NOT TRUE
                THEN 'it refunds more of the fee than its share'
        END AS reason
    INTO bad
    FROM unnest(doubtful) d(id)
    JOIN transfers_transfer t ON t.id = d.id
    JOIN merchants_account s ON s.id = t.source_id
    JOIN merchants_account g ON g.id = t.target_id
    LEFT JOIN transfers_hold h ON h.id = t.hold_id
    LEFT JOIN transfers_transfer o ON o.id = t.reverses_id
    -- Who paid the fee: of the transfer, or of the one that it reverses, whose source is its target.
    CROSS JOIN LATERAL (
        SELECT CASE WHEN o.id IS NOT NULL THEN CASE WHEN o.total_debit_minor > o.amount_minor THEN g.id ELSE s.id END
            WHEN t.total_debit_minor > t.amount_minor THEN s.id ELSE g.id END AS wallet_id
    ) w
    JOIN merchants_account y ON y.id = w.wallet_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(q.amount_minor), 0) AS earlier, coalesce(sum(div(o.fee_minor * q.amount_minor, o.amount_minor)), 0) AS refunded
        FROM transfers_transfer q WHERE q.reverses_id = t.reverses_id AND q.id < t.id
    ) e
    CROSS JOIN LATERAL (
        SELECT sum(CASE WHEN n.debit THEN n.amount_minor ELSE -n.amount_minor END) AS difference,
            bool_and(n.created_at = t.created_at) AS timely,
            bool_and(n.currency_id = t.currency_id) AS own_currency,
            count(*) FILTER (WHERE n.part = 'debit') AS debits,
            count(*) FILTER (WHERE n.part = 'credit') AS credits,
            count(*) FILTER (WHERE n.part IS NULL) AS strangers,
            coalesce(sum(n.amount_minor) FILTER (WHERE n.part = 'fee in'), 0) AS fee,
            coalesce(sum(n.amount_minor) FILTER (WHERE n.kind = 'held' AND n.debit), 0) AS from_held,
            count(*) FILTER (WHERE n.part = 'release in') AS releases,
            coalesce(sum(n.amount_minor) FILTER (WHERE n.part = 'release in'), 0) AS release_in,
            coalesce(sum(n.amount_minor) FILTER (WHERE n.part = 'release out'), 0) AS release_out,
            count(*) FILTER (WHERE n.part = 'refund in') AS refunds,
            coalesce(sum(n.amount_minor) FILTER (WHERE n.part = 'refund in'), 0) AS refund_in,
            coalesce(sum(n.amount_minor) FILTER (WHERE n.part = 'refund out'), 0) AS refund_out
        FROM (
            SELECT x.amount_minor, x.created_at, x.direction = 'DEBIT' AS debit, a.currency_id, a.kind, CASE
                WHEN x.type = t.kind OR x.type = 'transfer' THEN CASE
                    WHEN x.amount_minor <> t.amount_minor THEN NULL
                    WHEN x.direction = 'CREDIT' THEN CASE WHEN a.id = g.id THEN 'credit' END
                    WHEN t.kind = 'capture' THEN CASE WHEN a.kind = 'held' AND a.merchant_id = s.merchant_id THEN 'debit' END
                    WHEN a.id = s.id THEN 'debit' END
                WHEN x.type = 'fee' AND t.kind IN ('transfer', 'capture') THEN CASE
                    WHEN x.direction = 'CREDIT' THEN CASE WHEN a.kind = 'fees' AND a.merchant_id = y.merchant_id THEN 'fee in' END
                    WHEN a.id = y.id OR (t.kind = 'capture' AND a.kind = 'held' AND a.merchant_id = s.merchant_id AND y.id = s.id)
                        THEN 'fee out' END
                WHEN x.type = 'hold_release' AND t.kind = 'capture' THEN CASE
                    WHEN x.direction = 'CREDIT' THEN CASE WHEN a.id = s.id THEN 'release in' END
                    WHEN a.kind = 'held' AND a.merchant_id = s.merchant_id THEN 'release out' END
                WHEN x.type = 'fee_refund' AND t.kind = 'reversal' THEN CASE
                    WHEN x.direction = 'CREDIT' THEN CASE WHEN a.id = y.id THEN 'refund in' END
                    -- From the payer's fees, or from the treasury that they were settled to.
                    WHEN a.kind = 'wallet' OR (a.kind = 'fees' AND a.merchant_id = y.merchant_id) THEN 'refund out' END
                END AS part
            FROM transfers_ledgerentry x JOIN merchants_account a ON a.id = x.account_id
            WHERE x.transfer_id = t.id
            OFFSET 0
        ) n
    ) l
    WHERE (l.difference = 0 AND l.timely AND l.own_currency AND l.debits = 1 AND l.credits = 1 AND l.strangers = 0 AND l.fee = t.fee_minor
        AND (t.kind <> 'capture' OR l.from_held = h.reserved_minor)
        AND l.releases <= 1 AND l.release_out = l.release_in AND l.refunds <= 1 AND l.refund_out = l.refund_in
        AND (l.refund_in = 0 OR l.refund_in <= CASE WHEN e.earlier + t.amount_minor = o.amount_minor THEN o.fee_minor - e.refunded
            ELSE div(o.fee_minor * t.amount_minor, o.amount_minor) END)) IS NOT TRUE
    ORDER BY t.id LIMIT 1;
    IF bad.id IS NULL AND NOT wrong THEN
        RETURN NULL;
    END IF;

    SELECT account_id, sequence, reason INTO bad_entry FROM (
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
                WHEN n.type = 'fee' AND n.direction = 'CREDIT' AND a.kind <> 'fees' THEN 'a fee on an account of kind ' || a.kind
                WHEN n.type = 'fee' AND n.direction = 'DEBIT' AND a.kind NOT IN ('wallet', 'held') THEN 'a fee from an account of kind ' || a.kind
                WHEN n.transfer_id = p.transfer_id AND NOT EXISTS (
                    SELECT FROM new_rows q WHERE q.account_id = n.account_id AND q.sequence = n.sequence - 1)
                    THEN 'its transfer was posted before, entries cannot be added'
                WHEN n.transfer_id <> p.transfer_id AND n.created_at = p.created_at
                    THEN 'time is that of the posting before it; each is a microsecond later at least'
            END AS reason
        FROM new_rows n
        LEFT JOIN transfers_ledgerentry p ON p.account_id = n.account_id AND p.sequence = n.sequence - 1
        LEFT JOIN merchants_account a ON a.id = n.account_id
        LEFT JOIN transfers_transfer t ON t.id = n.transfer_id
    ) n WHERE reason IS NOT NULL ORDER BY account_id, sequence LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger: entry % of account %: %', bad_entry.sequence, bad_entry.account_id, bad_entry.reason
            USING ERRCODE = 'check_violation';
    END IF;
    RAISE EXCEPTION 'ledger: transfer %: %', coalesce(bad.id, doubtful[1]), coalesce(bad.reason, 'its entries are not its own')
        USING ERRCODE = 'check_violation';
END
$$;
CREATE FUNCTION public.ledger_check_fee_schedules() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $_$
DECLARE
    bad record;
BEGIN
    SELECT n.id, n.version INTO bad
    FROM new_rows n
    LEFT JOIN fees_feeschedule p ON p.merchant_id IS NOT DISTINCT FROM n.merchant_id AND p.currency_id IS NOT DISTINCT FROM n.currency_id
        AND p.kind IS NOT DISTINCT FROM n.kind AND p.version = n.version - 1
    WHERE (n.version > 1 AND p.id IS NULL) OR n.version < 1 OR p.effective_from >= n.effective_from
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger: fee schedule % (version %) must follow the version before it, with a later effective_from', bad.id, bad.version
            USING ERRCODE = 'check_violation';
    END IF;
    SELECT n.id, n.version INTO bad FROM new_rows n WHERE n.effective_from > clock_timestamp() + interval '3661 days' LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger: fee schedule % (version %) must come into force within ten years', bad.id, bad.version
            USING ERRCODE = 'check_violation';
    END IF;
    SELECT n.id, n.version INTO bad
    FROM new_rows n
    WHERE jsonb_typeof(n.tiers) <> 'array' OR EXISTS (
        SELECT FROM (
            SELECT e.tier, e.position, lead(e.position) OVER positions IS NULL AS is_last,
                lag(e.tier ->> 'up_to_minor') OVER positions AS below
            FROM jsonb_array_elements(CASE jsonb_typeof(n.tiers) WHEN 'array' THEN n.tiers ELSE '[]' END) WITH ORDINALITY AS e(tier, position)
            WINDOW positions AS (ORDER BY e.position)
        ) t
        WHERE CASE
            WHEN t.position > 50 OR jsonb_typeof(t.tier) <> 'object' THEN true
            WHEN t.tier - ARRAY['up_to_minor', 'rate', 'flat_minor'] <> '{}' OR jsonb_typeof(t.tier -> 'up_to_minor') IS NULL THEN true
            WHEN (t.tier -> 'up_to_minor' = 'null') <> t.is_last THEN true
            WHEN coalesce(jsonb_typeof(t.tier -> 'rate'), 'string') <> 'string'
                OR coalesce(jsonb_typeof(t.tier -> 'flat_minor'), 'number') <> 'number'
                OR jsonb_typeof(t.tier -> 'up_to_minor') NOT IN ('null', 'number') THEN true
            WHEN coalesce(t.tier ->> 'rate', '0') COLLATE "C" !~ '^(0(\.[0-9]{1,10})?|1(\.0{1,10})?)$'
                OR coalesce(t.tier ->> 'flat_minor', '0') COLLATE "C" !~ '^(0|[1-9][0-9]{0,30})$'
                OR coalesce(t.tier ->> 'up_to_minor', '1') COLLATE "C" !~ '^[1-9][0-9]{0,30}$' THEN true
            ELSE (t.tier ->> 'flat_minor')::numeric > 1e30 OR (t.tier ->> 'up_to_minor')::numeric > 1e30
                OR (t.tier ->> 'up_to_minor')::numeric <= t.below::numeric
        END
    )
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger: fee schedule % (version %) has tiers that cannot be charged', bad.id, bad.version
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$_$;
CREATE FUNCTION public.ledger_check_hold() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    bad record;
BEGIN
    SELECT h.id, CASE
            WHEN m.id IS NULL THEN 'it was not placed by a movement of its money'
            WHEN h.status = 'open' THEN 'it is open, but its money has moved on'
            WHEN e.id IS NULL THEN 'it is ' || h.status || ', but its money was not moved on'
            ELSE 'it is ' || h.status || ', but that is not what was done with its money' END AS reason
    INTO bad
    FROM transfers_hold h
    LEFT JOIN transfers_transfer m ON m.hold_id = h.id AND m.kind = 'hold' AND m.source_id = h.source_id AND m.amount_minor = h.reserved_minor
        AND m.currency_id = h.currency_id AND m.created_at = h.created_at
        AND h.source_merchant_id = (SELECT s.merchant_id FROM merchants_account s WHERE s.id = m.source_id)
    LEFT JOIN transfers_transfer e ON e.hold_id = h.id AND e.kind <> 'hold'
    WHERE h.id = NEW.id AND (m.id IS NOT NULL AND CASE h.status
        WHEN 'open' THEN e.id IS NULL
        WHEN 'captured' THEN e.kind = 'capture' AND e.id = h.capture_id AND e.amount_minor = h.captured_minor
        ELSE e.kind = 'hold_release' AND e.amount_minor = h.reserved_minor END) IS NOT TRUE
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger: hold %: %', bad.id, bad.reason USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE FUNCTION public.ledger_check_transfers() RETURNS trigger
    LANGUAGE plpgsql
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_bitmapscan TO 'off'
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    bad record;
    -- More than LEDGER_CLOCK_TOLERANCE may be (checks.py), so that what the service posts is never refused here.
    latest timestamptz := clock_timestamp() + interval '10 seconds';
    first uuid;
BEGIN
    SELECT n.id INTO first FROM new_rows n WHERE n.batch_place = 1 ORDER BY n.id LIMIT 1;
    SELECT n.id, CASE
            WHEN s.id IS NULL THEN 'source does not exist'
            WHEN g.id IS NULL THEN 'target does not exist'
            WHEN s.currency_id <> n.currency_id OR g.currency_id <> n.currency_id THEN 'accounts are of another currency'
            WHEN n.fee_schedule_id IS NOT NULL AND f.id IS NULL THEN 'fee schedule does not exist'
            WHEN n.created_at > latest THEN 'its time is in the future'
            WHEN n.batch_place = 2 AND (n.id > first) IS NOT TRUE THEN 'the first of its batch is not there'
            WHEN (n.total_debit_minor = n.amount_minor OR n.total_debit_minor = n.amount_minor + n.fee_minor) IS NOT TRUE
                THEN 'its total debit is neither its amount nor amount and fee'
            WHEN n.fee_minor <> 0 AND n.kind NOT IN ('transfer', 'capture') THEN 'a ' || n.kind || ' has no fee'
            WHEN n.kind IN ('hold', 'hold_release', 'capture') AND n.hold_id IS NULL THEN 'a ' || n.kind || ' is of a hold'
            WHEN n.kind NOT IN ('hold', 'hold_release', 'capture') AND n.hold_id IS NOT NULL THEN 'a ' || n.kind || ' is of no hold'
            ELSE 'a ' || n.kind || ' does not go from an account of kind ' || s.kind || ' to one of kind ' || g.kind
                || CASE WHEN s.merchant_id <> g.merchant_id THEN ' of somebody else' ELSE '' END
        END AS reason
    INTO bad
    FROM new_rows n
    LEFT JOIN merchants_account s ON s.id = n.source_id
    LEFT JOIN merchants_account g ON g.id = n.target_id
    LEFT JOIN fees_feeschedule f ON f.id = n.fee_schedule_id
    WHERE s.id IS NULL OR g.id IS NULL OR s.currency_id <> n.currency_id OR g.currency_id <> n.currency_id
        OR (n.fee_schedule_id IS NOT NULL AND f.id IS NULL)
        OR n.created_at > latest
        OR (n.batch_place = 2 AND (n.id > first) IS NOT TRUE)
        OR (n.total_debit_minor = n.amount_minor OR n.total_debit_minor = n.amount_minor + n.fee_minor) IS NOT TRUE
        OR (n.fee_minor <> 0 AND n.kind <> 'transfer' AND n.kind <> 'capture')
        OR (n.hold_id IS NOT NULL) <> (n.kind IN ('hold', 'hold_release', 'capture'))
        OR CASE n.kind
            WHEN 'transfer' THEN s.kind <> 'wallet' OR g.kind <> 'wallet'
            WHEN 'capture' THEN s.kind <> 'wallet' OR g.kind <> 'wallet'
            WHEN 'reversal' THEN false  -- below: it goes the way of a transfer or a capture
            WHEN 'fee_settlement' THEN s.kind <> 'fees' OR g.kind <> 'wallet'
            ELSE s.merchant_id <> g.merchant_id
                OR s.kind <> CASE n.kind WHEN 'deposit' THEN 'external' WHEN 'opening' THEN 'external' WHEN 'hold_release' THEN 'held'
                    ELSE 'wallet' END
                OR g.kind <> CASE n.kind WHEN 'withdrawal' THEN 'external' WHEN 'hold' THEN 'held' ELSE 'wallet' END END
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger: transfer %: %', bad.id, bad.reason USING ERRCODE = 'check_violation';
    END IF;

    SELECT r.reverses_id, CASE WHEN o.id IS NULL THEN 'does not exist'
            WHEN o.kind NOT IN ('transfer', 'capture') THEN 'is of a kind that cannot be reversed'
            WHEN o.currency_id <> r.currency_id THEN 'is of another currency'
            WHEN o.source_id <> r.target_id OR o.target_id <> r.source_id THEN 'went another way'
            ELSE 'would be reversed by more than its amount' END AS reason
    INTO bad
    FROM (
        SELECT DISTINCT n.reverses_id, n.currency_id, n.source_id, n.target_id FROM new_rows n WHERE n.reverses_id IS NOT NULL
    ) r
    LEFT JOIN transfers_transfer o ON o.id = r.reverses_id
    WHERE o.id IS NULL OR o.kind NOT IN ('transfer', 'capture') OR o.currency_id <> r.currency_id
        OR o.source_id <> r.target_id OR o.target_id <> r.source_id
        OR o.amount_minor < (SELECT sum(q.amount_minor) FROM transfers_transfer q WHERE q.reverses_id = r.reverses_id)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger: the reversed transfer % %', bad.reverses_id, bad.reason USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE FUNCTION public.ledger_grams(name text) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
    SELECT coalesce(array_agg(DISTINCT substr(name, first, size)), '{}')
    FROM generate_series(1, 3) AS size, generate_series(1, length(name) - size + 1) AS first
$$;
CREATE FUNCTION public.ledger_refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'ledger: % of % is refused: %', lower(TG_OP), TG_TABLE_NAME, TG_ARGV[0]
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TABLE public.auth_group (
    id integer NOT NULL,
    name character varying(150) NOT NULL
);
ALTER TABLE public.auth_group ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.auth_group_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.auth_group_permissions (
    id bigint NOT NULL,
    group_id integer NOT NULL,
    permission_id integer NOT NULL
);
ALTER TABLE public.auth_group_permissions ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.auth_group_permissions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.auth_permission (
    id integer NOT NULL,
    name character varying(255) NOT NULL,
    content_type_id integer NOT NULL,
    codename character varying(100) NOT NULL
);
ALTER TABLE public.auth_permission ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.auth_permission_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.auth_user (
    id integer NOT NULL,
    password character varying(128) NOT NULL,
    last_login timestamp with time zone,
    is_superuser boolean NOT NULL,
    username character varying(150) NOT NULL,
    first_name character varying(150) NOT NULL,
    last_name character varying(150) NOT NULL,
    email character varying(254) NOT NULL,
    is_staff boolean NOT NULL,
    is_active boolean NOT NULL,
    date_joined timestamp with time zone NOT NULL
);
CREATE TABLE public.auth_user_groups (
    id bigint NOT NULL,
    user_id integer NOT NULL,
    group_id integer NOT NULL
);
ALTER TABLE public.auth_user_groups ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.auth_user_groups_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE public.auth_user ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.auth_user_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.auth_user_user_permissions (
    id bigint NOT NULL,
    user_id integer NOT NULL,
    permission_id integer NOT NULL
);
ALTER TABLE public.auth_user_user_permissions ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.auth_user_user_permissions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.axes_accessattempt (
    id integer NOT NULL,
    user_agent character varying(255) NOT NULL,
    ip_address inet,
    username character varying(255),
    http_accept character varying(1025) NOT NULL,
    path_info character varying(255) NOT NULL,
    attempt_time timestamp with time zone NOT NULL,
    get_data text NOT NULL,
    post_data text NOT NULL,
    failures_since_start integer NOT NULL,
    CONSTRAINT axes_accessattempt_failures_since_start_check CHECK ((failures_since_start >= 0))
);
ALTER TABLE public.axes_accessattempt ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.axes_accessattempt_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.axes_accessattemptexpiration (
    access_attempt_id integer NOT NULL,
    expires_at timestamp with time zone NOT NULL
);
CREATE TABLE public.axes_accessfailurelog (
    id integer NOT NULL,
    user_agent character varying(255) NOT NULL,
    ip_address inet,
    username character varying(255),
    http_accept character varying(1025) NOT NULL,
    path_info character varying(255) NOT NULL,
    attempt_time timestamp with time zone NOT NULL,
    locked_out boolean NOT NULL
);
ALTER TABLE public.axes_accessfailurelog ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.axes_accessfailurelog_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.axes_accesslog (
    id integer NOT NULL,
    user_agent character varying(255) NOT NULL,
    ip_address inet,
    username character varying(255),
    http_accept character varying(1025) NOT NULL,
    path_info character varying(255) NOT NULL,
    attempt_time timestamp with time zone NOT NULL,
    logout_time timestamp with time zone,
    session_hash character varying(64) NOT NULL
);
ALTER TABLE public.axes_accesslog ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.axes_accesslog_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.django_admin_log (
    id integer NOT NULL,
    action_time timestamp with time zone NOT NULL,
    object_id text,
    object_repr character varying(200) NOT NULL,
    action_flag smallint NOT NULL,
    change_message text NOT NULL,
    content_type_id integer,
    user_id integer NOT NULL,
    CONSTRAINT django_admin_log_action_flag_check CHECK ((action_flag >= 0))
);
ALTER TABLE public.django_admin_log ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.django_admin_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.django_content_type (
    id integer NOT NULL,
    app_label character varying(100) NOT NULL,
    model character varying(100) NOT NULL
);
ALTER TABLE public.django_content_type ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.django_content_type_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.django_migrations (
    id bigint NOT NULL,
    app character varying(255) NOT NULL,
    name character varying(255) NOT NULL,
    applied timestamp with time zone NOT NULL
);
ALTER TABLE public.django_migrations ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.django_migrations_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.django_session (
    session_key character varying(40) NOT NULL,
    session_data text NOT NULL,
    expire_date timestamp with time zone NOT NULL
);
CREATE TABLE public.fees_feeschedule (
    id uuid NOT NULL,
    version integer NOT NULL,
    kind character varying(16),
    rate numeric(11,10) NOT NULL,
    flat_minor numeric(38,0) NOT NULL,
    minimum_minor numeric(38,0),
    maximum_minor numeric(38,0),
    tier_mode character varying(16),
    tiers jsonb NOT NULL,
    rounding character varying(16) NOT NULL,
    payer character varying(8) NOT NULL,
    effective_from timestamp with time zone NOT NULL,
    note text NOT NULL,
    created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    created_by_id integer,
    currency_id character varying(12),
    merchant_id uuid,
    CONSTRAINT fee_schedule_effective_from_range CHECK (((effective_from >= '1970-01-01 00:00:00+00'::timestamp with time zone) AND (effective_from < '3000-01-01 00:00:00+00'::timestamp with time zone))),
    CONSTRAINT fee_schedule_kind_known CHECK (((kind IS NULL) OR ((kind)::text = ANY ((ARRAY['transfer'::character varying, 'capture'::character varying])::text[])))),
    CONSTRAINT fee_schedule_minimum_below_maximum CHECK (((minimum_minor IS NULL) OR (maximum_minor IS NULL) OR (minimum_minor <= maximum_minor))),
    CONSTRAINT fee_schedule_money_bounded CHECK (((flat_minor <= '1000000000000000000000000000000'::numeric) AND ((minimum_minor IS NULL) OR (minimum_minor <= '1000000000000000000000000000000'::numeric)) AND ((maximum_minor IS NULL) OR (maximum_minor <= '1000000000000000000000000000000'::numeric)))),
    CONSTRAINT fee_schedule_money_needs_currency CHECK (((currency_id IS NOT NULL) OR ((flat_minor = (0)::numeric) AND (maximum_minor IS NULL) AND (minimum_minor IS NULL) AND (tier_mode IS NULL)))),
    CONSTRAINT fee_schedule_money_not_negative CHECK (((flat_minor >= (0)::numeric) AND ((minimum_minor IS NULL) OR (minimum_minor >= (0)::numeric)) AND ((maximum_minor IS NULL) OR (maximum_minor >= (0)::numeric)))),
    CONSTRAINT fee_schedule_payer_known CHECK (((payer)::text = ANY ((ARRAY['sender'::character varying, 'receiver'::character varying])::text[]))),
    CONSTRAINT fee_schedule_rate_range CHECK (((rate >= (0)::numeric) AND (rate <= (1)::numeric))),
    CONSTRAINT fee_schedule_rounding_known CHECK (((rounding)::text = ANY ((ARRAY['half_even'::character varying, 'half_up'::character varying, 'half_down'::character varying, 'up'::character varying, 'down'::character varying, 'ceiling'::character varying, 'floor'::character varying])::text[]))),
    CONSTRAINT fee_schedule_tiers_have_mode CHECK ((((tier_mode IS NULL) AND (tiers = '[]'::jsonb)) OR (((tier_mode)::text = ANY ((ARRAY['volume'::character varying, 'graduated'::character varying])::text[])) AND (NOT (tiers = '[]'::jsonb))))),
    CONSTRAINT fees_feeschedule_version_check CHECK ((version >= 0))
);
CREATE TABLE public.merchants_account (
    id uuid NOT NULL,
    kind character varying(8) NOT NULL,
    status character varying(8) NOT NULL,
    overdraft_limit_minor numeric(38,0) NOT NULL,
    created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    currency_id character varying(12) NOT NULL,
    merchant_id uuid NOT NULL,
    CONSTRAINT account_kind_known CHECK (((kind)::text = ANY ((ARRAY['wallet'::character varying, 'held'::character varying, 'fees'::character varying, 'external'::character varying])::text[]))),
    CONSTRAINT account_overdraft_bounded CHECK ((overdraft_limit_minor <= '99999999999999999999999999999999999999'::numeric)),
    CONSTRAINT account_overdraft_of_wallets CHECK (((overdraft_limit_minor = (0)::numeric) OR (((kind)::text = 'wallet'::text) AND (overdraft_limit_minor > (0)::numeric)))),
    CONSTRAINT account_status_known CHECK (((status)::text = ANY ((ARRAY['active'::character varying, 'frozen'::character varying, 'closed'::character varying])::text[])))
);
CREATE TABLE public.merchants_apikey (
    id uuid NOT NULL,
    name character varying(100) NOT NULL,
    prefix character varying(16) NOT NULL,
    digest bytea NOT NULL,
    scopes character varying(32)[] NOT NULL,
    created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    merchant_id uuid,
    CONSTRAINT api_key_operations_of_platform CHECK (((merchant_id IS NULL) OR (NOT (scopes && ARRAY['operations:read'::character varying(32), 'operations:write'::character varying(32)])))),
    CONSTRAINT api_key_scopes_known CHECK (((scopes <@ ARRAY['merchants:read'::character varying(32), 'merchants:write'::character varying(32), 'transfers:read'::character varying(32), 'transfers:write'::character varying(32), 'fees:read'::character varying(32), 'operations:read'::character varying(32), 'operations:write'::character varying(32)]) AND (
CASE
    WHEN (scopes IS NULL) THEN NULL::integer
    ELSE COALESCE(array_length(scopes, 1), 0)
END > 0)))
);
CREATE TABLE public.merchants_currency (
    code character varying(12) NOT NULL,
    exponent smallint NOT NULL,
    name character varying(100) NOT NULL,
    is_active boolean NOT NULL,
    CONSTRAINT currency_code_format CHECK (((code)::text ~ '^[A-Z][A-Z0-9]{1,11}$'::text)),
    CONSTRAINT currency_exponent_range CHECK ((exponent <= 30)),
    CONSTRAINT merchants_currency_exponent_check CHECK ((exponent >= 0))
);
CREATE TABLE public.merchants_merchant (
    id uuid NOT NULL,
    name character varying(64) NOT NULL,
    status character varying(8) NOT NULL,
    metadata jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    display_name character varying(200),
    receipt_email character varying(254),
    CONSTRAINT merchant_display_name_not_empty CHECK ((NOT (((display_name)::text = ''::text) AND (display_name IS NOT NULL)))),
    CONSTRAINT merchant_name_format CHECK (((name)::text ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'::text)),
    CONSTRAINT merchant_status_known CHECK (((status)::text = ANY ((ARRAY['active'::character varying, 'frozen'::character varying, 'closed'::character varying])::text[])))
);
CREATE TABLE public.otp_totp_totpdevice (
    id integer NOT NULL,
    name character varying(64) NOT NULL,
    confirmed boolean NOT NULL,
    key character varying(80) NOT NULL,
    step smallint NOT NULL,
    t0 bigint NOT NULL,
    digits smallint NOT NULL,
    tolerance smallint NOT NULL,
    drift smallint NOT NULL,
    last_t bigint NOT NULL,
    user_id integer NOT NULL,
    throttling_failure_count integer NOT NULL,
    throttling_failure_timestamp timestamp with time zone,
    created_at timestamp with time zone,
    last_used_at timestamp with time zone,
    CONSTRAINT otp_totp_totpdevice_digits_check CHECK ((digits >= 0)),
    CONSTRAINT otp_totp_totpdevice_step_check CHECK ((step >= 0)),
    CONSTRAINT otp_totp_totpdevice_throttling_failure_count_check CHECK ((throttling_failure_count >= 0)),
    CONSTRAINT otp_totp_totpdevice_tolerance_check CHECK ((tolerance >= 0))
);
ALTER TABLE public.otp_totp_totpdevice ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME public.otp_totp_totpdevice_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.transfers_dailyactivity (
    currency character varying(12) NOT NULL,
    day date NOT NULL,
    kind character varying(16) NOT NULL,
    transfers bigint NOT NULL,
    volume_minor numeric(60,0) NOT NULL,
    fees_minor numeric(60,0) NOT NULL,
    fee_refunds_minor numeric(60,0) NOT NULL,
    CONSTRAINT daily_activity_bounded CHECK (((fee_refunds_minor <= '999999999999999999999999999999999999999999999999999999999999'::numeric) AND (fees_minor <= '999999999999999999999999999999999999999999999999999999999999'::numeric) AND (volume_minor <= '999999999999999999999999999999999999999999999999999999999999'::numeric)))
);
CREATE TABLE public.transfers_dailymerchant (
    currency character varying(12) NOT NULL,
    day date NOT NULL,
    merchant_id uuid NOT NULL,
    entries bigint NOT NULL,
    sent_minor numeric(60,0) NOT NULL,
    received_minor numeric(60,0) NOT NULL,
    CONSTRAINT daily_merchant_bounded CHECK (((received_minor <= '999999999999999999999999999999999999999999999999999999999999'::numeric) AND (sent_minor <= '999999999999999999999999999999999999999999999999999999999999'::numeric)))
);
CREATE TABLE public.transfers_dailyrefusals (
    currency character varying(12) NOT NULL,
    day date NOT NULL,
    code character varying(64) NOT NULL,
    refusals bigint NOT NULL
);
CREATE TABLE public.transfers_dailyvalue (
    currency character varying(12) NOT NULL,
    day date NOT NULL,
    account_kind character varying(8) NOT NULL,
    entries bigint NOT NULL,
    change_minor numeric(60,0) NOT NULL,
    CONSTRAINT daily_value_bounded CHECK ((change_minor <= '999999999999999999999999999999999999999999999999999999999999'::numeric))
);
CREATE TABLE public.transfers_hold (
    id uuid NOT NULL,
    amount_minor numeric(38,0) NOT NULL,
    reserved_minor numeric(38,0) NOT NULL,
    captured_minor numeric(38,0) NOT NULL,
    status character varying(8) NOT NULL,
    memo character varying(500),
    metadata jsonb NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    currency_id character varying(12) NOT NULL,
    fee_schedule_id uuid NOT NULL,
    source_id uuid NOT NULL,
    source_merchant_id uuid NOT NULL,
    target_merchant_id uuid NOT NULL,
    capture_id uuid,
    CONSTRAINT hold_amount_positive CHECK ((amount_minor > (0)::numeric)),
    CONSTRAINT hold_amounts_bounded CHECK (((amount_minor <= '99999999999999999999999999999999999999'::numeric) AND (reserved_minor <= '99999999999999999999999999999999999999'::numeric))),
    CONSTRAINT hold_captured_has_transfer CHECK ((((capture_id IS NOT NULL) AND (captured_minor > (0)::numeric) AND ((status)::text = 'captured'::text)) OR ((NOT ((status)::text = 'captured'::text)) AND (capture_id IS NULL) AND (captured_minor = (0)::numeric)))),
    CONSTRAINT hold_captured_within_amount CHECK (((captured_minor >= (0)::numeric) AND (captured_minor <= amount_minor))),
    CONSTRAINT hold_reserves_amount CHECK ((reserved_minor >= amount_minor)),
    CONSTRAINT hold_status_known CHECK (((status)::text = ANY ((ARRAY['open'::character varying, 'captured'::character varying, 'voided'::character varying, 'expired'::character varying])::text[])))
);
CREATE TABLE public.transfers_idempotencyrecord (
    id uuid NOT NULL,
    owner character varying(255) CONSTRAINT transfers_idempotencyrecord_principal_not_null NOT NULL,
    key character varying(255) NOT NULL,
    fingerprint bytea NOT NULL,
    status_code smallint,
    body text,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    transfer_id uuid,
    CONSTRAINT idempotency_answer_whole CHECK ((((body IS NULL) AND (status_code IS NULL)) OR ((body IS NOT NULL) AND (status_code IS NOT NULL)))),
    CONSTRAINT transfers_idempotencyrecord_status_code_check CHECK ((status_code >= 0))
)
WITH (fillfactor='45');
CREATE TABLE public.transfers_ledgerentry (
    sequence bigint NOT NULL,
    direction character varying(6) NOT NULL,
    type character varying(16) NOT NULL,
    amount_minor numeric(38,0) NOT NULL,
    balance_after_minor numeric(38,0) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    hash bytea NOT NULL,
    account_id uuid NOT NULL,
    transfer_id uuid NOT NULL,
    CONSTRAINT entry_amount_positive CHECK ((amount_minor > (0)::numeric)),
    CONSTRAINT entry_amounts_bounded CHECK (((amount_minor <= '99999999999999999999999999999999999999'::numeric) AND (balance_after_minor <= '99999999999999999999999999999999999999'::numeric))),
    CONSTRAINT entry_direction_known CHECK (((direction)::text = ANY ((ARRAY['DEBIT'::character varying, 'CREDIT'::character varying])::text[]))),
    CONSTRAINT entry_sequence_positive CHECK ((sequence > 0)),
    CONSTRAINT entry_type_known CHECK (((type)::text = ANY ((ARRAY['transfer'::character varying, 'deposit'::character varying, 'withdrawal'::character varying, 'opening'::character varying, 'hold'::character varying, 'hold_release'::character varying, 'capture'::character varying, 'reversal'::character varying, 'fee'::character varying, 'fee_refund'::character varying, 'fee_settlement'::character varying])::text[])))
);
CREATE TABLE public.transfers_reconciliationrun (
    id uuid NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone NOT NULL,
    verdict character varying(8) NOT NULL,
    findings jsonb NOT NULL,
    entries_checked bigint NOT NULL,
    scope text NOT NULL,
    CONSTRAINT reconciliation_damage_is_named CHECK ((((findings = '[]'::jsonb) AND ((verdict)::text = 'clean'::text)) OR (((verdict)::text = 'damaged'::text) AND (NOT (findings = '[]'::jsonb))))),
    CONSTRAINT reconciliation_verdict_known CHECK (((verdict)::text = ANY ((ARRAY['clean'::character varying, 'damaged'::character varying])::text[])))
);
CREATE TABLE public.transfers_refusaltally (
    id uuid NOT NULL,
    currency character varying(12) NOT NULL,
    code character varying(64) NOT NULL,
    refusals integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT transfers_refusaltally_refusals_check CHECK ((refusals >= 0))
);
CREATE TABLE public.transfers_rollupmark (
    id smallint NOT NULL,
    rolled_until timestamp with time zone NOT NULL,
    candidate_until timestamp with time zone,
    candidate_xid bigint,
    refreshed_at timestamp with time zone NOT NULL,
    CONSTRAINT rollup_mark_single CHECK ((id = 1)),
    CONSTRAINT transfers_rollupmark_id_check CHECK ((id >= 0))
);
CREATE TABLE public.transfers_transfer (
    id uuid NOT NULL,
    kind character varying(16) NOT NULL,
    amount_minor numeric(38,0) NOT NULL,
    fee_minor numeric(38,0) NOT NULL,
    total_debit_minor numeric(38,0) NOT NULL,
    external_reference character varying(255),
    memo character varying(500),
    metadata jsonb NOT NULL,
    principal character varying(255) NOT NULL,
    request_id character varying(128) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    currency_id character varying(12) NOT NULL,
    fee_schedule_id uuid,
    hold_id uuid,
    reverses_id uuid,
    source_id uuid NOT NULL,
    target_id uuid NOT NULL,
    batch_place smallint DEFAULT 0 NOT NULL,
    CONSTRAINT transfer_amount_positive CHECK ((amount_minor > (0)::numeric)),
    CONSTRAINT transfer_amounts_bounded CHECK (((amount_minor <= '99999999999999999999999999999999999999'::numeric) AND (fee_minor <= '99999999999999999999999999999999999999'::numeric) AND (total_debit_minor <= '99999999999999999999999999999999999999'::numeric))),
    CONSTRAINT transfer_fee_has_schedule CHECK (((fee_minor = (0)::numeric) OR (fee_schedule_id IS NOT NULL))),
    CONSTRAINT transfer_fee_not_negative CHECK ((fee_minor >= (0)::numeric)),
    CONSTRAINT transfer_kind_known CHECK (((kind)::text = ANY ((ARRAY['transfer'::character varying, 'deposit'::character varying, 'withdrawal'::character varying, 'opening'::character varying, 'hold'::character varying, 'hold_release'::character varying, 'capture'::character varying, 'reversal'::character varying, 'fee_settlement'::character varying])::text[]))),
    CONSTRAINT transfer_reversal_has_original CHECK (((((kind)::text = 'reversal'::text) AND (reverses_id IS NOT NULL)) OR ((NOT ((kind)::text = 'reversal'::text)) AND (reverses_id IS NULL)))),
    CONSTRAINT transfer_two_accounts CHECK ((NOT (source_id = target_id)))
);
ALTER TABLE ONLY public.merchants_account
    ADD CONSTRAINT account_merchant_currency_kind_unique UNIQUE (merchant_id, currency_id, kind);
ALTER TABLE ONLY public.merchants_apikey
    ADD CONSTRAINT api_key_digest_unique UNIQUE (digest);
ALTER TABLE ONLY public.merchants_apikey
    ADD CONSTRAINT api_key_prefix_unique UNIQUE (prefix);
ALTER TABLE ONLY public.auth_group
    ADD CONSTRAINT auth_group_name_key UNIQUE (name);
ALTER TABLE ONLY public.auth_group_permissions
    ADD CONSTRAINT auth_group_permissions_group_id_permission_id_0cd325b0_uniq UNIQUE (group_id, permission_id);
ALTER TABLE ONLY public.auth_group_permissions
    ADD CONSTRAINT auth_group_permissions_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.auth_group
    ADD CONSTRAINT auth_group_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.auth_permission
    ADD CONSTRAINT auth_permission_content_type_id_codename_01ab375a_uniq UNIQUE (content_type_id, codename);
ALTER TABLE ONLY public.auth_permission
    ADD CONSTRAINT auth_permission_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.auth_user_groups
    ADD CONSTRAINT auth_user_groups_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.auth_user_groups
    ADD CONSTRAINT auth_user_groups_user_id_group_id_94350c0c_uniq UNIQUE (user_id, group_id);
ALTER TABLE ONLY public.auth_user
    ADD CONSTRAINT auth_user_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.auth_user_user_permissions
    ADD CONSTRAINT auth_user_user_permissions_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.auth_user_user_permissions
    ADD CONSTRAINT auth_user_user_permissions_user_id_permission_id_14a6b632_uniq UNIQUE (user_id, permission_id);
ALTER TABLE ONLY public.auth_user
    ADD CONSTRAINT auth_user_username_key UNIQUE (username);
ALTER TABLE ONLY public.axes_accessattempt
    ADD CONSTRAINT axes_accessattempt_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.axes_accessattempt
    ADD CONSTRAINT axes_accessattempt_username_ip_address_user_agent_8ea22282_uniq UNIQUE (username, ip_address, user_agent);
ALTER TABLE ONLY public.axes_accessattemptexpiration
    ADD CONSTRAINT axes_accessattemptexpiration_pkey PRIMARY KEY (access_attempt_id);
ALTER TABLE ONLY public.axes_accessfailurelog
    ADD CONSTRAINT axes_accessfailurelog_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.axes_accesslog
    ADD CONSTRAINT axes_accesslog_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.django_admin_log
    ADD CONSTRAINT django_admin_log_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.django_content_type
    ADD CONSTRAINT django_content_type_app_label_model_76bd3d3b_uniq UNIQUE (app_label, model);
ALTER TABLE ONLY public.django_content_type
    ADD CONSTRAINT django_content_type_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.django_migrations
    ADD CONSTRAINT django_migrations_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.django_session
    ADD CONSTRAINT django_session_pkey PRIMARY KEY (session_key);
ALTER TABLE ONLY public.fees_feeschedule
    ADD CONSTRAINT fee_schedule_scope_version_unique UNIQUE NULLS NOT DISTINCT (merchant_id, currency_id, kind, version);
ALTER TABLE ONLY public.fees_feeschedule
    ADD CONSTRAINT fees_feeschedule_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.transfers_idempotencyrecord
    ADD CONSTRAINT idempotency_owner_key_unique UNIQUE (key, owner);
ALTER TABLE ONLY public.merchants_account
    ADD CONSTRAINT merchants_account_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.merchants_apikey
    ADD CONSTRAINT merchants_apikey_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.merchants_currency
    ADD CONSTRAINT merchants_currency_pkey PRIMARY KEY (code);
ALTER TABLE ONLY public.merchants_merchant
    ADD CONSTRAINT merchants_merchant_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.otp_totp_totpdevice
    ADD CONSTRAINT otp_totp_totpdevice_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.transfers_dailyactivity
    ADD CONSTRAINT transfers_dailyactivity_pkey PRIMARY KEY (currency, day, kind);
ALTER TABLE ONLY public.transfers_dailymerchant
    ADD CONSTRAINT transfers_dailymerchant_pkey PRIMARY KEY (currency, day, merchant_id);
ALTER TABLE ONLY public.transfers_dailyrefusals
    ADD CONSTRAINT transfers_dailyrefusals_pkey PRIMARY KEY (currency, day, code);
ALTER TABLE ONLY public.transfers_dailyvalue
    ADD CONSTRAINT transfers_dailyvalue_pkey PRIMARY KEY (currency, day, account_kind);
ALTER TABLE ONLY public.transfers_hold
    ADD CONSTRAINT transfers_hold_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.transfers_idempotencyrecord
    ADD CONSTRAINT transfers_idempotencyrecord_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.transfers_ledgerentry
    ADD CONSTRAINT transfers_ledgerentry_pkey PRIMARY KEY (account_id, sequence);
ALTER TABLE ONLY public.transfers_reconciliationrun
    ADD CONSTRAINT transfers_reconciliationrun_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.transfers_refusaltally
    ADD CONSTRAINT transfers_refusaltally_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.transfers_rollupmark
    ADD CONSTRAINT transfers_rollupmark_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.transfers_transfer
    ADD CONSTRAINT transfers_transfer_pkey PRIMARY KEY (id);
CREATE INDEX auth_group_name_a6ea08ec_like ON public.auth_group USING btree (name varchar_pattern_ops);
CREATE INDEX auth_group_permissions_group_id_b120cbf9 ON public.auth_group_permissions USING btree (group_id);
CREATE INDEX auth_group_permissions_permission_id_84c5c92e ON public.auth_group_permissions USING btree (permission_id);
CREATE INDEX auth_permission_content_type_id_2f476e4b ON public.auth_permission USING btree (content_type_id);
CREATE INDEX auth_user_groups_group_id_97559544 ON public.auth_user_groups USING btree (group_id);
CREATE INDEX auth_user_groups_user_id_6a12ed8b ON public.auth_user_groups USING btree (user_id);
CREATE INDEX auth_user_user_permissions_permission_id_1fbb5f2c ON public.auth_user_user_permissions USING btree (permission_id);
CREATE INDEX auth_user_user_permissions_user_id_a95ead1b ON public.auth_user_user_permissions USING btree (user_id);
CREATE INDEX auth_user_username_6821ab7c_like ON public.auth_user USING btree (username varchar_pattern_ops);
CREATE INDEX axes_accessattempt_ip_address_10922d9c ON public.axes_accessattempt USING btree (ip_address);
CREATE INDEX axes_accessattempt_user_agent_ad89678b ON public.axes_accessattempt USING btree (user_agent);
CREATE INDEX axes_accessattempt_user_agent_ad89678b_like ON public.axes_accessattempt USING btree (user_agent varchar_pattern_ops);
CREATE INDEX axes_accessattempt_username_3f2d4ca0 ON public.axes_accessattempt USING btree (username);
CREATE INDEX axes_accessattempt_username_3f2d4ca0_like ON public.axes_accessattempt USING btree (username varchar_pattern_ops);
CREATE INDEX axes_accessfailurelog_ip_address_2e9f5a7f ON public.axes_accessfailurelog USING btree (ip_address);
CREATE INDEX axes_accessfailurelog_user_agent_ea145dda ON public.axes_accessfailurelog USING btree (user_agent);
CREATE INDEX axes_accessfailurelog_user_agent_ea145dda_like ON public.axes_accessfailurelog USING btree (user_agent varchar_pattern_ops);
CREATE INDEX axes_accessfailurelog_username_a8b7e8a4 ON public.axes_accessfailurelog USING btree (username);
CREATE INDEX axes_accessfailurelog_username_a8b7e8a4_like ON public.axes_accessfailurelog USING btree (username varchar_pattern_ops);
CREATE INDEX axes_accesslog_ip_address_86b417e5 ON public.axes_accesslog USING btree (ip_address);
CREATE INDEX axes_accesslog_user_agent_0e659004 ON public.axes_accesslog USING btree (user_agent);
CREATE INDEX axes_accesslog_user_agent_0e659004_like ON public.axes_accesslog USING btree (user_agent varchar_pattern_ops);
CREATE INDEX axes_accesslog_username_df93064b ON public.axes_accesslog USING btree (username);
CREATE INDEX axes_accesslog_username_df93064b_like ON public.axes_accesslog USING btree (username varchar_pattern_ops);
CREATE INDEX django_admin_log_content_type_id_c4bce8eb ON public.django_admin_log USING btree (content_type_id);
CREATE INDEX django_admin_log_user_id_c564eba6 ON public.django_admin_log USING btree (user_id);
CREATE INDEX django_session_expire_date_a5c62663 ON public.django_session USING btree (expire_date);
CREATE INDEX django_session_session_key_c0390e0f_like ON public.django_session USING btree (session_key varchar_pattern_ops);
CREATE INDEX entry_account_time ON public.transfers_ledgerentry USING btree (account_id, created_at, sequence);
CREATE INDEX entry_long_amount ON public.transfers_ledgerentry USING btree (account_id, sequence) WHERE (amount_minor >= ('1000000000000000000'::bigint)::numeric);
CREATE INDEX entry_transfer ON public.transfers_ledgerentry USING btree (transfer_id);
CREATE INDEX fee_schedule_lookup ON public.fees_feeschedule USING btree (merchant_id, currency_id, kind, effective_from DESC);
CREATE INDEX fees_feeschedule_created_by_id_5f359406 ON public.fees_feeschedule USING btree (created_by_id);
CREATE INDEX hold_open_currency ON public.transfers_hold USING btree (currency_id) INCLUDE (reserved_minor) WHERE ((status)::text = 'open'::text);
CREATE INDEX hold_open_expiry ON public.transfers_hold USING btree (expires_at) WHERE ((status)::text = 'open'::text);
CREATE INDEX hold_source_merchant_id ON public.transfers_hold USING btree (source_merchant_id, id);
CREATE INDEX hold_source_status_id ON public.transfers_hold USING btree (source_merchant_id, status, id);
CREATE INDEX hold_status_id ON public.transfers_hold USING btree (status, id);
CREATE INDEX hold_target_merchant_id ON public.transfers_hold USING btree (target_merchant_id, id);
CREATE INDEX hold_target_status_id ON public.transfers_hold USING btree (target_merchant_id, status, id);
CREATE INDEX idempotency_expires_at ON public.transfers_idempotencyrecord USING btree (expires_at);
CREATE INDEX merchant_name_grams ON public.merchants_merchant USING gin (public.ledger_grams(lower(((name)::text COLLATE "C"))));
CREATE UNIQUE INDEX merchant_name_unique ON public.merchants_merchant USING btree (lower(((name)::text COLLATE "C")));
CREATE INDEX merchant_status_id ON public.merchants_merchant USING btree (status, id) WHERE (NOT ((status)::text = 'active'::text));
CREATE INDEX merchants_apikey_merchant_id_6da38186 ON public.merchants_apikey USING btree (merchant_id);
CREATE INDEX merchants_currency_code_5e457048_like ON public.merchants_currency USING btree (code varchar_pattern_ops);
CREATE INDEX otp_totp_totpdevice_user_id_0fb18292 ON public.otp_totp_totpdevice USING btree (user_id);
CREATE INDEX transfer_currency_id ON public.transfers_transfer USING btree (currency_id, id);
CREATE UNIQUE INDEX transfer_external_reference_unique ON public.transfers_transfer USING btree (external_reference, (
CASE
    WHEN ((kind)::text = ANY ((ARRAY['deposit'::character varying, 'opening'::character varying])::text[])) THEN target_id
    ELSE source_id
END)) WHERE (external_reference IS NOT NULL);
CREATE UNIQUE INDEX transfer_hold_begun_and_ended_once ON public.transfers_transfer USING btree (hold_id, (
CASE kind
    WHEN 'hold'::text THEN 0
    ELSE 1
END)) WHERE (hold_id IS NOT NULL);
CREATE INDEX transfer_kind_id ON public.transfers_transfer USING btree (kind, id) WHERE (NOT ((kind)::text = 'transfer'::text));
CREATE INDEX transfer_reverses ON public.transfers_transfer USING btree (reverses_id, id) WHERE (reverses_id IS NOT NULL);
CREATE INDEX transfer_source_id ON public.transfers_transfer USING btree (source_id, id);
CREATE INDEX transfer_target_id ON public.transfers_transfer USING btree (target_id, id);
CREATE TRIGGER account_identity BEFORE UPDATE ON public.merchants_account FOR EACH ROW WHEN (((old.id IS DISTINCT FROM new.id) OR (old.merchant_id IS DISTINCT FROM new.merchant_id) OR ((old.currency_id)::text IS DISTINCT FROM (new.currency_id)::text) OR ((old.kind)::text IS DISTINCT FROM (new.kind)::text))) EXECUTE FUNCTION public.ledger_refuse_change('an account keeps its merchant, currency and kind');
CREATE TRIGGER account_kept BEFORE DELETE ON public.merchants_account FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_refuse_change('accounts are closed, never deleted');
CREATE TRIGGER account_not_truncated BEFORE TRUNCATE ON public.merchants_account FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_refuse_change('accounts are closed, never deleted');
CREATE TRIGGER currency_identity BEFORE UPDATE ON public.merchants_currency FOR EACH ROW WHEN ((((old.code)::text IS DISTINCT FROM (new.code)::text) OR (old.exponent IS DISTINCT FROM new.exponent))) EXECUTE FUNCTION public.ledger_refuse_change('stored amounts are in minor units of this code and exponent');
CREATE TRIGGER entry_append_only BEFORE DELETE OR UPDATE ON public.transfers_ledgerentry FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_refuse_change('the journal is append-only; correct a transfer by a reversal');
CREATE TRIGGER entry_guard AFTER INSERT ON public.transfers_ledgerentry REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_check_entries();
CREATE TRIGGER entry_not_truncated BEFORE TRUNCATE ON public.transfers_ledgerentry FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_refuse_change('the journal is append-only; correct a transfer by a reversal');
CREATE TRIGGER fee_schedule_append_only BEFORE DELETE OR UPDATE ON public.fees_feeschedule FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_refuse_change('append a new version instead');
CREATE TRIGGER fee_schedule_guard AFTER INSERT ON public.fees_feeschedule REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_check_fee_schedules();
CREATE TRIGGER fee_schedule_not_truncated BEFORE TRUNCATE ON public.fees_feeschedule FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_refuse_change('append a new version instead');
CREATE CONSTRAINT TRIGGER hold_is_moved_on AFTER UPDATE ON public.transfers_hold DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (((((old.status)::text IS DISTINCT FROM (new.status)::text) OR (old.captured_minor IS DISTINCT FROM new.captured_minor)) OR (old.capture_id IS DISTINCT FROM new.capture_id))) EXECUTE FUNCTION public.ledger_check_hold();
CREATE CONSTRAINT TRIGGER hold_is_placed AFTER INSERT ON public.transfers_hold DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.ledger_check_hold();
CREATE TRIGGER hold_kept BEFORE DELETE ON public.transfers_hold FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_refuse_change('holds end, they are never deleted');
CREATE TRIGGER hold_not_truncated BEFORE TRUNCATE ON public.transfers_hold FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_refuse_change('holds end, they are never deleted');
CREATE TRIGGER hold_terms BEFORE UPDATE ON public.transfers_hold FOR EACH ROW WHEN ((((old.status)::text <> 'open'::text) OR ((new.status)::text = 'open'::text) OR ((((((((((old.id IS DISTINCT FROM new.id) OR (old.source_id IS DISTINCT FROM new.source_id)) OR (old.source_merchant_id IS DISTINCT FROM new.source_merchant_id)) OR (old.target_merchant_id IS DISTINCT FROM new.target_merchant_id)) OR ((old.currency_id)::text IS DISTINCT FROM (new.currency_id)::text)) OR (old.amount_minor IS DISTINCT FROM new.amount_minor)) OR (old.reserved_minor IS DISTINCT FROM new.reserved_minor)) OR (old.fee_schedule_id IS DISTINCT FROM new.fee_schedule_id)) OR (old.expires_at IS DISTINCT FROM new.expires_at)) OR (old.created_at IS DISTINCT FROM new.created_at)))) EXECUTE FUNCTION public.ledger_refuse_change('an open hold ends once, and its terms never change');
CREATE TRIGGER merchant_identity BEFORE UPDATE ON public.merchants_merchant FOR EACH ROW WHEN (((old.id IS DISTINCT FROM new.id) OR ((old.name)::text IS DISTINCT FROM (new.name)::text) OR (old.created_at IS DISTINCT FROM new.created_at))) EXECUTE FUNCTION public.ledger_refuse_change('a merchant keeps its id and name');
CREATE TRIGGER merchant_kept BEFORE DELETE ON public.merchants_merchant FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_refuse_change('merchants are closed, never deleted');
CREATE TRIGGER merchant_not_truncated BEFORE TRUNCATE ON public.merchants_merchant FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_refuse_change('merchants are closed, never deleted');
CREATE TRIGGER transfer_append_only BEFORE DELETE OR UPDATE ON public.transfers_transfer FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_refuse_change('the journal is append-only; correct a transfer by a reversal');
CREATE TRIGGER transfer_guard AFTER INSERT ON public.transfers_transfer REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_check_transfers();
CREATE CONSTRAINT TRIGGER transfer_is_whole AFTER INSERT ON public.transfers_transfer DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((new.batch_place <> 2)) EXECUTE FUNCTION public.ledger_check_commit();
CREATE TRIGGER transfer_not_truncated BEFORE TRUNCATE ON public.transfers_transfer FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_refuse_change('the journal is append-only; correct a transfer by a reversal');
ALTER TABLE ONLY public.auth_group_permissions
    ADD CONSTRAINT auth_group_permissio_permission_id_84c5c92e_fk_auth_perm FOREIGN KEY (permission_id) REFERENCES public.auth_permission(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.auth_group_permissions
    ADD CONSTRAINT auth_group_permissions_group_id_b120cbf9_fk_auth_group_id FOREIGN KEY (group_id) REFERENCES public.auth_group(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.auth_permission
    ADD CONSTRAINT auth_permission_content_type_id_2f476e4b_fk_django_co FOREIGN KEY (content_type_id) REFERENCES public.django_content_type(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.auth_user_groups
    ADD CONSTRAINT auth_user_groups_group_id_97559544_fk_auth_group_id FOREIGN KEY (group_id) REFERENCES public.auth_group(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.auth_user_groups
    ADD CONSTRAINT auth_user_groups_user_id_6a12ed8b_fk_auth_user_id FOREIGN KEY (user_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.auth_user_user_permissions
    ADD CONSTRAINT auth_user_user_permi_permission_id_1fbb5f2c_fk_auth_perm FOREIGN KEY (permission_id) REFERENCES public.auth_permission(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.auth_user_user_permissions
    ADD CONSTRAINT auth_user_user_permissions_user_id_a95ead1b_fk_auth_user_id FOREIGN KEY (user_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.axes_accessattemptexpiration
    ADD CONSTRAINT axes_accessattemptex_access_attempt_id_6b73a47a_fk_axes_acce FOREIGN KEY (access_attempt_id) REFERENCES public.axes_accessattempt(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.django_admin_log
    ADD CONSTRAINT django_admin_log_content_type_id_c4bce8eb_fk_django_co FOREIGN KEY (content_type_id) REFERENCES public.django_content_type(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.django_admin_log
    ADD CONSTRAINT django_admin_log_user_id_c564eba6_fk_auth_user_id FOREIGN KEY (user_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.fees_feeschedule
    ADD CONSTRAINT fees_feeschedule_created_by_id_5f359406_fk_auth_user_id FOREIGN KEY (created_by_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.fees_feeschedule
    ADD CONSTRAINT fees_feeschedule_currency_id_d07b3ca7_fk_merchants FOREIGN KEY (currency_id) REFERENCES public.merchants_currency(code) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.fees_feeschedule
    ADD CONSTRAINT fees_feeschedule_merchant_id_cd31a637_fk_merchants_merchant_id FOREIGN KEY (merchant_id) REFERENCES public.merchants_merchant(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.merchants_account
    ADD CONSTRAINT merchants_account_currency_id_bb41e55b_fk_merchants FOREIGN KEY (currency_id) REFERENCES public.merchants_currency(code) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.merchants_account
    ADD CONSTRAINT merchants_account_merchant_id_cc992fe6_fk_merchants_merchant_id FOREIGN KEY (merchant_id) REFERENCES public.merchants_merchant(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.merchants_apikey
    ADD CONSTRAINT merchants_apikey_merchant_id_6da38186_fk_merchants_merchant_id FOREIGN KEY (merchant_id) REFERENCES public.merchants_merchant(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.otp_totp_totpdevice
    ADD CONSTRAINT otp_totp_totpdevice_user_id_0fb18292_fk_auth_user_id FOREIGN KEY (user_id) REFERENCES public.auth_user(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.transfers_hold
    ADD CONSTRAINT transfers_hold_currency_id_f54dee5a_fk_merchants_currency_code FOREIGN KEY (currency_id) REFERENCES public.merchants_currency(code) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.transfers_hold
    ADD CONSTRAINT transfers_hold_fee_schedule_id_46beb295_fk_fees_feeschedule_id FOREIGN KEY (fee_schedule_id) REFERENCES public.fees_feeschedule(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.transfers_hold
    ADD CONSTRAINT transfers_hold_source_id_16a0db1d_fk_merchants_account_id FOREIGN KEY (source_id) REFERENCES public.merchants_account(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.transfers_hold
    ADD CONSTRAINT transfers_hold_source_merchant_id_af22c697_fk_merchants FOREIGN KEY (source_merchant_id) REFERENCES public.merchants_merchant(id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE ONLY public.transfers_hold
    ADD CONSTRAINT transfers_hold_target_merchant_id_c477ef3b_fk_merchants FOREIGN KEY (target_merchant_id) REFERENCES public.merchants_merchant(id) DEFERRABLE INITIALLY DEFERRED;
INSERT INTO public.django_content_type VALUES (1, 'admin', 'logentry');
INSERT INTO public.django_content_type VALUES (2, 'fees', 'feeschedule');
INSERT INTO public.django_content_type VALUES (3, 'merchants', 'account');
INSERT INTO public.django_content_type VALUES (4, 'merchants', 'currency');
INSERT INTO public.django_content_type VALUES (5, 'merchants', 'merchant');
INSERT INTO public.django_content_type VALUES (6, 'transfers', 'hold');
INSERT INTO public.django_content_type VALUES (7, 'transfers', 'idempotencyrecord');
INSERT INTO public.django_content_type VALUES (8, 'transfers', 'transfer');
INSERT INTO public.django_content_type VALUES (9, 'auth', 'permission');
INSERT INTO public.django_content_type VALUES (10, 'auth', 'group');
INSERT INTO public.django_content_type VALUES (11, 'auth', 'user');
INSERT INTO public.django_content_type VALUES (12, 'contenttypes', 'contenttype');
INSERT INTO public.django_content_type VALUES (13, 'sessions', 'session');
INSERT INTO public.django_content_type VALUES (14, 'axes', 'accessattempt');
INSERT INTO public.django_content_type VALUES (15, 'axes', 'accesslog');
INSERT INTO public.django_content_type VALUES (16, 'axes', 'accessfailurelog');
INSERT INTO public.django_content_type VALUES (17, 'axes', 'accessattemptexpiration');
INSERT INTO public.django_content_type VALUES (18, 'otp_totp', 'totpdevice');
INSERT INTO public.django_content_type VALUES (19, 'merchants', 'apikey');
INSERT INTO public.django_content_type VALUES (20, 'transfers', 'ledgerentry');
INSERT INTO public.django_content_type VALUES (21, 'transfers', 'dailyactivity');
INSERT INTO public.django_content_type VALUES (22, 'transfers', 'dailymerchant');
INSERT INTO public.django_content_type VALUES (23, 'transfers', 'dailyrefusals');
INSERT INTO public.django_content_type VALUES (24, 'transfers', 'dailyvalue');
INSERT INTO public.django_content_type VALUES (25, 'transfers', 'refusaltally');
INSERT INTO public.django_content_type VALUES (26, 'transfers', 'rollupmark');
INSERT INTO public.django_content_type VALUES (27, 'transfers', 'reconciliationrun');
INSERT INTO public.django_migrations VALUES (1, 'contenttypes', '0001_initial', '2026-11-26 01:25:08.068267+00');
INSERT INTO public.django_migrations VALUES (2, 'auth', '0001_initial', '2026-11-26 01:25:08.134348+00');
INSERT INTO public.django_migrations VALUES (3, 'admin', '0001_initial', '2026-11-26 01:25:08.171866+00');
INSERT INTO public.django_migrations VALUES (4, 'admin', '0002_logentry_remove_auto_add', '2026-11-26 01:25:08.190368+00');
INSERT INTO public.django_migrations VALUES (5, 'admin', '0003_logentry_add_action_flag_choices', '2026-11-26 01:25:08.212265+00');
INSERT INTO public.django_migrations VALUES (6, 'contenttypes', '0002_remove_content_type_name', '2026-11-26 01:25:08.25039+00');
INSERT INTO public.django_migrations VALUES (7, 'auth', '0002_alter_permission_name_max_length', '2026-11-26 01:25:08.272317+00');
INSERT INTO public.django_migrations VALUES (8, 'auth', '0003_alter_user_email_max_length', '2026-11-26 01:25:08.298976+00');
INSERT INTO public.django_migrations VALUES (9, 'auth', '0004_alter_user_username_opts', '2026-11-26 01:25:08.312823+00');
INSERT INTO public.django_migrations VALUES (10, 'auth', '0005_alter_user_last_login_null', '2026-11-26 01:25:08.339365+00');
INSERT INTO public.django_migrations VALUES (11, 'auth', '0006_require_contenttypes_0002', '2026-11-26 01:25:08.346537+00');
INSERT INTO public.django_migrations VALUES (12, 'auth', '0007_alter_validators_add_error_messages', '2026-11-26 01:25:08.362581+00');
INSERT INTO public.django_migrations VALUES (13, 'auth', '0008_alter_user_username_max_length', '2026-11-26 01:25:08.397448+00');
INSERT INTO public.django_migrations VALUES (14, 'auth', '0009_alter_user_last_name_max_length', '2026-11-26 01:25:08.441833+00');
INSERT INTO public.django_migrations VALUES (15, 'auth', '0010_alter_group_name_max_length', '2026-11-26 01:25:08.464906+00');
INSERT INTO public.django_migrations VALUES (16, 'auth', '0011_update_proxy_permissions', '2026-11-26 01:25:08.475896+00');
INSERT INTO public.django_migrations VALUES (17, 'auth', '0012_alter_user_first_name_max_length', '2026-11-26 01:25:08.503311+00');
INSERT INTO public.django_migrations VALUES (18, 'axes', '0001_initial', '2026-11-26 01:25:08.524478+00');
INSERT INTO public.django_migrations VALUES (19, 'axes', '0002_auto_20151217_2044', '2026-11-26 01:25:08.571066+00');
INSERT INTO public.django_migrations VALUES (20, 'axes', '0003_auto_20160322_0929', '2026-11-26 01:25:08.593794+00');
INSERT INTO public.django_migrations VALUES (21, 'axes', '0004_auto_20181024_1538', '2026-11-26 01:25:08.616183+00');
INSERT INTO public.django_migrations VALUES (22, 'axes', '0005_remove_accessattempt_trusted', '2026-11-26 01:25:08.624318+00');
INSERT INTO public.django_migrations VALUES (23, 'axes', '0006_remove_accesslog_trusted', '2026-11-26 01:25:08.637153+00');
INSERT INTO public.django_migrations VALUES (24, 'axes', '0007_alter_accessattempt_unique_together', '2026-11-26 01:25:08.679933+00');
INSERT INTO public.django_migrations VALUES (25, 'axes', '0008_accessfailurelog', '2026-11-26 01:25:08.722192+00');
INSERT INTO public.django_migrations VALUES (26, 'axes', '0009_add_session_hash', '2026-11-26 01:25:08.732171+00');
INSERT INTO public.django_migrations VALUES (27, 'axes', '0010_accessattemptexpiration', '2026-11-26 01:25:08.760589+00');
INSERT INTO public.django_migrations VALUES (28, 'merchants', '0001_initial', '2026-11-26 01:25:08.815754+00');
INSERT INTO public.django_migrations VALUES (29, 'merchants', '0002_guards_and_currencies', '2026-11-26 01:25:08.866698+00');
INSERT INTO public.django_migrations VALUES (30, 'fees', '0001_initial', '2026-11-26 01:25:08.93052+00');
INSERT INTO public.django_migrations VALUES (31, 'fees', '0002_guards_and_default', '2026-11-26 01:25:08.987429+00');
INSERT INTO public.django_migrations VALUES (32, 'fees', '0003_bounds', '2026-11-26 01:25:09.105988+00');
INSERT INTO public.django_migrations VALUES (33, 'merchants', '0003_api_keys', '2026-11-26 01:25:09.188654+00');
INSERT INTO public.django_migrations VALUES (34, 'merchants', '0004_list_indexes', '2026-11-26 01:25:09.232333+00');
INSERT INTO public.django_migrations VALUES (35, 'merchants', '0005_ascii_names', '2026-11-26 01:25:09.307575+00');
INSERT INTO public.django_migrations VALUES (36, 'merchants', '0006_bounded_overdraft', '2026-11-26 01:25:09.334016+00');
INSERT INTO public.django_migrations VALUES (37, 'merchants', '0007_display_name_and_overdraft', '2026-11-26 01:25:09.541572+00');
INSERT INTO public.django_migrations VALUES (38, 'merchants', '0008_treasury', '2026-11-26 01:25:09.600632+00');
INSERT INTO public.django_migrations VALUES (39, 'otp_totp', '0001_initial', '2026-11-26 01:25:09.664217+00');
INSERT INTO public.django_migrations VALUES (40, 'otp_totp', '0002_auto_20190420_0723', '2026-11-26 01:25:09.783086+00');
INSERT INTO public.django_migrations VALUES (41, 'otp_totp', '0003_add_timestamps', '2026-11-26 01:25:09.863902+00');
INSERT INTO public.django_migrations VALUES (42, 'sessions', '0001_initial', '2026-11-26 01:25:09.879811+00');
INSERT INTO public.django_migrations VALUES (43, 'transfers', '0001_initial', '2026-11-26 01:25:11.717098+00');
INSERT INTO public.django_migrations VALUES (44, 'transfers', '0002_guards', '2026-11-26 01:25:11.725487+00');
INSERT INTO public.django_migrations VALUES (45, 'transfers', '0003_rollups', '2026-11-26 01:25:11.812156+00');
INSERT INTO public.django_migrations VALUES (46, 'transfers', '0004_roles', '2026-11-26 01:25:12.239495+00');
INSERT INTO public.django_migrations VALUES (47, 'transfers', '0005_reconciliation_run', '2026-11-26 01:25:12.259307+00');
INSERT INTO public.django_migrations VALUES (48, 'transfers', '0006_guard_search_path', '2026-11-26 01:25:12.270637+00');
INSERT INTO public.django_migrations VALUES (49, 'transfers', '0007_hold_list_indexes', '2026-11-26 01:25:12.390979+00');
INSERT INTO public.django_migrations VALUES (50, 'transfers', '0008_faster_entry_guard', '2026-11-26 01:25:12.397195+00');
INSERT INTO public.django_migrations VALUES (51, 'transfers', '0009_key_expiry_index', '2026-11-26 01:25:12.438686+00');
INSERT INTO public.django_migrations VALUES (52, 'transfers', '0010_idempotency_owner', '2026-11-26 01:25:12.540246+00');
INSERT INTO public.django_migrations VALUES (53, 'transfers', '0011_long_amounts_index', '2026-11-26 01:25:12.578856+00');
INSERT INTO public.django_migrations VALUES (54, 'transfers', '0012_hold_movement_index', '2026-11-26 01:25:12.634088+00');
INSERT INTO public.django_migrations VALUES (55, 'transfers', '0013_whole_transfers', '2026-11-26 01:25:12.804766+00');
INSERT INTO public.django_migrations VALUES (56, 'transfers', '0014_validated_rules', '2026-11-26 01:25:12.827522+00');
INSERT INTO public.django_migrations VALUES (57, 'transfers', '0015_overdraft_permission', '2026-11-26 01:25:12.918774+00');
SELECT pg_catalog.setval('public.django_content_type_id_seq', 27, true);
SELECT pg_catalog.setval('public.django_migrations_id_seq', 57, true);
