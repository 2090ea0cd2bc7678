-- What pgbench calls: the same reads, writes, guards and locks as the service's posting, for one transfer, in one function.
CREATE TABLE bench_accounts (n int PRIMARY KEY, wallet uuid NOT NULL, fees uuid NOT NULL);

-- Ids in the order of time, as the service makes them, where the server can (PostgreSQL 18).
DO $$
BEGIN
    EXECUTE format('CREATE FUNCTION bench_id() RETURNS uuid LANGUAGE sql VOLATILE AS %L',
        'SELECT ' || CASE WHEN current_setting('server_version_num')::int >= 180000 THEN 'uuidv7()' ELSE 'gen_random_uuid()' END);
END
$$;

-- An id beside an account, as the service makes it: the same bucket, which is in the last three digits.
CREATE FUNCTION bench_id_beside(place uuid) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT (left(bench_id()::text, 33) || right(place::text, 3))::uuid
$$;

CREATE FUNCTION bench_transfer(source_n int, target_n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    source uuid; source_fees uuid; target uuid;
    record_id uuid := gen_random_uuid(); transfer uuid; moment timestamptz; schedule uuid;
    s record; f record; t record;
BEGIN
    SELECT wallet, fees INTO source, source_fees FROM bench_accounts WHERE n = source_n;
    SELECT wallet INTO target FROM bench_accounts WHERE n = target_n;
    transfer := bench_id_beside(source);
    INSERT INTO transfers_idempotencyclaim (id, created_at) VALUES (record_id, transaction_timestamp()) ON CONFLICT (id) DO NOTHING;
    SELECT id INTO schedule FROM fees_feeschedule WHERE merchant_id IS NULL AND currency_id IS NULL LIMIT 1;
    PERFORM id FROM merchants_account WHERE id IN (source, source_fees, target) ORDER BY id FOR UPDATE;
    SELECT sequence, balance_after_minor AS balance, hash INTO s FROM transfers_ledgerentry WHERE account_id = source ORDER BY sequence DESC LIMIT 1;
    SELECT sequence, balance_after_minor AS balance, hash INTO t FROM transfers_ledgerentry WHERE account_id = target ORDER BY sequence DESC LIMIT 1;
    SELECT coalesce(max(sequence), 0) AS sequence, (array_agg(balance_after_minor ORDER BY sequence DESC))[1] AS balance,
        (array_agg(hash ORDER BY sequence DESC))[1] AS hash INTO f
        FROM (SELECT * FROM transfers_ledgerentry WHERE account_id = source_fees ORDER BY sequence DESC LIMIT 1) q;
    moment := clock_timestamp();
    INSERT INTO transfers_transfer (id, kind, source_id, target_id, currency_id, amount_minor, fee_minor, total_debit_minor, fee_schedule_id,
        metadata, principal, request_id, created_at)
        VALUES (transfer, 'transfer', source, target, 'USD', 100, 1, 101, schedule, '{}', 'pgbench', '', moment);
    INSERT INTO transfers_ledgerentry (account_id, sequence, transfer_id, direction, type, amount_minor, balance_after_minor, created_at, hash)
        VALUES (source, s.sequence + 1, transfer, 'DEBIT', 'transfer', 100, s.balance - 100, moment, sha256(s.hash)),
               (target, t.sequence + 1, transfer, 'CREDIT', 'transfer', 100, t.balance + 100, moment, sha256(t.hash)),
               (source, s.sequence + 2, transfer, 'DEBIT', 'fee', 1, s.balance - 101, moment, sha256(sha256(s.hash))),
               (source_fees, f.sequence + 1, transfer, 'CREDIT', 'fee', 1, coalesce(f.balance, 0) + 1, moment, sha256(coalesce(f.hash, '\x00')));
    INSERT INTO transfers_idempotencyrecord (id, created_at, owner, key, fingerprint, status_code, body, transfer_id)
        VALUES (record_id, transaction_timestamp(), 'platform', record_id::text, md5(record_id::text)::uuid, 201, repeat('x', 450), transfer);
END
$$;

-- The same for a batch of n, set-based: what one connection can do when nothing but the tables, their indexes and guards is in the way.
CREATE FUNCTION bench_batch(accounts int, n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    records uuid[]; transfers uuid[]; sources uuid[]; targets uuid[]; fees uuid[]; moment timestamptz; schedule uuid;
BEGIN
    SELECT array_agg(gen_random_uuid() ORDER BY i), array_agg(bench_id_beside(s.wallet) ORDER BY i), array_agg(s.wallet ORDER BY i),
        array_agg(t.wallet ORDER BY i), array_agg(s.fees ORDER BY i)
    INTO records, transfers, sources, targets, fees
    FROM (SELECT i, 1 + floor(random() * accounts)::int AS a, floor(random() * (accounts - 1))::int AS shift
        FROM generate_series(1, n) i) p
    JOIN bench_accounts s ON s.n = p.a
    JOIN bench_accounts t ON t.n = 1 + (p.a + p.shift) % accounts;
    INSERT INTO transfers_idempotencyclaim (id, created_at)
        SELECT r, transaction_timestamp() + i * interval '1 microsecond' FROM unnest(records) WITH ORDINALITY u(r, i) ORDER BY r
        ON CONFLICT (id) DO NOTHING;
    SELECT id INTO schedule FROM fees_feeschedule WHERE merchant_id IS NULL AND currency_id IS NULL LIMIT 1;
    PERFORM id FROM merchants_account WHERE id = ANY(sources || targets || fees) ORDER BY id FOR UPDATE;
    moment := clock_timestamp();
    -- Along an account each posting is later than the one before, so each of the batch has a microsecond of its own.
    INSERT INTO transfers_transfer (id, kind, source_id, target_id, currency_id, amount_minor, fee_minor, total_debit_minor, fee_schedule_id,
        metadata, principal, request_id, created_at, batch_place)
        SELECT t, 'transfer', s, g, 'USD', 100, 1, 101, schedule, '{}', 'pgbench', '', moment + i * interval '1 microsecond',
            CASE row_number() OVER (ORDER BY t) WHEN 1 THEN 1 ELSE 2 END
        FROM unnest(transfers, sources, targets) WITH ORDINALITY u(t, s, g, i);
    INSERT INTO transfers_ledgerentry (account_id, sequence, transfer_id, direction, type, amount_minor, balance_after_minor, created_at, hash)
        WITH legs AS MATERIALIZED (
            SELECT i, leg, account, transfer, direction, type, delta
            FROM unnest(transfers, sources, targets, fees) WITH ORDINALITY u(transfer, s, g, f, i),
                LATERAL (VALUES (1, s, 'DEBIT', 'transfer', -100), (2, g, 'CREDIT', 'transfer', 100),
                    (3, s, 'DEBIT', 'fee', -1), (4, f, 'CREDIT', 'fee', 1)) l(leg, account, direction, type, delta)
        ), heads AS MATERIALIZED (
            SELECT a.account, coalesce(h.sequence, 0) AS sequence, coalesce(h.balance_after_minor, 0) AS balance
            FROM (SELECT DISTINCT account FROM legs) a LEFT JOIN LATERAL (
                SELECT sequence, balance_after_minor FROM transfers_ledgerentry e WHERE e.account_id = a.account ORDER BY sequence DESC LIMIT 1
            ) h ON true
        )
        SELECT account, h.sequence + row_number() OVER chain, transfer, direction, type, abs(delta), h.balance + sum(delta) OVER chain,
            moment + i * interval '1 microsecond', sha256(transfer::text::bytea)
        FROM legs JOIN heads h USING (account) WINDOW chain AS (PARTITION BY account ORDER BY i, leg);
    INSERT INTO transfers_idempotencyrecord (id, created_at, owner, key, fingerprint, status_code, body, transfer_id)
        SELECT r, transaction_timestamp() + i * interval '1 microsecond', 'platform', r::text, md5(r::text)::uuid, 201, repeat('x', 450), t
        FROM unnest(records, transfers) WITH ORDINALITY u(r, t, i);
END
$$;
