"""Tables of merchants: currencies, merchants, accounts."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models
from django.db.models.functions import Collate, Lower


# Nothing is released, so the tables change in place: a database of another state of them cannot
# become one of this.
REFUSE_EARLIER_DATABASE = """
DO $$ BEGIN
    IF to_regclass('merchants_merchant') IS NOT NULL THEN
        RAISE EXCEPTION 'ledger: this database was made by earlier migrations and cannot be brought to these; '
            'make a new, empty database and migrate that (docs/operations.md, Upgrade)';
    END IF;
END $$
"""


class Migration(migrations.Migration):

    initial = True

    # Not for a table: once the tables are there, Django keeps the names of our permissions, and in its
    # own first migration these are too long for it.
    dependencies = [
        ('auth', '0002_alter_permission_name_max_length'),
    ]

    operations = [
        migrations.RunSQL(REFUSE_EARLIER_DATABASE, migrations.RunSQL.noop),
        migrations.CreateModel(
            name='Currency',
            fields=[
                ('code', models.CharField(max_length=12, primary_key=True, serialize=False)),
                ('exponent', models.PositiveSmallIntegerField(help_text='Decimals of one major unit: USD 2, JPY 0, BTC 8.')),
                ('name', models.CharField(max_length=100)),
                ('is_active', models.BooleanField(default=True, help_text='New accounts and transfers may use it.')),
            ],
            options={
                'verbose_name_plural': 'currencies',
                'ordering': ['code'],
                'constraints': [models.CheckConstraint(condition=models.Q(('code__regex', '^[A-Z][A-Z0-9]{1,11}$')), name='currency_code_format'), models.CheckConstraint(condition=models.Q(('exponent__lte', 30)), name='currency_exponent_range')],
            },
        ),
        migrations.CreateModel(
            name='Merchant',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=64)),
                ('display_name', models.CharField(blank=True, max_length=200, null=True)),
                ('receipt_email', models.EmailField(blank=True, max_length=254, null=True)),
                ('status', models.CharField(choices=[('active', 'active'), ('frozen', 'frozen'), ('closed', 'closed')], default='active', max_length=8)),
                ('metadata', models.JSONField(blank=True, default=dict)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                'ordering': ['-id'],
                'permissions': [('freeze_merchant', 'Can freeze, unfreeze and close merchants and accounts')],
                'indexes': [models.Index(condition=models.Q(('status', 'active'), _negated=True), fields=['status', 'id'], name='merchant_status_id')],
                'constraints': [models.CheckConstraint(condition=models.Q(('name__regex', '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$')), name='merchant_name_format'), models.CheckConstraint(condition=models.Q(('status__in', ['active', 'frozen', 'closed'])), name='merchant_status_known'), models.CheckConstraint(condition=models.Q(('display_name', ''), _negated=True), name='merchant_display_name_not_empty')],
            },
        ),
        # By SQL: Django makes no index of a collation inside of a function.
        migrations.RunSQL(
            'CREATE UNIQUE INDEX merchant_name_unique ON merchants_merchant (lower(name COLLATE "C"))',
            migrations.RunSQL.noop,
            state_operations=[
                migrations.AddConstraint('merchant', models.UniqueConstraint(Lower(Collate('name', 'C')), name='merchant_name_unique')),
            ],
        ),
        migrations.CreateModel(
            name='Account',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('wallet', 'wallet'), ('held', 'held'), ('fees', 'fees'), ('external', 'external')], max_length=8)),
                ('status', models.CharField(choices=[('active', 'active'), ('frozen', 'frozen'), ('closed', 'closed')], default='active', max_length=8)),
                ('overdraft_limit_minor', models.DecimalField(decimal_places=0, default=0, max_digits=38)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('currency', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='merchants.currency')),
                ('merchant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='accounts', to='merchants.merchant')),
            ],
            options={
                'ordering': ['-id'],
                'permissions': [('set_overdraft', 'Can set overdraft limits')],
                'constraints': [models.UniqueConstraint(fields=('merchant', 'currency', 'kind'), name='account_merchant_currency_kind_unique'), models.CheckConstraint(condition=models.Q(('kind__in', ['wallet', 'held', 'fees', 'external'])), name='account_kind_known'), models.CheckConstraint(condition=models.Q(('status__in', ['active', 'frozen', 'closed'])), name='account_status_known'), models.CheckConstraint(condition=models.Q(('overdraft_limit_minor', 0), models.Q(('kind', 'wallet'), ('overdraft_limit_minor__gt', 0)), _connector='OR'), name='account_overdraft_of_wallets'), models.CheckConstraint(condition=models.Q(('overdraft_limit_minor__lte', 99999999999999999999999999999999999999)), name='account_overdraft_bounded')],
            },
        ),
    ]
