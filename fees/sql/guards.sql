-- A fee schedule is never edited: transfers refer to the version that they were charged by. Read by migration 0002.

CREATE TRIGGER fee_schedule_append_only BEFORE UPDATE OR DELETE ON fees_feeschedule FOR EACH STATEMENT
    EXECUTE FUNCTION ledger_refuse_change('append a new version instead');
CREATE TRIGGER fee_schedule_not_truncated BEFORE TRUNCATE ON fees_feeschedule FOR EACH STATEMENT
    EXECUTE FUNCTION ledger_refuse_change('append a new version instead');

-- Versions of a scope count 1, 2, 3 and come into force in that order, so what was charged yesterday can be found again.
CREATE FUNCTION ledger_check_fee_schedules() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    bad record;
BEGIN
    SELECT n.id, n.version INTO bad
    FROM new_rows n
    LEFT JOIN fees_feeschedule p ON p.merchant_id IS NOT DISTINCT FROM n.merchant_id AND p.currency_id IS NOT DISTINCT FROM n.currency_id
        AND p.kind IS NOT DISTINCT FROM n.kind AND p.version = n.version - 1
    WHERE (n.version > 1 AND p.id IS NULL) OR n.version < 1 OR p.effective_from >= n.effective_from
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger: fee schedule % (version %) must follow the version before it, with a later effective_from', bad.id, bad.version
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER fee_schedule_guard AFTER INSERT ON fees_feeschedule
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_fee_schedules();
