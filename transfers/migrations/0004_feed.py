"""The mark of the feed and the events beside the journal (sql/feed.sql). The daily figures go up to the mark of the feed."""

from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).parent.parent / "sql"

REVERSE = """
DROP TRIGGER event_not_truncated ON transfers_event; DROP TRIGGER event_append_only ON transfers_event;
DROP FUNCTION ledger_check_events() CASCADE; ALTER TABLE transfers_event DROP CONSTRAINT event_id_of_its_time;
DROP FUNCTION ledger_first_id(timestamptz);
DROP TRIGGER feed_mark_counted ON transfers_feedmark; DROP TRIGGER feed_mark_not_truncated ON transfers_feedmark;
DROP TRIGGER feed_mark_single ON transfers_feedmark;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('transfers', '0003_staff_roles'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='figuresmark',
            name='candidate_until',
        ),
        migrations.RemoveField(
            model_name='figuresmark',
            name='candidate_xid',
        ),
        migrations.CreateModel(
            name='Event',
            fields=[
                ('created_at', models.DateTimeField()),
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('merchant_id', models.UUIDField(null=True)),
                ('account_id', models.UUIDField(null=True)),
                ('type', models.CharField(choices=[('transfer.posted', 'transfer.posted'), ('deposit.posted', 'deposit.posted'), ('withdrawal.posted', 'withdrawal.posted'), ('opening.posted', 'opening.posted'), ('reversal.posted', 'reversal.posted'), ('exchange.posted', 'exchange.posted'), ('hold.placed', 'hold.placed'), ('hold.captured', 'hold.captured'), ('hold.voided', 'hold.voided'), ('hold.expired', 'hold.expired'), ('fees.settled', 'fees.settled'), ('merchant.created', 'merchant.created'), ('merchant.updated', 'merchant.updated'), ('merchant.frozen', 'merchant.frozen'), ('merchant.unfrozen', 'merchant.unfrozen'), ('merchant.closed', 'merchant.closed'), ('account.opened', 'account.opened'), ('account.frozen', 'account.frozen'), ('account.unfrozen', 'account.unfrozen'), ('account.overdraft_changed', 'account.overdraft_changed'), ('positions.settled', 'positions.settled'), ('fee_schedule.appended', 'fee_schedule.appended'), ('receipt.sent', 'receipt.sent'), ('webhook.disabled', 'webhook.disabled')], max_length=32)),
                ('data', models.JSONField()),
            ],
            options={
                'indexes': [models.Index(fields=['type', 'id'], name='event_type_id'), models.Index(condition=models.Q(('merchant_id__isnull', False)), fields=['merchant_id', 'id'], name='event_merchant_id'), models.Index(condition=models.Q(('account_id__isnull', False)), fields=['account_id', 'id'], name='event_account_id')],
                'constraints': [models.CheckConstraint(condition=models.Q(('type__in', ['transfer.posted', 'deposit.posted', 'withdrawal.posted', 'opening.posted', 'reversal.posted', 'exchange.posted', 'hold.placed', 'hold.captured', 'hold.voided', 'hold.expired', 'fees.settled', 'merchant.created', 'merchant.updated', 'merchant.frozen', 'merchant.unfrozen', 'merchant.closed', 'account.opened', 'account.frozen', 'account.unfrozen', 'account.overdraft_changed', 'positions.settled', 'fee_schedule.appended', 'receipt.sent', 'webhook.disabled'])), name='event_type_known')],
            },
        ),
        migrations.CreateModel(
            name='FeedMark',
            fields=[
                ('id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('settled_until', models.DateTimeField()),
                ('candidate_until', models.DateTimeField()),
                ('candidate_xid', models.BigIntegerField(null=True)),
                ('moved_at', models.DateTimeField()),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('settled_until__lte', models.F('candidate_until'))), name='feed_mark_before_candidate')],
            },
        ),
        migrations.RunSQL((SQL / "feed.sql").read_text(), REVERSE),
    ]
