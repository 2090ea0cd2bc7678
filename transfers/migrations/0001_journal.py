"""Tables of transfers: the journal, holds, idempotency keys, daily figures, runs of the reconciliation."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

SQL = Path(__file__).parent.parent / "sql"


# Nothing is released, so the tables change in place: a database of another state of them cannot
# become one of this.
REFUSE_EARLIER_DATABASE = """
DO $$ BEGIN
    IF to_regclass('transfers_transfer') IS NOT NULL THEN
        RAISE EXCEPTION 'ledger: this database was made by earlier migrations and cannot be brought to these; '
            'make a new, empty database and migrate that (docs/operations.md, Upgrade)';
    END IF;
END $$
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('fees', '0001_tables'),
        ('merchants', '0001_tables'),
    ]

    operations = [
        migrations.RunSQL(REFUSE_EARLIER_DATABASE, migrations.RunSQL.noop),
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
                'constraints': [models.CheckConstraint(condition=models.Q(('fee_refunds_minor__lte', 999999999999999999999999999999999999999999999999999999999999), ('fees_minor__lte', 999999999999999999999999999999999999999999999999999999999999), ('volume_minor__lte', 999999999999999999999999999999999999999999999999999999999999)), name='daily_activity_bounded')],
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
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('received_minor__lte', 999999999999999999999999999999999999999999999999999999999999), ('sent_minor__lte', 999999999999999999999999999999999999999999999999999999999999)), name='daily_merchant_bounded')],
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
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('change_minor__lte', 999999999999999999999999999999999999999999999999999999999999)), name='daily_value_bounded')],
            },
        ),
        migrations.CreateModel(
            name='Hold',
            fields=[
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('source', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='merchants.account')),
                ('source_merchant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='merchants.merchant')),
                ('target_merchant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='merchants.merchant')),
                ('fee_schedule', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='fees.feeschedule')),
                ('currency', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='merchants.currency')),
                ('status', models.CharField(choices=[('open', 'open'), ('captured', 'captured'), ('voided', 'voided'), ('expired', 'expired')], max_length=8)),
                ('amount_minor', models.DecimalField(decimal_places=0, max_digits=38)),
                ('reserved_minor', models.DecimalField(decimal_places=0, max_digits=38)),
                ('captured_minor', models.DecimalField(decimal_places=0, default=0, max_digits=38)),
                ('memo', models.CharField(max_length=500, null=True)),
                ('metadata', models.JSONField(default=dict)),
            ],
            options={
                'ordering': ['-id'],
                'permissions': [('void_hold', 'Can void holds')],
                'indexes': [
                    models.Index(fields=['source_merchant', 'id'], name='hold_source_merchant_id'),
                    models.Index(fields=['target_merchant', 'id'], name='hold_target_merchant_id'),
                    models.Index(fields=['source_merchant', 'status', 'id'], name='hold_source_status_id'),
                    models.Index(fields=['target_merchant', 'status', 'id'], name='hold_target_status_id'),
                    models.Index(fields=['status', 'id'], name='hold_status_id'),
                    models.Index(condition=models.Q(('status', 'open')), fields=['expires_at'], name='hold_open_expiry'),
                    models.Index(condition=models.Q(('status', 'open')), fields=['currency'], include=('reserved_minor',), name='hold_open_currency'),
                ],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('amount_minor__gt', 0)), name='hold_amount_positive'),
                    models.CheckConstraint(condition=models.Q(('amount_minor__lte', 99999999999999999999999999999999999999), ('reserved_minor__lte', 99999999999999999999999999999999999999)), name='hold_amounts_bounded'),
                    models.CheckConstraint(condition=models.Q(('reserved_minor__gte', models.F('amount_minor'))), name='hold_reserves_amount'),
                ],
            },
        ),
        migrations.CreateModel(
            name='ReconciliationRun',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('started_at', models.DateTimeField()),
                ('finished_at', models.DateTimeField()),
                ('verdict', models.CharField(choices=[('clean', 'Clean'), ('damaged', 'Damaged')], max_length=8)),
                ('findings', models.JSONField(default=list)),
                ('entries_checked', models.BigIntegerField()),
                ('kind', models.CharField(choices=[('whole', 'Whole'), ('incremental', 'Incremental'), ('narrow', 'Narrow')], max_length=11)),
                ('scope', models.TextField()),
                ('unseen', models.TextField(blank=True)),
                ('base_id', models.UUIDField(null=True)),
                ('heads_sha256', models.BinaryField(max_length=32, null=True)),
            ],
            options={
                'ordering': ['-id'],
                'constraints': [models.CheckConstraint(condition=models.Q(('verdict__in', ['clean', 'damaged'])), name='reconciliation_verdict_known'), models.CheckConstraint(condition=models.Q(models.Q(('findings', []), ('verdict', 'clean')), models.Q(('verdict', 'damaged'), models.Q(('findings', []), _negated=True)), _connector='OR'), name='reconciliation_damage_is_named'), models.CheckConstraint(condition=models.Q(('kind__in', ['whole', 'incremental', 'narrow'])), name='reconciliation_kind_known'), models.CheckConstraint(condition=models.Q(('heads_sha256', None), models.Q(('kind__in', ['whole', 'incremental']), ('verdict', 'clean')), _connector='OR'), name='reconciliation_heads_are_clean')],
            },
        ),
        migrations.CreateModel(
            name='ReconciliationHead',
            fields=[
                ('account_id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('sequence', models.BigIntegerField()),
                ('hash', models.BinaryField(max_length=32)),
                ('balance_minor', models.DecimalField(decimal_places=0, max_digits=38)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('balance_minor__lte', 99999999999999999999999999999999999999)), name='reconciliation_head_bounded')],
            },
        ),
        migrations.CreateModel(
            name='FiguresMark',
            fields=[
                ('id', models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ('rolled_until', models.DateTimeField()),
                ('candidate_until', models.DateTimeField(null=True)),
                ('candidate_xid', models.BigIntegerField(null=True)),
                ('refreshed_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'transfers_rollupmark',
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='rollup_mark_single')],
            },
        ),
        migrations.CreateModel(
            name='Transfer',
            fields=[
                ('created_at', models.DateTimeField()),
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('source', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='merchants.account')),
                ('target', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='merchants.account')),
                ('fee_schedule', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='fees.feeschedule')),
                ('reverses', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='reversals', to='transfers.transfer')),
                ('hold', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='transfers.hold')),
                ('batch_place', models.SmallIntegerField(choices=[(0, 'looked at by itself'), (1, 'looked at together with all further ones'), (2, 'looked at with the first one')], db_default=0, editable=False)),
                ('kind', models.CharField(choices=[('transfer', 'transfer'), ('deposit', 'deposit'), ('withdrawal', 'withdrawal'), ('opening', 'opening'), ('hold', 'hold'), ('hold_release', 'hold_release'), ('capture', 'capture'), ('reversal', 'reversal'), ('fee_settlement', 'fee_settlement')], max_length=16)),
                ('currency', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='merchants.currency')),
                ('amount_minor', models.DecimalField(decimal_places=0, max_digits=38)),
                ('fee_minor', models.DecimalField(decimal_places=0, max_digits=38)),
                ('total_debit_minor', models.DecimalField(decimal_places=0, max_digits=38)),
                ('external_reference', models.CharField(max_length=255, null=True)),
                ('memo', models.CharField(max_length=500, null=True)),
                ('metadata', models.JSONField(default=dict)),
                ('principal', models.CharField(max_length=255)),
                ('request_id', models.CharField(max_length=128)),
            ],
            options={
                'ordering': ['-id'],
                'permissions': [('reverse_transfer', 'Can reverse transfers')],
                'indexes': [
                    models.Index(fields=['source', 'id'], name='transfer_source_id'),
                    models.Index(fields=['target', 'id'], name='transfer_target_id'),
                    models.Index(fields=['currency', 'id'], name='transfer_currency_id'),
                    models.Index(condition=models.Q(('kind', 'transfer'), _negated=True), fields=['kind', 'id'], name='transfer_kind_id'),
                    models.Index(condition=models.Q(('reverses__isnull', False)), fields=['reverses', 'id'], name='transfer_reverses'),
                ],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('amount_minor__gt', 0)), name='transfer_amount_positive'),
                    models.CheckConstraint(condition=models.Q(('fee_minor__gte', 0)), name='transfer_fee_not_negative'),
                    models.CheckConstraint(condition=models.Q(('amount_minor__lte', 99999999999999999999999999999999999999), ('fee_minor__lte', 99999999999999999999999999999999999999), ('total_debit_minor__lte', 99999999999999999999999999999999999999)), name='transfer_amounts_bounded'),
                    models.CheckConstraint(condition=models.Q(('kind__regex', '^(transfer|deposit|withdrawal|opening|hold|hold_release|capture|reversal|fee_settlement)$')), name='transfer_kind_known'),
                    models.CheckConstraint(condition=models.Q(('source', models.F('target')), _negated=True), name='transfer_two_accounts'),
                    models.CheckConstraint(condition=models.Q(('fee_minor', 0), ('fee_schedule__isnull', False), _connector='OR'), name='transfer_fee_has_schedule'),
                    models.CheckConstraint(condition=models.Q(models.Q(('kind', 'reversal'), ('reverses__isnull', False)), models.Q(models.Q(('kind', 'reversal'), _negated=True), ('reverses__isnull', True)), _connector='OR'), name='transfer_reversal_has_original'),
                ],
            },
        ),
        migrations.CreateModel(
            name='ExternalReference',
            fields=[
                ('pk', models.CompositePrimaryKey('reference', 'account_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('account', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='merchants.account')),
                ('transfer', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='transfers.transfer')),
                ('reference', models.CharField(max_length=255)),
            ],
        ),
        migrations.CreateModel(
            name='LedgerEntry',
            fields=[
                ('pk', models.CompositePrimaryKey('account_id', 'sequence', blank=True, editable=False, primary_key=True, serialize=False)),
                ('sequence', models.BigIntegerField()),
                ('created_at', models.DateTimeField()),
                ('account', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='merchants.account')),
                ('transfer', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='entries', to='transfers.transfer')),
                ('hash', models.BinaryField(max_length=32)),
                ('direction', models.CharField(choices=[('DEBIT', 'DEBIT'), ('CREDIT', 'CREDIT')], max_length=6)),
                ('type', models.CharField(choices=[('transfer', 'transfer'), ('deposit', 'deposit'), ('withdrawal', 'withdrawal'), ('opening', 'opening'), ('hold', 'hold'), ('hold_release', 'hold_release'), ('capture', 'capture'), ('reversal', 'reversal'), ('fee', 'fee'), ('fee_refund', 'fee_refund'), ('fee_settlement', 'fee_settlement')], max_length=16)),
                ('amount_minor', models.DecimalField(decimal_places=0, max_digits=38)),
                ('balance_after_minor', models.DecimalField(decimal_places=0, max_digits=38)),
            ],
            options={
                'verbose_name_plural': 'ledger entries',
                'indexes': [
                    models.Index(fields=['transfer'], name='entry_transfer'),
                    models.Index(condition=models.Q(('amount_minor__gte', 1000000000000000000)), fields=['account', 'sequence'], name='entry_long_amount'),
                ],
                'constraints': [
                    models.CheckConstraint(condition=models.Q(('amount_minor__gt', 0)), name='entry_amount_positive'),
                    models.CheckConstraint(condition=models.Q(('amount_minor__lte', 99999999999999999999999999999999999999), ('balance_after_minor__lte', 99999999999999999999999999999999999999)), name='entry_amounts_bounded'),
                    models.CheckConstraint(condition=models.Q(('sequence__gt', 0)), name='entry_sequence_positive'),
                    models.CheckConstraint(condition=models.Q(('direction__regex', '^(DEBIT|CREDIT)$')), name='entry_direction_known'),
                    models.CheckConstraint(condition=models.Q(('type__regex', '^(transfer|deposit|withdrawal|opening|hold|hold_release|capture|reversal|fee|fee_refund|fee_settlement)$')), name='entry_type_known'),
                ],
            },
        ),
        migrations.CreateModel(
            name='IdempotencyClaim',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField()),
            ],
        ),
        # By SQL: Django makes no partitions.
        migrations.RunSQL(
            (SQL / 'idempotency.sql').read_text(),
            'DROP TABLE transfers_idempotencyrecord',
            state_operations=[
                migrations.CreateModel(
                    name='IdempotencyRecord',
                    fields=[
                        ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                        ('owner', models.CharField(max_length=255)),
                        ('key', models.CharField(max_length=255)),
                        ('fingerprint', models.UUIDField()),
                        ('status_code', models.SmallIntegerField()),
                        ('body', models.TextField()),
                        ('created_at', models.DateTimeField()),
                        ('transfer', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='transfers.transfer')),
                    ],
                    options={
                        'ordering': ['-created_at'],
                        'indexes': [models.Index(fields=['created_at'], name='idempotency_created_at')],
                    },
                ),
            ],
        ),
        migrations.AddField(
            model_name='hold',
            name='capture',
            field=models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='transfers.transfer'),
        ),
        # By SQL: Django's would cast the numbers.
        migrations.RunSQL(
            "CREATE UNIQUE INDEX transfer_hold_begun_and_ended_once ON transfers_transfer (hold_id, "
            "(CASE kind WHEN 'hold_release' THEN target_id ELSE source_id END), (CASE kind WHEN 'hold' THEN 0 ELSE 1 END)) "
            "WHERE hold_id IS NOT NULL",
            migrations.RunSQL.noop,
            state_operations=[
                migrations.AddConstraint(
                    'transfer',
                    models.UniqueConstraint(models.F('hold'), models.Case(models.When(kind='hold_release', then=models.F('target')), default=models.F('source')), models.Case(models.When(kind='hold', then=models.Value(0)), default=models.Value(1), output_field=models.SmallIntegerField()), condition=models.Q(('hold__isnull', False)), name='transfer_hold_begun_and_ended_once'),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name='hold',
            constraint=models.CheckConstraint(condition=models.Q(('captured_minor__gte', 0), ('captured_minor__lte', models.F('amount_minor'))), name='hold_captured_within_amount'),
        ),
        migrations.AddConstraint(
            model_name='hold',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['open', 'captured', 'voided', 'expired'])), name='hold_status_known'),
        ),
        migrations.AddConstraint(
            model_name='hold',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('capture__isnull', False), ('captured_minor__gt', 0), ('status', 'captured')), models.Q(models.Q(('status', 'captured'), _negated=True), ('capture__isnull', True), ('captured_minor', 0)), _connector='OR'), name='hold_captured_has_transfer'),
        ),
    ]
