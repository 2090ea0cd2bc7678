-- A batch of 1,000 transfers, set-based, in one transaction.
SELECT bench_batch(:accounts, 1000);
