-- The statements that one transfer with its fee takes, as the service sends them, one transaction a transfer: claim the key, lock the
-- accounts, read clock and heads, insert transfer and entries, complete the key. The hash is computed by the server here.
\set a random(1, :accounts)
\set b random(1, :accounts - 1)
\set b CASE WHEN :b >= :a THEN :b + 1 ELSE :b END
SELECT bench_transfer(:a, :b);
