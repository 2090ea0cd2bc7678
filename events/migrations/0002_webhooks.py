"""Webhooks and their deliveries, and the cursor that all webhooks share."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('events', '0001_tables'),
        ('merchants', '0002_guards'),
        ('transfers', '0004_feed'),
    ]

    operations = [
        migrations.CreateModel(
            name='Webhook',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('url', models.TextField()),
                ('types', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=32), size=None)),
                ('ordered', models.BooleanField(default=False)),
                ('description', models.TextField(blank=True, null=True)),
                ('status', models.CharField(choices=[('enabled', 'enabled'), ('paused', 'paused'), ('disabled', 'disabled'), ('deleted', 'deleted')], default='enabled', max_length=8)),
                ('disabled_because', models.TextField(blank=True, null=True)),
                ('secret', models.TextField()),
                ('previous_secret', models.TextField(null=True)),
                ('previous_expires_at', models.DateTimeField(null=True)),
                ('cursor', models.UUIDField(null=True)),
                ('leased_by', models.UUIDField(null=True)),
                ('leased_until', models.DateTimeField(null=True)),
                ('last_delivery_at', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('merchant', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='merchants.merchant')),
            ],
            options={
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('event_id', models.UUIDField()),
                ('type', models.CharField(max_length=32)),
                ('status', models.CharField(choices=[('pending', 'pending'), ('delivered', 'delivered'), ('failed', 'failed')], default='pending', max_length=9)),
                ('attempts', models.JSONField(default=list)),
                ('failures', models.SmallIntegerField(default=0)),
                ('tried_since', models.DateTimeField(null=True)),
                ('next_attempt_at', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('webhook', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='events.webhook')),
            ],
            options={
                'verbose_name_plural': 'deliveries',
                'ordering': ['-id'],
            },
        ),
        migrations.AddConstraint(
            model_name='webhook',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['enabled', 'paused', 'disabled', 'deleted'])), name='webhook_status_known'),
        ),
        migrations.AddConstraint(
            model_name='webhook',
            constraint=models.CheckConstraint(condition=models.Q(('types__len__gt', 0)), name='webhook_has_types'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['webhook', 'id'], name='delivery_of_webhook'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('status', 'pending')), fields=['webhook', 'next_attempt_at', 'id'], name='delivery_due'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('status', 'delivered'), _negated=True), fields=['webhook', 'status', 'id'], name='delivery_open'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.CheckConstraint(condition=models.Q(('status__regex', '^(pending|delivered|failed)$')), name='delivery_status_known'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('next_attempt_at__isnull', False), ('status', 'pending')), models.Q(models.Q(('status', 'pending'), _negated=True), ('next_attempt_at__isnull', True)), _connector='OR'), name='delivery_next_attempt_of_pending'),
        ),
        migrations.RunSQL(
            "INSERT INTO events_consumer (name, cursor, moved_at) VALUES ('webhooks', NULL, clock_timestamp())",
            "DELETE FROM events_consumer WHERE name = 'webhooks'",
        ),
    ]
