-- Answers of idempotency keys. A row is inserted once, together with the posting that it is about,
-- and is never changed. All rows of a day lie in one table of a ring of 32, so that a day whose time
-- is over is removed by TRUNCATE (upkeep/purging.py). created_at is that of the claim: it says in
-- which table the answer is, and finds it there.
CREATE TABLE transfers_idempotencyrecord (
    created_at timestamptz NOT NULL,
    id uuid NOT NULL,
    transfer_id uuid,
    fingerprint uuid NOT NULL,
    status_code smallint NOT NULL,
    owner varchar(255) NOT NULL,
    key varchar(255) NOT NULL,
    body text NOT NULL
) PARTITION BY LIST (mod((created_at AT TIME ZONE 'UTC')::date - DATE '2000-01-01', 32));

CREATE INDEX idempotency_created_at ON transfers_idempotencyrecord (created_at);

-- A vacuum after inserts would only make ready for a long life what is truncated within days.
DO $ring$ BEGIN
    FOR number IN 0..31 LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF transfers_idempotencyrecord FOR VALUES IN (%s)'
            ' WITH (autovacuum_vacuum_insert_threshold = -1)',
            'transfers_idempotencyrecord_' || lpad(number::text, 2, '0'), number);
    END LOOP;
END $ring$;
