"""A request to add money is confirmed in the transaction of its deposit: what stood between two transactions goes.

A confirmation that was cut off in between is finished; what only an attempt had written is taken back.
"""

from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).parent.parent / "sql" / "deposit_requests.sql"

UNGUARD = """
DROP TRIGGER deposit_request_not_truncated ON transfers_depositrequest; DROP TRIGGER deposit_request_kept ON transfers_depositrequest;
DROP FUNCTION ledger_check_deposit_request() CASCADE;
"""

FINISH = """
UPDATE transfers_depositrequest r SET status = 'confirmed', transfer_id = t.id, decided_by = t.principal, decided_at = t.created_at
FROM transfers_transfer t JOIN merchants_account a ON a.id = t.target_id
WHERE r.status = 'pending' AND t.kind = 'deposit' AND t.external_reference = r.bank_reference AND t.currency_id = r.currency_id
    AND t.amount_minor = r.amount_minor AND a.merchant_id = r.merchant_id AND t.metadata ->> 'deposit_request' = r.id::text;
UPDATE transfers_depositrequest SET bank_reference = NULL WHERE status = 'pending';
SET CONSTRAINTS ALL IMMEDIATE;
"""


class Migration(migrations.Migration):

    dependencies = [
        ("transfers", "0009_requested_reconciliations"),
    ]

    operations = [
        migrations.RunSQL(UNGUARD, SQL.read_text()),
        migrations.RunSQL(FINISH, migrations.RunSQL.noop),
        migrations.RemoveConstraint("depositrequest", "deposit_request_decided_whole"),
        migrations.RemoveField("depositrequest", "attempt"),
        migrations.AddConstraint(
            model_name="depositrequest",
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('bank_reference__isnull', True), ('decided_at__isnull', True), ('decided_by__isnull', True), ('reason__isnull', True), ('status', 'pending'), ('transfer__isnull', True)), models.Q(('bank_reference__isnull', False), ('decided_at__isnull', False), ('decided_by__isnull', False), ('reason__isnull', True), ('status', 'confirmed'), ('transfer__isnull', False)), models.Q(('bank_reference__isnull', True), ('decided_at__isnull', False), ('decided_by__isnull', False), ('reason__isnull', False), ('status', 'declined'), ('transfer__isnull', True)), _connector='OR'), name='deposit_request_decided_whole'),
        ),
        migrations.RunSQL(SQL.read_text(), UNGUARD),
    ]
