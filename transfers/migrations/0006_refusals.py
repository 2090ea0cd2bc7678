"""Refused postings, one row each: all roles of the staff see them.

Permissions are made here exactly as Django would make them later, so the roles are whole on the first migration (0003).
"""

import django.db.models.deletion
from django.db import migrations, models


VIEW = ("view_refusal", "Can view refusal")
ROLES = ("viewer", "operator", "fee manager")


def extend_roles(apps, schema_editor):
    ContentType = apps.get_model("contenttypes", "ContentType")
    Permission = apps.get_model("auth", "Permission")
    Group = apps.get_model("auth", "Group")
    alias = schema_editor.connection.alias
    content_type, _ = ContentType.objects.using(alias).get_or_create(app_label="transfers", model="refusal")
    codename, name = VIEW
    permission, _ = Permission.objects.using(alias).get_or_create(content_type=content_type, codename=codename, defaults={"name": name})
    for role in ROLES:
        group, _ = Group.objects.using(alias).get_or_create(name=role)
        group.permissions.add(permission)


class Migration(migrations.Migration):

    dependencies = [
        ('merchants', '0002_guards'),
        ('transfers', '0005_deposit_requests'),
    ]

    operations = [
        migrations.CreateModel(
            name='Refusal',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField()),
                ('kind', models.CharField(blank=True, choices=[('registration', 'registration'), ('account', 'account'), ('transfer', 'transfer'), ('deposit', 'deposit'), ('withdrawal', 'withdrawal'), ('hold', 'hold'), ('capture', 'capture'), ('void', 'void'), ('expiry', 'expiry'), ('reversal', 'reversal'), ('fee_settlement', 'fee_settlement')], max_length=16)),
                ('code', models.CharField(max_length=64)),
                ('words', models.TextField()),
                ('currency', models.CharField(blank=True, max_length=12)),
                ('amount_minor', models.DecimalField(decimal_places=0, max_digits=38, null=True)),
                ('principal', models.CharField(blank=True, max_length=255)),
                ('request_id', models.CharField(blank=True, max_length=128)),
                ('owner', models.CharField(blank=True, max_length=255)),
                ('key', models.CharField(blank=True, max_length=255)),
                ('source', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='merchants.merchant')),
                ('target', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='merchants.merchant')),
            ],
            options={
                'ordering': ['-created_at', '-id'],
                'indexes': [models.Index(fields=['created_at'], name='refusal_created_at'), models.Index(fields=['code', 'created_at'], name='refusal_code'), models.Index(fields=['currency', 'created_at'], name='refusal_currency'), models.Index(fields=['source', 'created_at'], name='refusal_source'), models.Index(fields=['target', 'created_at'], name='refusal_target'), models.Index(fields=['request_id'], name='refusal_request_id'), models.Index(condition=models.Q(('key', ''), _negated=True), fields=['key'], name='refusal_key')],
                'constraints': [models.CheckConstraint(condition=models.Q(('amount_minor__lte', 99999999999999999999999999999999999999)), name='refusal_amount_bounded')],
            },
        ),
        # Taking it back keeps the roles: people have them.
        migrations.RunPython(extend_roles, migrations.RunPython.noop),
    ]
