"""Approvals, their policies, and the guards of what was asked for."""

import django.db.models.deletion
import django.db.models.functions.datetime
from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).parent.parent / "sql"


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('merchants', '0002_guards'),
    ]

    operations = [
        migrations.CreateModel(
            name='Approval',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('action', models.CharField(max_length=16)),
                ('currency', models.CharField(blank=True, max_length=12)),
                ('amount_minor', models.DecimalField(decimal_places=0, max_digits=38, null=True)),
                ('operation', models.TextField()),
                ('fingerprint', models.BinaryField(max_length=32)),
                ('summary', models.TextField()),
                ('reason', models.TextField(blank=True)),
                ('requested_by', models.CharField(max_length=255)),
                ('request_id', models.CharField(blank=True, max_length=128)),
                ('expires_at', models.DateTimeField()),
                ('status', models.CharField(choices=[('pending', 'pending'), ('approved', 'approved'), ('rejected', 'rejected'), ('expired', 'expired'), ('failed', 'failed')], default='pending', max_length=16)),
                ('decided_by', models.CharField(blank=True, max_length=255)),
                ('decided_at', models.DateTimeField(null=True)),
                ('decision_reason', models.TextField(blank=True)),
                ('transfer_id', models.UUIDField(null=True)),
                ('failure_code', models.CharField(blank=True, max_length=64)),
                ('failure_detail', models.TextField(blank=True)),
                ('merchant', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='merchants.merchant')),
            ],
            options={
                'ordering': ['-id'],
                'permissions': [('decide_approval', 'Can approve and reject what others asked for')],
                'indexes': [models.Index(fields=['status', 'id'], name='approval_status_id'), models.Index(condition=models.Q(('merchant__isnull', False)), fields=['merchant', 'id'], name='approval_merchant_id'), models.Index(condition=models.Q(('transfer_id__isnull', False)), fields=['transfer_id'], name='approval_transfer')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('status', 'pending')), fields=('fingerprint',), name='approval_one_open'), models.CheckConstraint(condition=models.Q(('status__in', ['pending', 'approved', 'rejected', 'expired', 'failed'])), name='approval_status_known'), models.CheckConstraint(condition=models.Q(models.Q(('decided_at__isnull', True), ('status', 'pending')), models.Q(models.Q(('status', 'pending'), _negated=True), ('decided_at__isnull', False)), _connector='OR'), name='approval_decided_once'), models.CheckConstraint(condition=models.Q(models.Q(('status__in', ['approved', 'rejected', 'failed']), _negated=True), models.Q(('decided_by', models.F('requested_by')), _negated=True), _connector='OR'), name='approval_by_another')],
            },
        ),
        migrations.CreateModel(
            name='ApprovalPolicy',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('action', models.CharField(choices=[('transfer', 'transfer'), ('deposit', 'deposit'), ('withdrawal', 'withdrawal'), ('reversal', 'reversal'), ('overdraft', 'overdraft'), ('close', 'close'), ('fee_version', 'fee version')], max_length=16)),
                ('from_minor', models.DecimalField(decimal_places=0, default=0, max_digits=38)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('currency', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='merchants.currency')),
            ],
            options={
                'verbose_name_plural': 'approval policies',
                'ordering': ['action', 'currency_id'],
                'constraints': [models.UniqueConstraint(fields=('action', 'currency'), name='approval_policy_unique', nulls_distinct=False), models.CheckConstraint(condition=models.Q(('action__in', ['transfer', 'deposit', 'withdrawal', 'reversal', 'overdraft', 'close', 'fee_version'])), name='approval_policy_action_known'), models.CheckConstraint(condition=models.Q(('from_minor__gte', 0), ('from_minor__lte', 99999999999999999999999999999999999999)), name='approval_policy_amount'), models.CheckConstraint(condition=models.Q(('from_minor', 0), models.Q(('currency__isnull', False), models.Q(('action__in', ['close', 'fee_version']), _negated=True)), _connector='OR'), name='approval_policy_amount_has_currency')],
            },
        ),
        migrations.RunSQL((SQL / "guards.sql").read_text(), "DROP TRIGGER approval_asked ON approvals_approval; DROP TRIGGER approval_decided ON approvals_approval; DROP TRIGGER approval_kept ON approvals_approval; DROP TRIGGER approvals_kept ON approvals_approval"),
    ]
