"""A long ledger in a short time, for measuring: merchants, months of transfers and all their entries by INSERT … SELECT.

Balances, sequences and times are what the engine would have written; hashes are not (they are 32 bytes that chain nothing), and the
guards are off while it fills. Never for a ledger that anybody needs.
"""

from __future__ import annotations

from django.db import connection, transaction

from transfers.figures.refresh import rebuild_figures

CURRENCIES = {"USD": (0.7, 5_000_000, 120_00), "EUR": (0.2, 4_000_000, 90_00), "BTC": (0.1, 500_000_000, 300_000)}
"""For each currency its share of the transfers, what each merchant begins with, and the usual amount, in minor units."""

_NAMES = "ARRAY['alder','birch','cedar','dune','ember','fjord','grove','harbor','iris','juniper','kestrel','lumen','maple','north','opal']"
_TRADES = "ARRAY['books','coffee','market','supply','travel','studio','foods','cycles','textiles','pharmacy','tools','records']"

# The last three digits of an id are those of its place, and with them its bucket (kernel/ids.py).
_FUNCTION = """
CREATE OR REPLACE FUNCTION pg_temp.uuid7_at(moment timestamptz, place uuid) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT (lpad(to_hex(micro / 1000), 12, '0') || '7' || lpad(to_hex(micro % 1000 * 4096 / 1000), 3, '0') || '8'
        || substr(md5(random()::text), 1, 12) || right(place::text, 3))::uuid
    FROM (SELECT (extract(epoch FROM moment) * 1000000)::bigint AS micro) m
$$
"""

_MERCHANTS = f"""
INSERT INTO merchants_merchant (id, name, status, metadata, created_at)
SELECT
    pg_temp.uuid7_at(t, gen_random_uuid()),
    ({_NAMES})[1 + n %% 15] || '-' || ({_TRADES})[1 + n / 15 %% 12] || CASE WHEN n < 180 THEN '' ELSE '-' || n END,
    'active', '{{}}', t
FROM (
    SELECT n, now() - make_interval(days => %(days)s + 1) + n * interval '1 millisecond' AS t FROM generate_series(0, %(merchants)s - 1) n
) s
ON CONFLICT DO NOTHING
"""

_ACCOUNTS = """
INSERT INTO merchants_account (id, merchant_id, currency_id, kind, status, overdraft_limit_minor, created_at)
SELECT pg_temp.uuid7_at(m.created_at, m.id), m.id, c.code, k.kind, 'active', 0, m.created_at
FROM merchants_merchant m, unnest(%(codes)s::text[]) c(code), unnest(ARRAY['wallet','held','fees','external']) k(kind)
ON CONFLICT DO NOTHING
"""

# Every wallet begins with a deposit; then transfers mostly, some money in and out, spread over the days with a weekly rhythm.
_PLAN = """
CREATE TEMP TABLE planned AS
WITH wallets AS (
    SELECT a.id, a.merchant_id, a.currency_id, row_number() OVER (PARTITION BY a.currency_id ORDER BY a.id) - 1 AS n
    FROM merchants_account a WHERE a.kind = 'wallet' AND a.currency_id = %(code)s
), size AS (SELECT count(*)::int AS wallets FROM wallets), drawn AS (
    SELECT n, random() AS dice, floor(power(random(), 1.7) * (SELECT wallets FROM size))::bigint AS one,
        floor(random() * ((SELECT wallets FROM size) - 1))::bigint AS step,
        greatest(1, floor(%(amount)s * (0.1 + power(random(), 3) * 4)))::numeric AS amount,
        now() - interval '10 minutes' - make_interval(secs => %(days)s * 86400.0 * power(random(), 1.15)) AS moment
    FROM generate_series(1, %(count)s) n
)
SELECT d.*, CASE WHEN dice < 0.86 THEN 'transfer' WHEN dice < 0.95 THEN 'deposit' ELSE 'withdrawal' END AS kind,
    a.id AS own, a.merchant_id, b.id AS other
FROM drawn d JOIN wallets a ON a.n = d.one JOIN wallets b ON b.n = (d.one + 1 + d.step) %% (SELECT wallets FROM size)
UNION ALL
SELECT 0, 0, 0, 0, %(opening)s, now() - make_interval(days => %(days)s) - interval '1 hour' + n * interval '1 millisecond', 'opening',
    id, merchant_id, NULL FROM wallets
"""

