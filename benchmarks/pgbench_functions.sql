-- What pgbench calls: the same reads, writes, guards and locks as the service's posting, for one transfer, in one function.
CREATE TABLE bench_accounts (n int PRIMARY KEY, wallet uuid NOT NULL, fees uuid NOT NULL);

CREATE FUNCTION bench_transfer(source_n int, target_n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    source uuid; source_fees uuid; target uuid;
    record_id uuid := gen_random_uuid(); transfer uuid := gen_random_uuid(); moment timestamptz; schedule uuid;
    s record; f record; t record;
BEGIN
    SELECT wallet, fees INTO source, source_fees FROM bench_accounts WHERE n = source_n;
    SELECT wallet INTO target FROM bench_accounts WHERE n = target_n;
    INSERT INTO transfers_idempotencyrecord (id, principal, key, fingerprint, created_at, expires_at)
        VALUES (record_id, 'pgbench', record_id::text, sha256(record_id::text::bytea), clock_timestamp(), clock_timestamp() + interval '7 days')
        ON CONFLICT (principal, key) DO NOTHING;
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
    UPDATE transfers_idempotencyrecord SET status_code = 201, transfer_id = transfer, body = repeat('x', 450) WHERE id = record_id;
END
$$;
