"""The index of entries of more than 18 digits: camt.053 cannot hold them, and asks for one before it begins.

It is made without a lock on the table, which may be large. A first try that was interrupted leaves an index that is not valid: it is
dropped before the next one.
"""

from django.db import migrations, models

_NAME = "entry_long_amount"
_CREATE = f"""
CREATE INDEX CONCURRENTLY {_NAME} ON transfers_ledgerentry (account_id, sequence) WHERE amount_minor >= 1000000000000000000
"""
_DROP = f"DROP INDEX CONCURRENTLY IF EXISTS {_NAME}"


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("transfers", "0010_idempotency_owner")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(_DROP, migrations.RunSQL.noop),
                migrations.RunSQL(_CREATE, _DROP),
            ],
            state_operations=[
                migrations.AddIndex(
                    model_name="ledgerentry",
                    index=models.Index(fields=["account", "sequence"], name=_NAME, condition=models.Q(amount_minor__gte=10**18)),
                )
            ],
        )
    ]
