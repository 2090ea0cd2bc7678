"""An overdraft limit is a number: NUMERIC's 'NaN', which is above every number, is none.

Added NOT VALID, which is done at once, and validated while postings go on; should a row break the rule, it stays NOT VALID, new limits are
checked all the same, and ``reconcile`` names the row.
"""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

VALIDATE = """
DO $$ BEGIN
    ALTER TABLE merchants_account VALIDATE CONSTRAINT account_overdraft_bounded;
EXCEPTION WHEN check_violation THEN
    RAISE WARNING 'ledger: rows of merchants_account break account_overdraft_bounded; manage.py reconcile names them';
END $$
"""


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("merchants", "0005_ascii_names")]
    operations = [
        AddConstraintNotValid(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(overdraft_limit_minor__lte=10**38 - 1), name="account_overdraft_bounded"
            ),
        ),
        migrations.RunSQL(VALIDATE, migrations.RunSQL.noop),
    ]
