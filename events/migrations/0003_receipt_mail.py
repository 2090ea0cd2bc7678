"""Mails of receipts: what is to be mailed, and what was."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('events', '0002_webhooks'),
    ]

    operations = [
        migrations.CreateModel(
            name='ReceiptMail',
            fields=[
                ('number', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('transfer_id', models.UUIDField()),
                ('account_id', models.UUIDField()),
                ('created_at', models.DateTimeField()),
                ('is_asked_for', models.BooleanField(default=False)),
                ('status', models.CharField(choices=[('pending', 'pending'), ('sent', 'sent'), ('unwanted', 'unwanted'), ('failed', 'failed')], max_length=8)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('next_attempt_at', models.DateTimeField(null=True)),
                ('sent_at', models.DateTimeField(null=True)),
                ('last_error', models.CharField(blank=True, default='', max_length=200)),
            ],
            options={
                'verbose_name': 'mail of a receipt',
                'verbose_name_plural': 'mails of receipts',
                'ordering': ['-created_at'],
                'permissions': [('send_receiptmail', 'Can have receipts mailed once more')],
                'indexes': [models.Index(condition=models.Q(('status', 'pending')), fields=['next_attempt_at'], name='receipt_mail_due'), models.Index(condition=models.Q(('status__in', ['sent', 'unwanted'])), fields=['created_at'], name='receipt_mail_over'), models.Index(condition=models.Q(('status__in', ['sent', 'unwanted']), _negated=True), fields=['status', 'created_at'], name='receipt_mail_open'), models.Index(fields=['transfer_id'], name='receipt_mail_transfer'), models.Index(fields=['-created_at'], name='receipt_mail_newest')],
                'constraints': [models.CheckConstraint(condition=models.Q(('status__in', ['pending', 'sent', 'unwanted', 'failed'])), name='receipt_mail_status_known'), models.CheckConstraint(condition=models.Q(models.Q(('next_attempt_at__isnull', False), ('status', 'pending')), models.Q(models.Q(('status', 'pending'), _negated=True), ('next_attempt_at__isnull', True)), _connector='OR'), name='receipt_mail_next_attempt_of_pending')],
            },
        ),
    ]
