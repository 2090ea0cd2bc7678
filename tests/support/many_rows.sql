-- 100,000 merchants, accounts, transfers and holds, 200,000 entries: for looking at plans, in a transaction that is rolled back.
-- They are newer than what other tests make, so no page has to step over that. Half of the transfers and holds
-- are of one busy merchant; statuses, kinds and references that are asked for are few.
-- The guards are off: these times are in the future, and many entries of an account have no posting of their own.
SET LOCAL session_replication_role = replica;
SET LOCAL maintenance_work_mem = '512MB';
SET LOCAL work_mem = '256MB';
CREATE FUNCTION pg_temp.v7(kind int, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(1956528000000 + n), 12, '0') || '7000800' || kind || lpad(to_hex(n), 12, '0'))::uuid
$$;
-- A transfer and a hold lie beside their payer: the same last ten bits.
CREATE FUNCTION pg_temp.v7(kind int, n bigint, payer bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(1956528000000 + n), 12, '0') || '7000800' || kind || lpad(to_hex(n << 10 | payer), 12, '0'))::uuid
$$;
-- Indexes are built much faster when the rows are there. Not those of merchants and accounts: their rows are updated in place, and an
-- index that is built over such rows is of no use to the transaction that builds it.
CREATE TEMPORARY TABLE dropped ON COMMIT DROP AS
    SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition FROM pg_index i
    WHERE i.indrelid = ANY ('{transfers_transfer,transfers_externalreference,transfers_ledgerentry,transfers_hold}'::regclass[])
        AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid);
DO $$ BEGIN EXECUTE (SELECT 'DROP INDEX ' || string_agg(name, ', ') FROM dropped); END $$;
INSERT INTO merchants_merchant (id, name, status, metadata)
    SELECT pg_temp.v7(1, n), 'plan-' || left(md5(n::text), 10), CASE n % 5000 WHEN 0 THEN 'frozen' ELSE 'active' END, '{}' FROM generate_series(1, 100000) n;
INSERT INTO merchants_account (id, merchant_id, currency_id, kind, status, overdraft_limit_minor)
    SELECT pg_temp.v7(c.kind, n), pg_temp.v7(1, n), c.currency, 'wallet', 'active', 1000000000
    FROM generate_series(1, 100000) n JOIN (VALUES (2, 'USD'), (3, 'EUR')) AS c(kind, currency) ON c.kind = 2 OR n <= 1000;
CREATE TEMPORARY TABLE movement ON COMMIT DROP AS
    SELECT n, pg_temp.v7(4, n, s) AS id, CASE n % 50 WHEN 0 THEN 3 ELSE 2 END AS money, s, CASE WHEN t = s THEN 1 ELSE t END AS t,
        timestamptz '2032-01-01 00:00:00Z' + n * interval '1 millisecond' AS at
    FROM (SELECT n, CASE n % 2 WHEN 0 THEN 1 ELSE 2 + n % 998 END AS s, 2 + (n * 7 + 3) % 998 AS t FROM generate_series(1, 100000) n) m;
INSERT INTO transfers_transfer (id, kind, source_id, target_id, currency_id, amount_minor, fee_minor, total_debit_minor, external_reference,
    metadata, principal, request_id, created_at)
    SELECT id, CASE n % 1000 WHEN 7 THEN 'withdrawal' ELSE 'transfer' END, pg_temp.v7(money, s), pg_temp.v7(money, t),
        CASE money WHEN 3 THEN 'EUR' ELSE 'USD' END, 1, 0, 1, CASE n % 10 WHEN 0 THEN 'plan-ref-' || n END, '{}', 'plan', '', at FROM movement;
INSERT INTO transfers_externalreference (reference, account_id, transfer_id)
    SELECT 'plan-ref-' || n, pg_temp.v7(money, s), id FROM movement WHERE n % 10 = 0;
INSERT INTO transfers_ledgerentry (account_id, sequence, transfer_id, direction, type, amount_minor, balance_after_minor, created_at, hash)
    SELECT account, row_number() OVER chain, id, CASE sign WHEN 1 THEN 'CREDIT' ELSE 'DEBIT' END, 'transfer', 1, sum(sign) OVER chain, at,
        decode(repeat('00', 32), 'hex')
    FROM (SELECT pg_temp.v7(money, s) AS account, id, -1 AS sign, at FROM movement
          UNION ALL SELECT pg_temp.v7(money, t), id, 1, at FROM movement) e
    WINDOW chain AS (PARTITION BY account ORDER BY id);
INSERT INTO transfers_hold (id, source_id, source_merchant_id, target_merchant_id, currency_id, amount_minor, reserved_minor, captured_minor,
    status, fee_schedule_id, capture_id, metadata, expires_at, created_at)
    SELECT pg_temp.v7(5, n, s), pg_temp.v7(2, s), pg_temp.v7(1, s), pg_temp.v7(1, t), 'USD', 1, 1,
        CASE status WHEN 'captured' THEN 1 ELSE 0 END, status, (SELECT id FROM fees_feeschedule LIMIT 1),
        CASE status WHEN 'captured' THEN id END, '{}', CASE n % 2 WHEN 0 THEN timestamptz '2025-11-01' ELSE timestamptz '2999-01-01' END, at
    FROM (SELECT *, CASE WHEN n % 1000 < 2 THEN 'open' WHEN n % 1000 < 4 THEN 'expired' WHEN n % 1000 < 6 THEN 'voided' ELSE 'captured' END AS status
          FROM movement) m;
DO $$ BEGIN EXECUTE (SELECT string_agg(definition, '; ') FROM dropped); END $$;
ANALYZE merchants_merchant, merchants_account, transfers_transfer, transfers_externalreference, transfers_ledgerentry, transfers_hold;
RESET work_mem;
SET LOCAL session_replication_role = origin;
