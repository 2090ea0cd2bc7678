"""What a transfer costs to keep: bytes of each table and index after many transfers with fees, posted one by one over HTTP."""

from __future__ import annotations

import psycopg

from benchmarks.machines import ledger
from benchmarks.measuring import over_http
from benchmarks.requests import many, single
from benchmarks.run import CONNECTIONS, SECONDS, Run, Stored
from benchmarks.setup import register

TRANSFERS = 50_000 if SECONDS >= 2 else 10_000
"""So many that what a page or a table begins with does not count."""

_SLICE_S = 2.0

_SIZES = """
SELECT coalesce(pg_partition_root(c.oid)::regclass, c.oid::regclass)::text, i.part, sum(i.bytes)::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
    LATERAL (
        SELECT 'rows' AS part, pg_table_size(c.oid) AS bytes
        UNION ALL
        SELECT substring(pg_get_indexdef(x.indexrelid) FROM 'USING (.*)'), pg_relation_size(x.indexrelid)
        FROM pg_index x WHERE x.indrelid = c.oid
    ) i
WHERE c.relkind = 'r' AND n.nspname = 'public' AND c.relname LIKE 'transfers%'
GROUP BY 1, 2
"""


def storage_part(run: Run) -> None:
    """Post the transfers, and measure the tables."""
    url = run.database.create("storage")
    print(f"Storage of {TRANSFERS:,} transfers", flush=True)
    with ledger(url, 2) as served:
        register(served, run.tally, "storage")
        doing = over_http(run.database, served, single(many), connections=CONNECTIONS, tally=run.tally, tallied_as="storage")
        while run.tally.acknowledged["storage"] < TRANSFERS:
            doing(_SLICE_S)
    run.check("storage", url)
    transfers = run.tally.acknowledged["storage"]
    with psycopg.connect(url) as connection:
        run.storage = [Stored(table, part, size / transfers) for table, part, size in connection.execute(_SIZES).fetchall()]
