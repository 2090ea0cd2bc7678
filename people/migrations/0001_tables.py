"""Tables of people: API keys."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('merchants', '0001_tables'),
    ]

    operations = [
        migrations.CreateModel(
            name='ApiKey',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(help_text='What uses it, in your words.', max_length=100)),
                ('prefix', models.CharField(help_text='The beginning of the key, to tell keys apart.', max_length=16)),
                ('digest', models.BinaryField(max_length=32)),
                ('scopes', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=32), size=None)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('last_used_at', models.DateTimeField(blank=True, help_text='To the minute.', null=True)),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('merchant', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='merchants.merchant')),
            ],
            options={
                'verbose_name': 'API key',
                'db_table': 'merchants_apikey',
                'ordering': ['-id'],
                'permissions': [('revoke_apikey', 'Can revoke API keys')],
                'constraints': [models.UniqueConstraint(fields=('digest',), name='api_key_digest_unique'), models.UniqueConstraint(fields=('prefix',), name='api_key_prefix_unique'), models.CheckConstraint(condition=models.Q(('scopes__contained_by', ['merchants:read', 'merchants:write', 'transfers:read', 'transfers:write', 'fees:read', 'operations:read', 'operations:write']), ('scopes__len__gt', 0)), name='api_key_scopes_known'), models.CheckConstraint(condition=models.Q(('merchant__isnull', True), models.Q(('scopes__overlap', ['operations:read', 'operations:write']), _negated=True), _connector='OR'), name='api_key_operations_of_platform')],
            },
        ),
    ]
