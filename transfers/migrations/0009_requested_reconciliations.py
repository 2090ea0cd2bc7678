"""Reconciliations that are started from their page: all roles of the staff see them, operators start and cancel them.

Permissions are made here exactly as Django would make them later, so the roles are whole on the first migration (0003).
"""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


VIEW = (
    ("reconciliationrun", "view_reconciliationrun", "Can view reconciliation run"),
    ("requestedreconciliation", "view_requestedreconciliation", "Can view requested reconciliation"),
)
REQUEST = ("requestedreconciliation", "request_reconciliation", "Can start and cancel reconciliations")
ROLES = {"viewer": VIEW, "operator": (*VIEW, REQUEST), "fee manager": VIEW}


def extend_roles(apps, schema_editor):
    ContentType = apps.get_model("contenttypes", "ContentType")
    Permission = apps.get_model("auth", "Permission")
    Group = apps.get_model("auth", "Group")
    alias = schema_editor.connection.alias
    for role, permissions in ROLES.items():
        group, _ = Group.objects.using(alias).get_or_create(name=role)
        for model, codename, name in permissions:
            content_type, _ = ContentType.objects.using(alias).get_or_create(app_label="transfers", model=model)
            permission, _ = Permission.objects.using(alias).get_or_create(
                content_type=content_type, codename=codename, defaults={"name": name}
            )
            group.permissions.add(permission)


class Migration(migrations.Migration):

    dependencies = [
        ('merchants', '0002_guards'),
        ('transfers', '0008_approval_events'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='WorkerSign',
            fields=[
                ('id', models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ('seen_at', models.DateTimeField()),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='worker_sign_single')],
            },
        ),
        migrations.CreateModel(
            name='RequestedReconciliation',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('whole', 'Whole'), ('incremental', 'Incremental'), ('narrow', 'Narrow')], max_length=11)),
                ('since', models.DateTimeField(null=True)),
                ('requested_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('status', models.CharField(choices=[('waiting', 'waiting'), ('running', 'running'), ('done', 'done'), ('cancelled', 'cancelled'), ('failed', 'failed')], default='waiting', max_length=9)),
                ('attempt', models.PositiveIntegerField(default=0)),
                ('leased_by', models.UUIDField(null=True)),
                ('leased_until', models.DateTimeField(null=True)),
                ('started_at', models.DateTimeField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('stage', models.CharField(blank=True, max_length=200)),
                ('parts', models.PositiveIntegerField(default=0)),
                ('parts_done', models.PositiveIntegerField(default=0)),
                ('entries', models.BigIntegerField(default=0)),
                ('entries_checked', models.BigIntegerField(default=0)),
                ('failure', models.TextField(blank=True)),
                ('account', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='merchants.account')),
                ('requested_by', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('run', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='transfers.reconciliationrun')),
            ],
            options={
                'verbose_name': 'requested reconciliation',
                'ordering': ['-requested_at', '-id'],
                'permissions': [('request_reconciliation', 'Can start and cancel reconciliations')],
                'constraints': [models.UniqueConstraint(models.Value(1, output_field=models.SmallIntegerField()), condition=models.Q(('status__in', ('waiting', 'running'))), name='requested_reconciliation_one_open'), models.CheckConstraint(condition=models.Q(('status__in', ['waiting', 'running', 'done', 'cancelled', 'failed'])), name='requested_reconciliation_status_known'), models.CheckConstraint(condition=models.Q(('kind__in', ['whole', 'incremental', 'narrow'])), name='requested_reconciliation_kind_known'), models.CheckConstraint(condition=models.Q(models.Q(('run__isnull', False), ('status', 'done')), models.Q(models.Q(('status', 'done'), _negated=True), ('run', None)), _connector='OR'), name='requested_reconciliation_done_has_run'), models.CheckConstraint(condition=models.Q(models.Q(('kind', 'narrow'), models.Q(('since__isnull', False), ('account__isnull', False), _connector='OR')), models.Q(models.Q(('kind', 'narrow'), _negated=True), ('account', None), ('since', None)), _connector='OR'), name='requested_reconciliation_scope')],
            },
        ),
        # Taking it back keeps the roles: people have them.
        migrations.RunPython(extend_roles, migrations.RunPython.noop),
    ]
