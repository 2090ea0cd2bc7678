-- The mark of the feed, the events beside the journal, and ids as bounds of time. Read by migration
-- 0004.

-- The smallest id of a moment: ids of earlier moments sort before it, all others from it on. It is
-- first_uuid7_at in kernel/ids.py, for moments since 1970.
CREATE FUNCTION ledger_first_id(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (lpad(to_hex((extract(epoch FROM moment) * 1000000)::bigint / 1000), 12, '0') || '7'
        || lpad(to_hex((extract(epoch FROM moment) * 1000000)::bigint % 1000 * 4096 / 1000), 3, '0') || '8000000000000000')::uuid;

-- The first mark: all that is there is after it.
INSERT INTO transfers_feedmark (id, settled_until, candidate_until, moved_at)
VALUES (1, '2000-01-01T00:00:00Z', '2000-01-01T00:00:00Z', '2000-01-01T00:00:00Z');

-- A second row would hide the first. Nothing but the next write follows a write.
CREATE TRIGGER feed_mark_single BEFORE INSERT OR DELETE ON transfers_feedmark FOR EACH STATEMENT
    EXECUTE FUNCTION ledger_refuse_change('the feed has one mark');
CREATE TRIGGER feed_mark_not_truncated BEFORE TRUNCATE ON transfers_feedmark FOR EACH STATEMENT
    EXECUTE FUNCTION ledger_refuse_change('the feed has one mark');
CREATE TRIGGER feed_mark_counted BEFORE UPDATE ON transfers_feedmark FOR EACH ROW WHEN (NEW.id <> OLD.id + 1)
    EXECUTE FUNCTION ledger_refuse_change('each write counts one');

-- An event is of its id's time, and nothing is put in behind the mark.
ALTER TABLE transfers_event ADD CONSTRAINT event_id_of_its_time
    CHECK (id >= ledger_first_id(created_at) AND id < ledger_first_id(created_at + interval '1 microsecond'));

CREATE FUNCTION ledger_check_events() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    bad record;
    settled timestamptz := (SELECT m.settled_until FROM transfers_feedmark m ORDER BY m.id DESC LIMIT 1);
BEGIN
    SELECT n.id, CASE WHEN n.created_at <= settled THEN 'its time is behind the mark of the feed' ELSE 'its time is in the future' END AS reason
    INTO bad FROM new_rows n WHERE n.created_at <= settled OR n.created_at > clock_timestamp() + interval '10 seconds' LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger: event %: %', bad.id, bad.reason USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER event_guard AFTER INSERT ON transfers_event
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_events();
CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE ON transfers_event FOR EACH STATEMENT
    EXECUTE FUNCTION ledger_refuse_change('what happened is never changed');
CREATE TRIGGER event_not_truncated BEFORE TRUNCATE ON transfers_event FOR EACH STATEMENT
    EXECUTE FUNCTION ledger_refuse_change('what happened is never changed');

-- A temporary table must not hide the mark (guards.sql says why).
DO $pin$ BEGIN
    EXECUTE format('ALTER FUNCTION ledger_check_events() SET search_path = %I, pg_temp', current_schema());
END $pin$;
