"""The ledger's part of a database as lines of text, for comparisons."""

from __future__ import annotations

import re
from pathlib import Path

from django.db import connection

_EXPECTED = Path(__file__).with_name("squashed_schema.txt")

# Names of this schema only: the lines are the same wherever the tables are. NOT NULL stands with
# the columns: from PostgreSQL 18 on it is a constraint too.
_DESCRIBE = """
WITH ours AS (
    SELECT c.oid, c.relname, c.reloptions FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relname ~ '^(merchants|people|fees|transfers)_'
), lines AS (
    SELECT format('table %s %s', relname, coalesce(array_to_string(reloptions, ' '), '')) FROM ours
    UNION ALL
    SELECT format('column %s.%s %s%s%s', t.relname, a.attname, format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attnotnull THEN ' not null' END, ' default ' || pg_get_expr(d.adbin, d.adrelid))
    FROM ours t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
    UNION ALL
    SELECT format('constraint %s.%s %s', t.relname, k.conname, pg_get_constraintdef(k.oid))
    FROM ours t JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype IN ('c', 'f', 'p', 'u', 'x')
    UNION ALL
    SELECT format('index %s', pg_get_indexdef(i.indexrelid)) FROM ours t JOIN pg_index i ON i.indrelid = t.oid
    UNION ALL
    SELECT format('trigger %s', pg_get_triggerdef(g.oid)) FROM ours t JOIN pg_trigger g ON g.tgrelid = t.oid AND NOT g.tgisinternal
    UNION ALL
    SELECT format('function %s(%s) %s %s', p.proname, pg_get_function_identity_arguments(p.oid),
        coalesce(array_to_string(p.proconfig, ' '), ''), md5(p.prosrc))
    FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace AND p.proname LIKE 'ledger\\_%'
)
SELECT regexp_replace(line, format('\\m%s(\\.|, pg_temp)', current_schema()), '', 'g') FROM lines AS l(line) ORDER BY 1
"""


def schema_lines() -> list[str]:
    """Return a line for each table, column, constraint, index, trigger and function of the ledger
    in the current schema.
    """
    with connection.cursor() as cursor:
        cursor.execute(_DESCRIBE)
        return sorted(" ".join(line.split()) for (line,) in cursor.fetchall())


def expected_lines() -> list[str]:
    """Return the lines of a database right after the squashed migrations."""
    return _EXPECTED.read_text().splitlines()


def differences() -> list[str]:
    """Return the lines that the database has too many (``+``) and too few (``-``)."""
    here, expected = ({_canonical(line): line for line in lines} for lines in (schema_lines(), expected_lines()))
    return [
        *(f"+ {here[line]}" for line in sorted(here.keys() - expected.keys())),
        *(f"- {expected[line]}" for line in sorted(expected.keys() - here.keys())),
    ]


def _canonical(line: str) -> str:
    """Return a line without casts and parentheses: PostgreSQL writes others after a restore, and in
    other versions.
    """
    return re.sub(r"::(character varying|[a-z]+)(\(\d+\))?(\[\])?|[()]", "", line)
