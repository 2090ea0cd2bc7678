"""The SQL of the daily figures. ``{transfers}`` is the source of the transfers that are summed."""

from ledger_project.database.fields import readable

# A step reads the newest transfers, which the statistics do not know yet. It goes from each to its
# entries and their accounts, by index and in this order. Without these settings the planner began
# at the accounts, if the tables had not been analyzed, and read the whole journal: 650 ms in place
# of 15, which also slowed the postings.
IN_ORDER = """
SELECT set_config('join_collapse_limit', '1', true), set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true), set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)
"""

LOCK_MARK = "SELECT rolled_until FROM transfers_rollupmark WHERE id = 1 FOR UPDATE SKIP LOCKED"

SAVE_MARK = "UPDATE transfers_rollupmark SET rolled_until = %s, refreshed_at = clock_timestamp() WHERE id = 1"

# The end of a step that would be too long: the id of the transfer after so many.
STEP_END = "SELECT id FROM transfers_transfer WHERE id >= %(low)s AND id < %(high)s ORDER BY id OFFSET %(step)s LIMIT 1"

# One amount that is no number would spoil the sums of its day, or stop all refreshes.
_READABLE = readable("amount_minor")
_RANGE = f"(SELECT * FROM transfers_transfer WHERE id >= %(low)s AND id < %(high)s AND {_READABLE})"
_DAY = "(t.created_at AT TIME ZONE 'UTC')::date"

_ACTIVITY = f"""
SELECT t.currency_id AS currency, {_DAY} AS day, t.kind, count(*) AS transfers, sum(t.amount_minor) AS volume_minor,
    sum(coalesce(f.charged, 0)) AS fees_minor, sum(coalesce(f.refunded, 0)) AS fee_refunds_minor
FROM {{transfers}} t LEFT JOIN LATERAL (
    SELECT sum(e.amount_minor) FILTER (WHERE e.type = 'fee') AS charged,
        sum(e.amount_minor) FILTER (WHERE e.type = 'fee_refund') AS refunded
    FROM transfers_ledgerentry e
    WHERE e.transfer_id = t.id AND e.direction = 'CREDIT' AND e.type IN ('fee', 'fee_refund') AND {readable("e.amount_minor")}
) f ON t.kind IN ('transfer', 'capture', 'reversal')
GROUP BY 1, 2, 3
"""

_LINES = f"""
FROM {{transfers}} t JOIN transfers_ledgerentry e ON e.transfer_id = t.id AND {readable("e.amount_minor")}
JOIN merchants_account a ON a.id = e.account_id
"""

_VALUE = f"""
SELECT t.currency_id AS currency, {_DAY} AS day, a.kind AS account_kind, count(*) AS entries,
    sum(CASE e.direction WHEN 'CREDIT' THEN e.amount_minor ELSE -e.amount_minor END) AS change_minor
{_LINES} GROUP BY 1, 2, 3
"""

_MERCHANTS = f"""
SELECT t.currency_id AS currency, {_DAY} AS day, a.merchant_id, count(*) AS entries,
    coalesce(sum(e.amount_minor) FILTER (WHERE e.direction = 'DEBIT'), 0) AS sent_minor,
    coalesce(sum(e.amount_minor) FILTER (WHERE e.direction = 'CREDIT'), 0) AS received_minor
{_LINES} WHERE a.kind = 'wallet' AND e.type NOT IN ('hold', 'hold_release') GROUP BY 1, 2, 3
"""

SUMS = {
    "transfers_dailyactivity": (("currency", "day", "kind"), _ACTIVITY),
    "transfers_dailyvalue": (("currency", "day", "account_kind"), _VALUE),
    "transfers_dailymerchant": (("currency", "day", "merchant_id"), _MERCHANTS),
}
"""For each table of figures its key and the statement that sums them from the journal."""

FIGURES = {
    "transfers_dailyactivity": ("transfers", "volume_minor", "fees_minor", "fee_refunds_minor"),
    "transfers_dailyvalue": ("entries", "change_minor"),
    "transfers_dailymerchant": ("entries", "sent_minor", "received_minor"),
}
"""For each table the columns that are added up."""


def add_statement(table: str) -> str:
    """Return the statement that adds the transfers of a range of ids to a table of figures."""
    key, select = SUMS[table]
    columns = ", ".join((*key, *FIGURES[table]))
    adding = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in FIGURES[table])
    return (
        f"INSERT INTO {table} ({columns}) SELECT {columns} FROM ({select.format(transfers=_RANGE)}) s "
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {adding}"
    )


FOLD_REFUSALS = """
WITH taken AS (DELETE FROM transfers_refusaltally RETURNING currency, code, refusals, created_at)
INSERT INTO transfers_dailyrefusals (currency, day, code, refusals)
SELECT currency, (created_at AT TIME ZONE 'UTC')::date, code, sum(refusals) FROM taken GROUP BY 1, 2, 3
ON CONFLICT (currency, day, code) DO UPDATE SET refusals = transfers_dailyrefusals.refusals + excluded.refusals
"""

START_AFRESH = "UPDATE transfers_rollupmark SET rolled_until = '2000-01-01T00:00:00Z' WHERE id = 1"
