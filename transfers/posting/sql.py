"""Every SQL text of the posting transaction, named, in the order in which it runs: the dialect of
PostgreSQL.

Another dialect (a ledger that is spread over servers) must keep, and
tests/unit/test_posting_sql.py reads in this one:

- A statement that locks names one table, without a join or a query inside, and takes its locks in
  the order of ids. What is decided on is read by later statements, with a snapshot that was taken
  after the locks.
- A unique constraint contains the place of its row: its account, merchant or owner. So rows of one
  place are enough to keep it.
- No sequence, advisory lock or NOTIFY: each is one for the whole cluster.
- What is read under an account's lock is found by that account, or is never changed.

Inserts return nothing: on one server ``RETURNING`` costs time for each row and tells nothing new.
"""

from fees.selectors import CANDIDATES
from transfers.sql.entries import newest_entry
from transfers.sql.idempotency import slot_of
from transfers.sql.mark import newest_mark

_CLAIMED_AT = "transaction_timestamp() + c.place * interval '1 microsecond'"

# Sets how long a statement may wait for a lock, and the kind of its plan. Every statement here is a
# look-up by key, so its plan never depends on its parameters, and planning each of them anew took
# most of a small posting's time. A plan that was made when the tables were small must not stay a
# scan when they have grown, hence no scans at all where there is an index.
# A process may freeze at any moment while it holds locks; then the server ends its session. The
# second limit is for a session that waits for its client's next statement, the last for one inside
# a round trip (since PostgreSQL 17; before, the limits of the connection have to do, which are in
# ledger_project/database/backend). The transaction gets its number here, before its time (CLOCK).
BEGIN_POSTING = """
SELECT set_config('lock_timeout', %s, true), set_config('plan_cache_mode', 'force_generic_plan', true),
    set_config('enable_seqscan', 'off', true), set_config('idle_in_transaction_session_timeout', %s, true),
    set_config('statement_timeout', %s, true),
    CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL THEN set_config('transaction_timeout', %s, true) END,
    pg_current_xact_id()
"""

# Keys in the order of their ids, so that two workers with the same keys wait for each other in a
# line, never in a circle. Where another transaction has claimed a key and not yet committed, this
# waits for its end. The time is the start of the transaction, so COMPLETE_KEYS has the same one,
# also after midnight; each key of a batch has a microsecond of its own.
CLAIM_KEYS = f"""
INSERT INTO transfers_idempotencyclaim (id, created_at)
SELECT c.id, {_CLAIMED_AT}
FROM unnest(%s::uuid[]) WITH ORDINALITY AS c(id, place)
ORDER BY c.id
ON CONFLICT (id) DO NOTHING
RETURNING encode(uuid_send(id), 'hex')
"""

# Sent for keys whose claim was won, so a key of another request registers no merchant. A merchant
# whose currency is switched off is not registered either: unless its name is taken, it is returned
# without a time.
REGISTER_MERCHANTS = """
WITH wanted AS MATERIALIZED (
    SELECT m.*, coalesce(NOT c.is_active, false) AS is_off
    FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::jsonb[], %s::timestamptz[], %s::text[])
        AS m(id, name, display_name, receipt_email, metadata, moment, currency)
    LEFT JOIN merchants_currency c ON c.code = m.currency
), registered AS (
    INSERT INTO merchants_merchant (id, name, display_name, receipt_email, status, metadata, created_at)
    SELECT m.id, m.name, m.display_name, m.receipt_email, 'active', m.metadata, coalesce(m.moment, statement_timestamp())
    FROM wanted m WHERE NOT m.is_off
    ORDER BY lower(m.name COLLATE "C")
    ON CONFLICT (lower(name COLLATE "C")) DO NOTHING
    RETURNING id, created_at
)
SELECT id, created_at FROM registered
UNION ALL
SELECT m.id, NULL FROM wanted m
WHERE m.is_off AND NOT EXISTS (SELECT 1 FROM merchants_merchant taken WHERE lower(taken.name COLLATE "C") = lower(m.name COLLATE "C"))
"""

# The fee schedules that may apply. The statement is that of the fees (fees/selectors.py).
SCHEDULES = CANDIDATES

FIND_ACCOUNTS = """
SELECT id, merchant_id, currency_id, kind FROM merchants_account WHERE merchant_id = ANY(%s::uuid[])
"""

# One table and one order for all transactions, so that two workers wait for each other in a line,
# never in a circle.
LOCK_ACCOUNTS = "SELECT id FROM merchants_account WHERE id = ANY(%s::uuid[]) ORDER BY id FOR UPDATE"

# Before the accounts: the merchants of accounts that do not exist yet, so that a merchant cannot be
# frozen or closed between the read of its state and its first posting in a currency. A change of a
# merchant's state writes the merchant's row, so it waits for this lock.
LOCK_MERCHANTS = "SELECT id FROM merchants_merchant WHERE id = ANY(%s::uuid[]) ORDER BY id FOR SHARE"

