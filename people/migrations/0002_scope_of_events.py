"""Keys may have the scope of the feed."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('merchants', '0002_guards'),
        ('people', '0001_tables'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='apikey',
            name='api_key_scopes_known',
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.CheckConstraint(condition=models.Q(('scopes__contained_by', ['merchants:read', 'merchants:write', 'transfers:read', 'transfers:write', 'fees:read', 'events:read', 'operations:read', 'operations:write']), ('scopes__len__gt', 0)), name='api_key_scopes_known'),
        ),
    ]
