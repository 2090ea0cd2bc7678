"""Daily figures beside the journal, and how far they go."""

from django.db import migrations, models


# Before the first transfer: the first refresh sums up all that is there, in steps.
FIRST_MARK = """
INSERT INTO transfers_rollupmark (id, rolled_until, refreshed_at) VALUES (1, '2000-01-01T00:00:00Z', '2000-01-01T00:00:00Z')
"""


class Migration(migrations.Migration):

    dependencies = [
        ('fees', '0002_guards_and_default'),
        ('merchants', '0002_guards_and_currencies'),
        ('transfers', '0002_guards'),
    ]

    operations = [
        migrations.CreateModel(
            name='DailyActivity',
            fields=[
                ('pk', models.CompositePrimaryKey('currency', 'day', 'kind', blank=True, editable=False, primary_key=True, serialize=False)),
                ('currency', models.CharField(max_length=12)),
                ('day', models.DateField()),
                ('kind', models.CharField(choices=[('transfer', 'transfer'), ('deposit', 'deposit'), ('withdrawal', 'withdrawal'), ('opening', 'opening'), ('hold', 'hold'), ('hold_release', 'hold_release'), ('capture', 'capture'), ('reversal', 'reversal'), ('fee_settlement', 'fee_settlement')], max_length=16)),
                ('transfers', models.BigIntegerField()),
                ('volume_minor', models.DecimalField(decimal_places=0, max_digits=60)),
                ('fees_minor', models.DecimalField(decimal_places=0, max_digits=60)),
                ('fee_refunds_minor', models.DecimalField(decimal_places=0, max_digits=60)),
            ],
            options={
                'verbose_name_plural': 'daily activity',
            },
        ),
        migrations.CreateModel(
            name='DailyMerchant',
            fields=[
                ('pk', models.CompositePrimaryKey('currency', 'day', 'merchant_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('currency', models.CharField(max_length=12)),
                ('day', models.DateField()),
                ('merchant_id', models.UUIDField()),
                ('entries', models.BigIntegerField()),
                ('sent_minor', models.DecimalField(decimal_places=0, max_digits=60)),
                ('received_minor', models.DecimalField(decimal_places=0, max_digits=60)),
            ],
        ),
        migrations.CreateModel(
            name='DailyRefusals',
            fields=[
                ('pk', models.CompositePrimaryKey('currency', 'day', 'code', blank=True, editable=False, primary_key=True, serialize=False)),
                ('currency', models.CharField(blank=True, max_length=12)),
                ('day', models.DateField()),
                ('code', models.CharField(max_length=64)),
                ('refusals', models.BigIntegerField()),
            ],
            options={
                'verbose_name_plural': 'daily refusals',
            },
        ),
        migrations.CreateModel(
            name='DailyValue',
            fields=[
                ('pk', models.CompositePrimaryKey('currency', 'day', 'account_kind', blank=True, editable=False, primary_key=True, serialize=False)),
                ('currency', models.CharField(max_length=12)),
                ('day', models.DateField()),
                ('account_kind', models.CharField(choices=[('wallet', 'wallet'), ('held', 'held'), ('fees', 'fees'), ('external', 'external')], max_length=8)),
                ('entries', models.BigIntegerField()),
                ('change_minor', models.DecimalField(decimal_places=0, max_digits=60)),
            ],
        ),
        migrations.CreateModel(
            name='RefusalTally',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('currency', models.CharField(blank=True, max_length=12)),
                ('code', models.CharField(max_length=64)),
                ('refusals', models.PositiveIntegerField()),
                ('created_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='RollupMark',
            fields=[
                ('id', models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ('rolled_until', models.DateTimeField()),
                ('candidate_until', models.DateTimeField(null=True)),
                ('candidate_xid', models.BigIntegerField(null=True)),
                ('refreshed_at', models.DateTimeField()),
            ],
        ),
        migrations.AddIndex(
            model_name='hold',
            index=models.Index(condition=models.Q(('status', 'open')), fields=['currency'], include=('reserved_minor',), name='hold_open_currency'),
        ),
        migrations.AddConstraint(
            model_name='rollupmark',
            constraint=models.CheckConstraint(condition=models.Q(('id', 1)), name='rollup_mark_single'),
        ),
        migrations.RunSQL(FIRST_MARK, migrations.RunSQL.noop),
    ]
