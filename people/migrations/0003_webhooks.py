"""The scopes of webhooks."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('merchants', '0002_guards'),
        ('people', '0002_scope_of_events'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='apikey',
            name='api_key_scopes_known',
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.CheckConstraint(condition=models.Q(('scopes__contained_by', ['merchants:read', 'merchants:write', 'transfers:read', 'transfers:write', 'fees:read', 'events:read', 'webhooks:read', 'webhooks:write', 'operations:read', 'operations:write']), ('scopes__len__gt', 0)), name='api_key_scopes_known'),
        ),
    ]
