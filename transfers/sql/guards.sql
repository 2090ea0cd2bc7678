-- What the journal refuses, whoever writes to it: the application by a mistake, or a person at a
-- SQL prompt.
--
-- There is one check for each INSERT statement, not for each row: a batch of 1,000 transfers pays
-- once. The check sees the inserted rows as the transition table new_rows. The planner has no
-- statistics on it, and a plan that was made when the journal was small must not become a scan of
-- the whole journal later. The SET clauses leave it nested loops over index look-ups only.
-- Read by migration 0002. Needs no extension; PostgreSQL 15 or newer.

-- Entries: each continues its account's chain, later than the posting before it, and stays above
-- the floor. Those of a transfer are exactly what the transfer says: its accounts, its amount, its
-- fee, its kind, its time.
-- One pass shows that a right batch is right, as they all are. It compares each row with its
-- account and with the row before it, which is mostly in the batch too; then it compares each
-- transfer's rows together with the transfer. "debited = source" says that there is one such row
-- and on which account it is: the ids of all such rows are in one string. The function looks again,
-- transfer by transfer, at what this pass does not prove: captures and refunds, which have more
-- rows, and wrong ones, for words that help.
-- No entry is added to a transfer later: it would need the transfer's time, and be later than its
-- account's newest entry.
CREATE FUNCTION ledger_check_entries() RETURNS trigger LANGUAGE plpgsql
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
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
        FROM transfers_transfer q WHERE q.reverses_id = t.reverses_id AND q.source_id = t.source_id AND q.id < t.id
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

CREATE TRIGGER entry_guard AFTER INSERT ON transfers_ledgerentry
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_entries();

-- Transfers: what they refer to exists, is of one currency, and is of the kinds that such a
-- movement goes between. No time is in the future, or behind the mark of the feed. The id has the
-- bucket of the source account: its last ten bits (kernel/ids.py). A reversal goes back the way of
-- its original and gives back at most what is left of it. An external reference is kept for its
-- transfer and its account.
-- One pass shows that a right payment by itself is right. A second one returns a wrong row if there
-- is one, else one that more is asked of, if there is one: a row of a batch, a reversal, a row with
-- a reference.
CREATE FUNCTION ledger_check_transfers() RETURNS trigger LANGUAGE plpgsql
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    found_row record;
    bad record;
    -- More than LEDGER_CLOCK_TOLERANCE may be (checks.py), so that what the service posts is never refused here.
    latest timestamptz := clock_timestamp() + interval '10 seconds';
    settled timestamptz := (SELECT m.settled_until FROM transfers_feedmark m ORDER BY m.id DESC LIMIT 1);
