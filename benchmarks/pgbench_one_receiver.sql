-- As pgbench.sql, all to the first account.
\set a random(2, :accounts)
SELECT bench_transfer(:a, 1);