# The same for rows that no other transaction has locked: a posting that found a lock taken asks for
# the rest of its batch in this way.
LOCK_FREE_ACCOUNTS = f"{LOCK_ACCOUNTS} SKIP LOCKED"
LOCK_FREE_MERCHANTS = f"{LOCK_MERCHANTS} SKIP LOCKED"

# The following statements run after the locks, as statements of their own: one that locks and reads
# at once would read an older snapshot than its locks. The transaction has had its number since its
# first statement, and its time (the second column) is later than the candidate of the feed's mark:
# so the mark knows which times may still come (transfers/services/mark.py).
# Whether a currency is active is read here and not earlier: a key that was answered is answered so
# again, whatever operators changed.
CLOCK = f"""
SELECT clock_timestamp(), greatest(clock_timestamp(), m.candidate_until + interval '1 microsecond'),
    ARRAY(SELECT code FROM merchants_currency WHERE code = ANY(%s::text[]) AND NOT is_active)
FROM ({newest_mark("candidate_until")}) m
"""

HEADS = f"""
SELECT a.id, a.merchant_id, a.currency_id, a.kind, a.status, m.status, m.name, a.overdraft_limit_minor, a.created_at,
    e.sequence, e.balance_after_minor, e.hash, e.created_at
FROM merchants_account a
JOIN merchants_merchant m ON m.id = a.merchant_id
LEFT JOIN LATERAL ({newest_entry("sequence, balance_after_minor, hash, created_at", account="a.id")}) e ON true
WHERE a.id = ANY(%s::uuid[])
"""

MERCHANTS = "SELECT id, name, status FROM merchants_merchant WHERE id = ANY(%s::uuid[])"

# Where the answers of keys lie that others have claimed.
TAKEN_KEYS = f"""
SELECT encode(uuid_send(id), 'hex'), created_at::text, {slot_of("created_at")} FROM transfers_idempotencyclaim WHERE id = ANY(%s::uuid[])
"""

# For keys of one day, whose table is a parameter: else the executor would make all 32 ready.
REPLAYS = f"""
SELECT encode(uuid_send(r.id), 'hex'), r.fingerprint, r.status_code, r.body
FROM unnest(%s::uuid[], %s::timestamptz[]) AS k(id, created_at) CROSS JOIN LATERAL (
    SELECT * FROM transfers_idempotencyrecord a
    WHERE a.created_at = k.created_at AND a.id = k.id AND {slot_of("a.created_at")} = %s::int LIMIT 1
) r
"""

# In pairs: many accounts use a reference like "INV-1", and each command has few accounts.
REFERENCES = """
SELECT r.account_id, r.reference, r.transfer_id
FROM unnest(%s::text[], %s::uuid[]) AS wanted(reference, account_id)
JOIN transfers_externalreference r ON r.reference = wanted.reference AND r.account_id = wanted.account_id
"""

# What is decided under an account's lock lies beside that account: a reversal beside the account
# that sends the money back, a hold beside the wallet that pays.
REVERSALS = """
SELECT reverses_id, amount_minor FROM transfers_transfer
WHERE reverses_id = ANY(%s::uuid[]) AND source_id = ANY(%s::uuid[]) ORDER BY id
"""

HOLD_STATES = """
SELECT id, status, captured_minor, capture_id FROM transfers_hold WHERE id = ANY(%s::uuid[]) AND source_id = ANY(%s::uuid[])
"""

# Only for a backdated history (backdating.py). The mark of the daily figures is locked and that of
# the feed taken back first, so that neither goes on meanwhile. The candidate of the feed stays
# where it is, and its number is taken anew. A later statement reads the time of the newest transfer
# or event, and the time since which the fees are in force.
LOCK_FIGURES_MARK = "SELECT rolled_until FROM transfers_rollupmark WHERE id = 1 FOR UPDATE"

TAKE_FEED_MARK_BACK = """
UPDATE transfers_feedmark SET id = id + 1, candidate_xid = NULL,
    settled_until = least(settled_until, %s::timestamptz - interval '1 microsecond')
"""

END_OF_HISTORY = """
SELECT greatest(
    (SELECT created_at FROM transfers_transfer ORDER BY id DESC LIMIT 1),
    (SELECT created_at FROM transfers_event ORDER BY id DESC LIMIT 1),
    (SELECT max(effective_from) FROM fees_feeschedule WHERE effective_from <= clock_timestamp()))
"""

TAKE_FIGURES_MARK_BACK = """
UPDATE transfers_rollupmark SET rolled_until = %s WHERE id = 1 AND rolled_until > %s
"""


# The writes.
OPEN_ACCOUNTS = """
INSERT INTO merchants_account (id, merchant_id, currency_id, kind, status, overdraft_limit_minor, created_at)
SELECT a.id, a.merchant_id, a.currency_id, a.kind, 'active', 0, a.created_at
FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::timestamptz[]) AS a(id, merchant_id, currency_id, kind, created_at)
ORDER BY a.merchant_id, a.currency_id, a.kind
"""

