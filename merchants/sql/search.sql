-- Merchants are found by a part of their name. An index on all pieces of one to three characters serves that with what PostgreSQL has by
-- itself; pg_trgm would be an extension, which the embedded server has not. Read by migration 0002.
CREATE FUNCTION ledger_grams(name text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT coalesce(array_agg(DISTINCT substr(name, first, size)), '{}')
    FROM generate_series(1, 3) AS size, generate_series(1, length(name) - size + 1) AS first
$$;
CREATE INDEX merchant_name_grams ON merchants_merchant USING gin (ledger_grams(lower(name COLLATE "C")));