_TRANSFERS = """
INSERT INTO transfers_transfer (id, kind, source_id, target_id, currency_id, amount_minor, fee_minor, total_debit_minor, fee_schedule_id,
    memo, metadata, principal, request_id, created_at)
SELECT pg_temp.uuid7_at(p.moment, p.merchant_id), p.kind, CASE WHEN p.kind IN ('deposit', 'opening') THEN x.id ELSE p.own END,
    CASE p.kind WHEN 'transfer' THEN p.other WHEN 'withdrawal' THEN x.id ELSE p.own END, %(code)s, p.amount, f.fee, p.amount + f.fee,
    CASE WHEN p.kind = 'transfer' THEN (SELECT id FROM fees_feeschedule ORDER BY effective_from LIMIT 1) END,
    (ARRAY['invoice', 'order', 'subscription', 'refill', NULL])[1 + floor(random() * 5)], '{}', 'fill', '', p.moment
FROM planned p JOIN merchants_account x ON x.merchant_id = p.merchant_id AND x.currency_id = %(code)s AND x.kind = 'external'
CROSS JOIN LATERAL (SELECT CASE p.kind WHEN 'transfer' THEN round(p.amount * 0.01) ELSE 0 END AS fee) f
"""

_ENTRIES = """
INSERT INTO transfers_ledgerentry (account_id, sequence, transfer_id, direction, type, amount_minor, balance_after_minor, created_at, hash)
SELECT account_id, row_number() OVER chain, transfer_id, direction, type, amount,
    sum(CASE direction WHEN 'CREDIT' THEN amount ELSE -amount END) OVER chain, created_at, sha256(transfer_id::text::bytea)
FROM (
    SELECT t.id AS transfer_id, t.created_at, l.* FROM transfers_transfer t
    JOIN merchants_account s ON s.id = t.source_id
    LEFT JOIN merchants_account f ON f.merchant_id = s.merchant_id AND f.currency_id = t.currency_id AND f.kind = 'fees'
    CROSS JOIN LATERAL (VALUES (1, t.source_id, 'DEBIT', t.kind, t.amount_minor), (2, t.target_id, 'CREDIT', t.kind, t.amount_minor),
        (3, t.source_id, 'DEBIT', 'fee', t.fee_minor), (4, f.id, 'CREDIT', 'fee', t.fee_minor)
    ) l(position, account_id, direction, type, amount)
    WHERE t.currency_id = %(code)s AND l.amount > 0
) lines
WINDOW chain AS (PARTITION BY account_id ORDER BY created_at, transfer_id, position)
"""

# The ids as transfers/domain/idempotency.py makes them.
_KEYS = """
WITH made AS (
    INSERT INTO transfers_idempotencyrecord (id, owner, key, fingerprint, status_code, body, transfer_id, created_at)
    SELECT encode(substr(sha256(length || content), 1, 4)
            || substr(sha256(int4send(8) || 'platform'::bytea || length || content), 1, 12), 'hex')::uuid,
        'platform', key, md5(key)::uuid, 201, '{}', id, created_at
    FROM (
        SELECT id, created_at, key, convert_to(key, 'UTF8') AS content, int4send(octet_length(key)) AS length
        FROM (SELECT id, created_at, 'order-' || id AS key FROM transfers_transfer WHERE kind = 'transfer') t
        WHERE created_at > now() - interval '7 days'
    ) k
    RETURNING id, created_at
)
INSERT INTO transfers_idempotencyclaim (id, created_at) SELECT id, created_at FROM made
"""


def fill(*, merchants: int, entries: int, days: int = 90) -> None:
    """Fill an empty ledger with about so many entries, and sum up its days."""
    transfers = entries * 10 // 37  # 86% of the movements have four entries, the others two
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("SELECT setseed(0.42)")
        cursor.execute(_FUNCTION)
        cursor.execute(_MERCHANTS, {"merchants": merchants, "days": days})
        cursor.execute(_ACCOUNTS, {"codes": list(CURRENCIES)})
        for code, (share, opening, amount) in CURRENCIES.items():
            values = {"code": code, "count": int(transfers * share), "days": days, "opening": opening, "amount": amount}
            cursor.execute(_PLAN, values)
            cursor.execute(_TRANSFERS, values)
            cursor.execute(_ENTRIES, values)
            cursor.execute("DROP TABLE planned")
        cursor.execute(_KEYS)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    rebuild_figures()
