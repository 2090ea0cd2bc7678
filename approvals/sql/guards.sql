-- What was asked for never changes, a decision is final, and nothing is removed. Read by migration 0001.
CREATE TRIGGER approval_asked BEFORE UPDATE ON approvals_approval FOR EACH ROW
    WHEN ((OLD.id, OLD.action, OLD.currency, OLD.amount_minor, OLD.merchant_id, OLD.operation, OLD.fingerprint, OLD.summary, OLD.reason,
           OLD.requested_by, OLD.request_id, OLD.created_at, OLD.expires_at)
        IS DISTINCT FROM
          (NEW.id, NEW.action, NEW.currency, NEW.amount_minor, NEW.merchant_id, NEW.operation, NEW.fingerprint, NEW.summary, NEW.reason,
           NEW.requested_by, NEW.request_id, NEW.created_at, NEW.expires_at))
    EXECUTE FUNCTION ledger_refuse_change('what was asked for never changes');

CREATE TRIGGER approval_decided BEFORE UPDATE ON approvals_approval FOR EACH ROW
    WHEN (OLD.status <> 'pending')
    EXECUTE FUNCTION ledger_refuse_change('a decision is final');

CREATE TRIGGER approval_kept BEFORE DELETE ON approvals_approval FOR EACH ROW
    EXECUTE FUNCTION ledger_refuse_change('approvals are kept');

CREATE TRIGGER approvals_kept BEFORE TRUNCATE ON approvals_approval FOR EACH STATEMENT
    EXECUTE FUNCTION ledger_refuse_change('approvals are kept');
