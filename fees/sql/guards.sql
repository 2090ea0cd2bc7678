-- A fee schedule is never edited: transfers refer to the version that charged them. Read by
-- migration 0002.

CREATE TRIGGER fee_schedule_append_only BEFORE UPDATE OR DELETE ON fees_feeschedule FOR EACH STATEMENT
    EXECUTE FUNCTION ledger_refuse_change('append a new version instead');
CREATE TRIGGER fee_schedule_not_truncated BEFORE TRUNCATE ON fees_feeschedule FOR EACH STATEMENT
    EXECUTE FUNCTION ledger_refuse_change('append a new version instead');

-- Versions of a scope count 1, 2, 3 and come into force in that order, so that what was charged
-- yesterday can be found again. None is so far ahead that no later one could follow it. Tiers are
-- as the application reads them: bounds that rise, and terms within their limits.
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
    SELECT n.id, n.version INTO bad FROM new_rows n WHERE n.effective_from > clock_timestamp() + interval '3661 days' LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger: fee schedule % (version %) must come into force within ten years', bad.id, bad.version
            USING ERRCODE = 'check_violation';
    END IF;
    SELECT n.id, n.version INTO bad
    FROM new_rows n
    WHERE jsonb_typeof(n.tiers) <> 'array' OR EXISTS (
        SELECT FROM (
            SELECT e.tier, e.position, lead(e.position) OVER positions IS NULL AS is_last,
                lag(e.tier ->> 'up_to_minor') OVER positions AS below
            FROM jsonb_array_elements(CASE jsonb_typeof(n.tiers) WHEN 'array' THEN n.tiers ELSE '[]' END) WITH ORDINALITY AS e(tier, position)
            WINDOW positions AS (ORDER BY e.position)
        ) t
        WHERE CASE
            WHEN t.position > 50 OR jsonb_typeof(t.tier) <> 'object' THEN true
            WHEN t.tier - ARRAY['up_to_minor', 'rate', 'flat_minor'] <> '{}' OR jsonb_typeof(t.tier -> 'up_to_minor') IS NULL THEN true
            WHEN (t.tier -> 'up_to_minor' = 'null') <> t.is_last THEN true
            WHEN coalesce(jsonb_typeof(t.tier -> 'rate'), 'string') <> 'string'
                OR coalesce(jsonb_typeof(t.tier -> 'flat_minor'), 'number') <> 'number'
                OR jsonb_typeof(t.tier -> 'up_to_minor') NOT IN ('null', 'number') THEN true
            WHEN coalesce(t.tier ->> 'rate', '0') COLLATE "C" !~ '^(0(\.[0-9]{1,10})?|1(\.0{1,10})?)$'
                OR coalesce(t.tier ->> 'flat_minor', '0') COLLATE "C" !~ '^(0|[1-9][0-9]{0,30})$'
                OR coalesce(t.tier ->> 'up_to_minor', '1') COLLATE "C" !~ '^[1-9][0-9]{0,30}$' THEN true
            ELSE (t.tier ->> 'flat_minor')::numeric > 1e30 OR (t.tier ->> 'up_to_minor')::numeric > 1e30
                OR (t.tier ->> 'up_to_minor')::numeric <= t.below::numeric
        END
    )
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger: fee schedule % (version %) has tiers that cannot be charged', bad.id, bad.version
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER fee_schedule_guard AFTER INSERT ON fees_feeschedule
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_fee_schedules();

-- The guard looks into the ledger's own schema only: transfers/sql/guards.sql says why.
DO $pin$ BEGIN
    EXECUTE format('ALTER FUNCTION ledger_check_fee_schedules() SET search_path = %I, pg_temp', current_schema());
END $pin$;
