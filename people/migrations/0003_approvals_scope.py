"""The scope of those who decide about approvals."""

import ledger_project.kernel.actors
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('merchants', '0002_guards'),
        ('people', '0002_index_of_the_log'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='apikey',
            name='api_key_scopes_known',
        ),
        migrations.RemoveConstraint(
            model_name='apikey',
            name='api_key_operations_of_platform',
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.CheckConstraint(condition=models.Q(('scopes__contained_by', ['merchants:read', 'merchants:write', 'transfers:read', 'transfers:write', 'fees:read', 'events:read', 'webhooks:read', 'webhooks:write', 'users:read', 'users:write', 'operations:read', 'operations:write', 'approvals:write']), ('scopes__len__gt', 0)), name='api_key_scopes_known'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.CheckConstraint(condition=models.Q(('merchant__isnull', True), models.Q(('scopes__overlap', [ledger_project.kernel.actors.Scope['APPROVALS_WRITE'], ledger_project.kernel.actors.Scope['OPERATIONS_READ'], ledger_project.kernel.actors.Scope['OPERATIONS_WRITE']]), _negated=True), _connector='OR'), name='api_key_operations_of_platform'),
        ),
    ]
