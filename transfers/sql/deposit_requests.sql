-- What the requests to add money refuse, whoever writes to them. Read by migrations 0005 and 0010.

-- A request begins as pending, keeps its terms, and is decided once. Only a deposit of exactly this
-- request confirms it: its amount, its wallet, its bank reference, and its id in the metadata.
CREATE FUNCTION ledger_check_deposit_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'pending' THEN
            RAISE EXCEPTION 'ledger: a request to add money begins as pending' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.status <> 'pending' THEN
        RAISE EXCEPTION 'ledger: request % is decided', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (OLD.id, OLD.merchant_id, OLD.currency_id, OLD.amount_minor, OLD.memo, OLD.principal, OLD.created_at)
        IS DISTINCT FROM (NEW.id, NEW.merchant_id, NEW.currency_id, NEW.amount_minor, NEW.memo, NEW.principal, NEW.created_at) THEN
        RAISE EXCEPTION 'ledger: request % keeps its terms', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.status = 'confirmed' AND NOT EXISTS (
        SELECT FROM transfers_transfer t JOIN merchants_account a ON a.id = t.target_id
        WHERE t.id = NEW.transfer_id AND t.kind = 'deposit' AND t.amount_minor = NEW.amount_minor AND t.currency_id = NEW.currency_id
            AND a.merchant_id = NEW.merchant_id AND t.external_reference = NEW.bank_reference
            AND t.metadata ->> 'deposit_request' = NEW.id::text
    ) THEN
        RAISE EXCEPTION 'ledger: no deposit of request % has this id', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER deposit_request_checked BEFORE INSERT OR UPDATE ON transfers_depositrequest FOR EACH ROW
    EXECUTE FUNCTION ledger_check_deposit_request();
CREATE TRIGGER deposit_request_kept BEFORE DELETE ON transfers_depositrequest FOR EACH STATEMENT
    EXECUTE FUNCTION ledger_refuse_change('requests are declined, never deleted');
CREATE TRIGGER deposit_request_not_truncated BEFORE TRUNCATE ON transfers_depositrequest FOR EACH STATEMENT
    EXECUTE FUNCTION ledger_refuse_change('requests are declined, never deleted');

DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION ledger_check_deposit_request() SET search_path = %I, pg_temp', current_schema());
END $$;
