"""Accounts: the balances of a currency add up to zero, and overdraft limits are numbers."""

from ledger_project.database.fields import readable
from transfers.sql.entries import newest_entry

ZERO_SUM = f"""
SELECT 'currency ' || currency, 'the balances of all accounts add up to ' || total FROM (
    SELECT a.currency_id AS currency, sum(e.balance_after_minor) AS total
    FROM merchants_account a
    JOIN LATERAL ({newest_entry("balance_after_minor", account="a.id")}) e ON true
    GROUP BY a.currency_id
) t WHERE total <> 0 ORDER BY currency LIMIT %(limit)s
"""

LIMITS = f"""
SELECT 'account ' || a.id, 'its overdraft limit, ' || a.overdraft_limit_minor || ', is no number that can be kept'
FROM merchants_account a WHERE NOT ({readable("a.overdraft_limit_minor")}) AND /*accounts*/ ORDER BY a.id LIMIT %(limit)s
"""
