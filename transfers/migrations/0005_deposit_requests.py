"""Requests to add money (sql/deposit_requests.sql): all roles of the staff see them, operators decide.

Permissions are made here exactly as Django would make them later, so the roles are whole on the first migration (0003).
"""

from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

SQL = Path(__file__).parent.parent / "sql"

REVERSE = """
DROP TRIGGER deposit_request_not_truncated ON transfers_depositrequest; DROP TRIGGER deposit_request_kept ON transfers_depositrequest;
DROP FUNCTION ledger_check_deposit_request() CASCADE;
"""

VIEW = [("view_depositrequest", "Can view request to add money")]
OPERATE = [("decide_depositrequest", "Can confirm and decline requests to add money")]
ROLES = {"viewer": VIEW, "operator": VIEW + OPERATE, "fee manager": VIEW}


def extend_roles(apps, schema_editor):
    ContentType = apps.get_model("contenttypes", "ContentType")
    Permission = apps.get_model("auth", "Permission")
    Group = apps.get_model("auth", "Group")
    alias = schema_editor.connection.alias
    content_type, _ = ContentType.objects.using(alias).get_or_create(app_label="transfers", model="depositrequest")
    for role, permissions in ROLES.items():
        group, _ = Group.objects.using(alias).get_or_create(name=role)
        for codename, name in permissions:
            permission, _ = Permission.objects.using(alias).get_or_create(
                content_type=content_type, codename=codename, defaults={"name": name}
            )
            group.permissions.add(permission)


class Migration(migrations.Migration):

    dependencies = [
        ('merchants', '0002_guards'),
        ('transfers', '0004_feed'),
    ]

    operations = [
        migrations.CreateModel(
            name='DepositRequest',
            fields=[
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('decided_at', models.DateTimeField(null=True)),
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('attempt', models.IntegerField(default=0)),
                ('status', models.CharField(choices=[('pending', 'pending'), ('confirmed', 'confirmed'), ('declined', 'declined')], default='pending', max_length=9)),
                ('amount_minor', models.DecimalField(decimal_places=0, max_digits=38)),
                ('memo', models.CharField(max_length=500, null=True)),
                ('principal', models.CharField(max_length=255)),
                ('bank_reference', models.CharField(max_length=255, null=True)),
                ('decided_by', models.CharField(max_length=255, null=True)),
                ('reason', models.CharField(max_length=400, null=True)),
                ('currency', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='merchants.currency')),
                ('merchant', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='merchants.merchant')),
                ('transfer', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='transfers.transfer')),
            ],
            options={
                'verbose_name': 'request to add money',
                'verbose_name_plural': 'requests to add money',
                'ordering': ['-id'],
                'permissions': [('decide_depositrequest', 'Can confirm and decline requests to add money')],
                'indexes': [models.Index(fields=['merchant', 'currency', 'id'], name='deposit_request_wallet_id'), models.Index(condition=models.Q(('status', 'pending')), fields=['id'], name='deposit_request_pending')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('bank_reference__isnull', False)), fields=('bank_reference',), name='deposit_request_reference_unique'), models.CheckConstraint(condition=models.Q(('amount_minor__gt', 0)), name='deposit_request_amount_positive'), models.CheckConstraint(condition=models.Q(('amount_minor__lte', 99999999999999999999999999999999999999)), name='deposit_request_amount_bounded'), models.CheckConstraint(condition=models.Q(('status__in', ['pending', 'confirmed', 'declined'])), name='deposit_request_status_known'), models.CheckConstraint(condition=models.Q(models.Q(('decided_at__isnull', True), ('decided_by__isnull', True), ('reason__isnull', True), ('status', 'pending'), ('transfer__isnull', True)), models.Q(('bank_reference__isnull', False), ('decided_at__isnull', False), ('decided_by__isnull', False), ('reason__isnull', True), ('status', 'confirmed'), ('transfer__isnull', False)), models.Q(('bank_reference__isnull', True), ('decided_at__isnull', False), ('decided_by__isnull', False), ('reason__isnull', False), ('status', 'declined'), ('transfer__isnull', True)), _connector='OR'), name='deposit_request_decided_whole')],
            },
        ),
        migrations.RunSQL((SQL / "deposit_requests.sql").read_text(), REVERSE),
        # Taking it back keeps the roles: people have them.
        migrations.RunPython(extend_roles, migrations.RunPython.noop),
    ]
