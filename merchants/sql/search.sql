-- The search finds merchants by a part of their name, through an index on all pieces of one to
-- three characters. It needs nothing but PostgreSQL itself: pg_trgm would be an extension, which
-- the embedded server does not have. Read by migration 0002.
CREATE FUNCTION ledger_grams(name text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT coalesce(array_agg(DISTINCT substr(name, first, size)), '{}')
    FROM generate_series(1, 3) AS size, generate_series(1, length(name) - size + 1) AS first
$$;
CREATE INDEX merchant_name_grams ON merchants_merchant USING gin (ledger_grams(lower(name COLLATE "C")));