BEGIN
    -- The usual case, in a third of the time: right payments between two wallets, each written by itself. What this condition
    -- does not prove is looked at below.
    PERFORM FROM new_rows n
    LEFT JOIN merchants_account s ON s.id = n.source_id
    LEFT JOIN merchants_account g ON g.id = n.target_id
    LEFT JOIN fees_feeschedule f ON f.id = n.fee_schedule_id
    WHERE (n.batch_place = 0 AND n.kind = 'transfer' AND s.kind = 'wallet' AND g.kind = 'wallet'
        AND s.currency_id = n.currency_id AND g.currency_id = n.currency_id
        AND n.hold_id IS NULL AND n.reverses_id IS NULL AND n.external_reference IS NULL
        AND (n.fee_schedule_id IS NULL OR f.id = n.fee_schedule_id)
        AND (n.total_debit_minor = n.amount_minor OR n.total_debit_minor = n.amount_minor + n.fee_minor)
        AND n.created_at <= latest AND n.created_at > settled
        AND get_byte(uuid_send(n.id), 15) = get_byte(uuid_send(n.source_id), 15)
        AND (get_byte(uuid_send(n.id), 14) # get_byte(uuid_send(n.source_id), 14)) & 3 = 0) IS NOT TRUE
    LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;

    SELECT w.id, w.wrong, CASE
            WHEN w.source_id IS NULL THEN 'source does not exist'
            WHEN w.target_id IS NULL THEN 'target does not exist'
            WHEN w.source_currency <> w.currency_id OR w.target_currency <> w.currency_id THEN 'accounts are of another currency'
            WHEN w.fee_schedule_id IS NOT NULL AND w.schedule_id IS NULL THEN 'fee schedule does not exist'
            WHEN w.created_at > latest THEN 'its time is in the future'
            WHEN w.created_at <= settled THEN 'its time is behind the mark of the feed'
            WHEN w.elsewhere THEN 'its id is not in the bucket of its source'
            WHEN (w.total_debit_minor = w.amount_minor OR w.total_debit_minor = w.amount_minor + w.fee_minor) IS NOT TRUE
                THEN 'its total debit is neither its amount nor amount and fee'
            WHEN w.fee_minor <> 0 AND w.kind NOT IN ('transfer', 'capture') THEN 'a ' || w.kind || ' has no fee'
            WHEN w.kind IN ('hold', 'hold_release', 'capture') AND w.hold_id IS NULL THEN 'a ' || w.kind || ' is of a hold'
            WHEN w.kind NOT IN ('hold', 'hold_release', 'capture') AND w.hold_id IS NOT NULL THEN 'a ' || w.kind || ' is of no hold'
            ELSE 'a ' || w.kind || ' does not go from an account of kind ' || w.source_kind || ' to one of kind ' || w.target_kind
                || CASE WHEN w.source_merchant <> w.target_merchant THEN ' of somebody else' ELSE '' END
        END AS reason
    INTO found_row
    FROM (
        SELECT c.* FROM (
            SELECT n.id, n.kind, n.currency_id, n.amount_minor, n.fee_minor, n.total_debit_minor, n.fee_schedule_id, n.hold_id, n.created_at,
                s.id AS source_id, s.kind AS source_kind, s.merchant_id AS source_merchant, s.currency_id AS source_currency,
                g.id AS target_id, g.kind AS target_kind, g.merchant_id AS target_merchant, g.currency_id AS target_currency,
                f.id AS schedule_id, b.elsewhere,
                n.batch_place <> 0 OR n.reverses_id IS NOT NULL OR n.external_reference IS NOT NULL AS asked_more,
                s.id IS NULL OR g.id IS NULL OR s.currency_id <> n.currency_id OR g.currency_id <> n.currency_id
                OR (n.fee_schedule_id IS NOT NULL AND f.id IS NULL)
                OR n.created_at > latest OR (n.created_at > settled) IS NOT TRUE
                OR b.elsewhere
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
                        OR g.kind <> CASE n.kind WHEN 'withdrawal' THEN 'external' WHEN 'hold' THEN 'held' ELSE 'wallet' END END AS wrong
            FROM new_rows n
            LEFT JOIN merchants_account s ON s.id = n.source_id
            LEFT JOIN merchants_account g ON g.id = n.target_id
            LEFT JOIN fees_feeschedule f ON f.id = n.fee_schedule_id
            CROSS JOIN LATERAL (
                SELECT get_byte(uuid_send(n.id), 15) <> get_byte(uuid_send(n.source_id), 15)
                    OR (get_byte(uuid_send(n.id), 14) # get_byte(uuid_send(n.source_id), 14)) & 3 <> 0 AS elsewhere
            ) b
            OFFSET 0
        ) c
        WHERE c.wrong OR c.asked_more ORDER BY c.wrong DESC NULLS LAST LIMIT 1
    ) w;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF found_row.wrong THEN
        RAISE EXCEPTION 'ledger: transfer %: %', found_row.id, found_row.reason USING ERRCODE = 'check_violation';
    END IF;

    SELECT n.id, CASE WHEN n.batch_place = 2 AND (n.id > b.first) IS NOT TRUE THEN 'the first of its batch is not there'
            ELSE 'its external reference is not kept for it and its account' END AS reason
    INTO bad
    FROM new_rows n
    CROSS JOIN (SELECT (SELECT f.id FROM new_rows f WHERE f.batch_place = 1 ORDER BY f.id LIMIT 1) AS first OFFSET 0) b
    WHERE (n.batch_place = 2 AND (n.id > b.first) IS NOT TRUE)
        OR (n.external_reference IS NOT NULL AND NOT EXISTS (
            SELECT FROM transfers_externalreference r WHERE r.reference = n.external_reference AND r.transfer_id = n.id
                AND r.account_id = CASE WHEN n.kind IN ('deposit', 'opening') THEN n.target_id ELSE n.source_id END))
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
        OR o.amount_minor < (
            SELECT sum(q.amount_minor) FROM transfers_transfer q WHERE q.reverses_id = r.reverses_id AND q.source_id = r.source_id)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger: the reversed transfer % %', bad.reverses_id, bad.reason USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER transfer_guard AFTER INSERT ON transfers_transfer
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_transfers();

-- A hold lies beside the wallet that pays: its id has the same bucket.
ALTER TABLE transfers_hold ADD CONSTRAINT hold_bucket CHECK (get_byte(uuid_send(id), 15) = get_byte(uuid_send(source_id), 15)
    AND (get_byte(uuid_send(id), 14) # get_byte(uuid_send(source_id), 14)) & 3 = 0);

-- No posted row is ever changed or removed.
CREATE TRIGGER entry_append_only BEFORE UPDATE OR DELETE ON transfers_ledgerentry FOR EACH STATEMENT
    EXECUTE FUNCTION ledger_refuse_change('the journal is append-only; correct a transfer by a reversal');
CREATE TRIGGER entry_not_truncated BEFORE TRUNCATE ON transfers_ledgerentry FOR EACH STATEMENT
    EXECUTE FUNCTION ledger_refuse_change('the journal is append-only; correct a transfer by a reversal');
CREATE TRIGGER transfer_append_only BEFORE UPDATE OR DELETE ON transfers_transfer FOR EACH STATEMENT
    EXECUTE FUNCTION ledger_refuse_change('the journal is append-only; correct a transfer by a reversal');
CREATE TRIGGER transfer_not_truncated BEFORE TRUNCATE ON transfers_transfer FOR EACH STATEMENT
    EXECUTE FUNCTION ledger_refuse_change('the journal is append-only; correct a transfer by a reversal');

CREATE TRIGGER reference_append_only BEFORE UPDATE OR DELETE ON transfers_externalreference FOR EACH STATEMENT
    EXECUTE FUNCTION ledger_refuse_change('the journal is append-only; a reference stays with its transfer');
CREATE TRIGGER reference_not_truncated BEFORE TRUNCATE ON transfers_externalreference FOR EACH STATEMENT
    EXECUTE FUNCTION ledger_refuse_change('the journal is append-only; a reference stays with its transfer');

-- A hold ends once; its terms never change.
CREATE TRIGGER hold_terms BEFORE UPDATE ON transfers_hold FOR EACH ROW
    WHEN (OLD.status <> 'open' OR NEW.status = 'open'
        OR (OLD.id, OLD.source_id, OLD.source_merchant_id, OLD.target_merchant_id, OLD.currency_id, OLD.amount_minor, OLD.reserved_minor,
            OLD.fee_schedule_id, OLD.expires_at, OLD.created_at)
        IS DISTINCT FROM
           (NEW.id, NEW.source_id, NEW.source_merchant_id, NEW.target_merchant_id, NEW.currency_id, NEW.amount_minor, NEW.reserved_minor,
            NEW.fee_schedule_id, NEW.expires_at, NEW.created_at))
    EXECUTE FUNCTION ledger_refuse_change('an open hold ends once, and its terms never change');
CREATE TRIGGER hold_kept BEFORE DELETE ON transfers_hold FOR EACH STATEMENT
    EXECUTE FUNCTION ledger_refuse_change('holds end, they are never deleted');
CREATE TRIGGER hold_not_truncated BEFORE TRUNCATE ON transfers_hold FOR EACH STATEMENT
    EXECUTE FUNCTION ledger_refuse_change('holds end, they are never deleted');

-- What can be judged at the commit only, since its parts are written one after the other.
--
-- A transfer has its entries. A movement of a hold has its hold, and has placed or ended it. The
-- reversals of one original together are not more than it, even if another transaction wrote one
-- meanwhile. (Both reversals are lines of one account's chain. The second in the chain has seen the
-- first one's line, or could not have been written, so it sees the first one's transfer here, under
-- every isolation level.)
-- A trigger at the commit runs once a row. So that a batch pays once, its rows say their place. The
-- row with the smallest id is the first (1): its trigger looks at all rows that were written with
-- it. The further rows (2) have no trigger, and ledger_check_transfers refuses them without a
-- first. A row that says nothing (0) stands for itself.
CREATE FUNCTION ledger_check_commit() RETURNS trigger LANGUAGE plpgsql
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
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
                    < (SELECT sum(q.amount_minor) FROM transfers_transfer q
                        WHERE q.reverses_id = t.reverses_id AND q.source_id = t.source_id) END)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger: transfer %: %', bad.id, bad.reason USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER transfer_is_whole AFTER INSERT ON transfers_transfer DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.batch_place <> 2) EXECUTE FUNCTION ledger_check_commit();

-- A reference is kept for a transfer that has it. A row without one would take the reference from
-- all payments to come.
CREATE FUNCTION ledger_check_reference() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
    PERFORM FROM transfers_transfer t WHERE t.id = NEW.transfer_id AND t.external_reference = NEW.reference
        AND CASE WHEN t.kind IN ('deposit', 'opening') THEN t.target_id ELSE t.source_id END = NEW.account_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'ledger: external reference % of account %: transfer % does not have it', NEW.reference, NEW.account_id, NEW.transfer_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

ALTER TABLE transfers_externalreference RENAME CONSTRAINT transfers_externalreference_pkey TO transfer_external_reference_unique;
CREATE CONSTRAINT TRIGGER reference_has_transfer AFTER INSERT ON transfers_externalreference DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION ledger_check_reference();

-- The same for the hold's side: the movement that reserves it has placed it, and the one that takes
-- or returns its money has ended it.
CREATE FUNCTION ledger_check_hold() RETURNS trigger LANGUAGE plpgsql
    SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
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
        AND CASE e.kind WHEN 'hold_release' THEN e.target_id ELSE e.source_id END = h.source_id
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

CREATE CONSTRAINT TRIGGER hold_is_placed AFTER INSERT ON transfers_hold DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION ledger_check_hold();
CREATE CONSTRAINT TRIGGER hold_is_moved_on AFTER UPDATE ON transfers_hold DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN ((OLD.status, OLD.captured_minor, OLD.capture_id) IS DISTINCT FROM (NEW.status, NEW.captured_minor, NEW.capture_id))
    EXECUTE FUNCTION ledger_check_hold();

-- The search for a name finds a temporary table before those of every schema. Without this, a role
-- that may make temporary tables could hide the real accounts behind one of its own, with a
-- boundless overdraft, and the guard would read that.
DO $pin$ DECLARE
    guard text;
BEGIN
    FOREACH guard IN ARRAY ARRAY['ledger_check_entries', 'ledger_check_transfers', 'ledger_check_commit', 'ledger_check_hold', 'ledger_check_reference'] LOOP
        EXECUTE format('ALTER FUNCTION %I() SET search_path = %I, pg_temp', guard, current_schema());
    END LOOP;
END $pin$;
