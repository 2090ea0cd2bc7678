-- What never changes about merchants, accounts and currencies, whoever asks. Read by migration
-- 0002.
-- These are row triggers with a WHEN clause: they cost nothing unless such a change is tried.

CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ledger: % of % is refused: %', lower(TG_OP), TG_TABLE_NAME, TG_ARGV[0]
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

-- An account lies beside its merchant: its id has the merchant's bucket, the last ten bits
-- (kernel/ids.py). Written out: PostgreSQL would expand a function anew for each INSERT.
ALTER TABLE merchants_account ADD CONSTRAINT account_bucket CHECK (get_byte(uuid_send(id), 15) = get_byte(uuid_send(merchant_id), 15)
    AND (get_byte(uuid_send(id), 14) # get_byte(uuid_send(merchant_id), 14)) & 3 = 0);

CREATE TRIGGER currency_identity BEFORE UPDATE ON merchants_currency FOR EACH ROW
    WHEN (OLD.code IS DISTINCT FROM NEW.code OR OLD.exponent IS DISTINCT FROM NEW.exponent)
    EXECUTE FUNCTION ledger_refuse_change('stored amounts are in minor units of this code and exponent');

CREATE TRIGGER merchant_identity BEFORE UPDATE ON merchants_merchant FOR EACH ROW
    WHEN (OLD.id IS DISTINCT FROM NEW.id OR OLD.name IS DISTINCT FROM NEW.name OR OLD.created_at IS DISTINCT FROM NEW.created_at)
    EXECUTE FUNCTION ledger_refuse_change('a merchant keeps its id and name');

CREATE TRIGGER account_identity BEFORE UPDATE ON merchants_account FOR EACH ROW
    WHEN (OLD.id IS DISTINCT FROM NEW.id OR OLD.merchant_id IS DISTINCT FROM NEW.merchant_id
        OR OLD.currency_id IS DISTINCT FROM NEW.currency_id OR OLD.kind IS DISTINCT FROM NEW.kind)
    EXECUTE FUNCTION ledger_refuse_change('an account keeps its merchant, currency and kind');

-- The journal refers to accounts without a foreign key for each row, so accounts must stay.
CREATE TRIGGER account_kept BEFORE DELETE ON merchants_account FOR EACH STATEMENT
    EXECUTE FUNCTION ledger_refuse_change('accounts are closed, never deleted');
CREATE TRIGGER account_not_truncated BEFORE TRUNCATE ON merchants_account FOR EACH STATEMENT
    EXECUTE FUNCTION ledger_refuse_change('accounts are closed, never deleted');
CREATE TRIGGER merchant_kept BEFORE DELETE ON merchants_merchant FOR EACH STATEMENT
    EXECUTE FUNCTION ledger_refuse_change('merchants are closed, never deleted');
CREATE TRIGGER merchant_not_truncated BEFORE TRUNCATE ON merchants_merchant FOR EACH STATEMENT
    EXECUTE FUNCTION ledger_refuse_change('merchants are closed, never deleted');