PLACE_HOLDS = """
INSERT INTO transfers_hold (id, source_id, source_merchant_id, target_merchant_id, currency_id, amount_minor, reserved_minor,
    captured_minor, status, fee_schedule_id, memo, metadata, expires_at, created_at)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::numeric[], %s::numeric[],
    %s::numeric[], %s::text[], %s::uuid[], %s::text[], %s::jsonb[], %s::timestamptz[], %s::timestamptz[])
"""

# What a batch brings about beside money: merchants and wallets. Most batches have none.
INSERT_EVENTS = """
INSERT INTO transfers_event (id, type, merchant_id, account_id, data, created_at)
SELECT * FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::uuid[], %s::jsonb[], %s::timestamptz[])
"""

# Before their transfers, whose guard looks for them.
INSERT_REFERENCES = """
INSERT INTO transfers_externalreference (reference, account_id, transfer_id)
SELECT * FROM unnest(%s::text[], %s::uuid[], %s::uuid[])
"""

# A time is sent as its microseconds after the time of most rows: reading 5,000 times took a
# thirtieth of a large posting. At the commit the trigger of the row with the smallest id checks all
# of them (sql/guards.sql).
_LATER = "%s::timestamptz + later * interval '1 microsecond'"

INSERT_TRANSFERS = f"""
INSERT INTO transfers_transfer (id, kind, source_id, target_id, currency_id, amount_minor, fee_minor, total_debit_minor,
    fee_schedule_id, reverses_id, hold_id, external_reference, memo, metadata, principal, request_id, created_at, batch_place)
SELECT id, kind, source_id, target_id, currency_id, amount_minor, fee_minor, total_debit_minor, fee_schedule_id, reverses_id, hold_id,
    external_reference, memo, metadata, principal, request_id, {_LATER}, CASE id WHEN %s::uuid THEN %s::smallint ELSE 2 END
FROM unnest(%s::uuid[], %s::text[], %s::uuid[], %s::uuid[], %s::text[], %s::numeric[], %s::numeric[], %s::numeric[],
    %s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::jsonb[], %s::text[], %s::text[], %s::bigint[])
    AS t(id, kind, source_id, target_id, currency_id, amount_minor, fee_minor, total_debit_minor, fee_schedule_id, reverses_id, hold_id,
    external_reference, memo, metadata, principal, request_id, later)
"""

INSERT_ENTRIES = f"""
INSERT INTO transfers_ledgerentry (account_id, sequence, transfer_id, direction, type, amount_minor, balance_after_minor, created_at, hash)
SELECT account_id, sequence, transfer_id, direction, type, amount_minor, balance_after_minor, {_LATER}, hash
FROM unnest(%s::uuid[], %s::bigint[], %s::uuid[], %s::text[], %s::text[], %s::numeric[], %s::numeric[], %s::bigint[], %s::bytea[])
    AS e(account_id, sequence, transfer_id, direction, type, amount_minor, balance_after_minor, later, hash)
"""

END_HOLDS = """
UPDATE transfers_hold h SET status = c.status, captured_minor = c.captured_minor, capture_id = c.capture_id
FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::numeric[], %s::uuid[]) AS c(id, source_id, status, captured_minor, capture_id)
WHERE h.id = c.id AND h.source_id = c.source_id
"""

COMPLETE_KEYS = f"""
INSERT INTO transfers_idempotencyrecord (id, created_at, owner, key, fingerprint, status_code, body, transfer_id)
SELECT c.id, {_CLAIMED_AT}, c.owner, c.key, c.fingerprint, c.status_code, c.body, c.transfer_id
FROM unnest(%s::uuid[], %s::smallint[], %s::text[], %s::text[], %s::uuid[], %s::smallint[], %s::text[], %s::uuid[])
    AS c(id, place, owner, key, fingerprint, status_code, body, transfer_id)
"""

RELEASE_KEYS = "DELETE FROM transfers_idempotencyclaim WHERE id = ANY(%s::uuid[])"

INSERT_REFUSALS = """
INSERT INTO transfers_refusal (id, kind, code, words, source_id, target_id, currency, amount_minor, principal, request_id, owner, key,
    created_at)
SELECT r.id, r.kind, r.code, r.words, r.source_id, r.target_id, r.currency, r.amount_minor, r.principal, r.request_id, r.owner, r.key,
    coalesce(r.moment, clock_timestamp())
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::uuid[], %s::uuid[], %s::text[], %s::numeric[], %s::text[], %s::text[],
    %s::text[], %s::text[], %s::timestamptz[])
    AS r(id, kind, code, words, source_id, target_id, currency, amount_minor, principal, request_id, owner, key, moment)
"""

COUNT_REFUSALS = """
INSERT INTO transfers_refusaltally (id, currency, code, refusals, created_at)
SELECT c.id, c.currency, c.code, c.refusals, coalesce(c.moment, clock_timestamp())
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::timestamptz[], %s::int[]) AS c(id, currency, code, moment, refusals)
"""
