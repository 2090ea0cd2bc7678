-- How an account's entry of a moment is found. Read by migration 0002.

-- The sequence of an account's newest entry at or before a moment; NULL if there is none.
-- Along an account, time and sequence run together (ledger_check_entries), so the sequence is found
-- by halving: 20 look-ups in the primary key for a million entries, and one for a moment after the
-- newest. An index of the times would cost each transfer four more entries.
-- All look-ups read the snapshot of the statement that calls. An entry that somebody removed by
-- force counts as later than the moment; the reconciliation names it.
-- The SET clauses leave the planner the look-up by the primary key, whatever the table's size was
-- when the session planned it.
CREATE FUNCTION ledger_sequence_at(account uuid, moment timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    low bigint := 0;  -- at or before the moment, or 0
    high bigint;  -- what follows it is after the moment
    middle bigint;
    newest timestamptz;
BEGIN
    SELECT e.sequence, e.created_at INTO high, newest
        FROM transfers_ledgerentry e WHERE e.account_id = account ORDER BY e.sequence DESC LIMIT 1;
    IF newest <= moment THEN
        RETURN high;
    END IF;
    WHILE low < high LOOP
        middle := (low + high + 1) / 2;
        IF (SELECT e.created_at <= moment FROM transfers_ledgerentry e WHERE e.account_id = account AND e.sequence = middle) THEN
            low := middle;
        ELSE
            high := middle - 1;
        END IF;
    END LOOP;
    RETURN nullif(low, 0);
END
$$;

-- A temporary table must not hide the journal (guards.sql says why).
DO $pin$ BEGIN
    EXECUTE format('ALTER FUNCTION ledger_sequence_at(uuid, timestamptz) SET search_path = %I, pg_temp', current_schema());
END $pin$;
