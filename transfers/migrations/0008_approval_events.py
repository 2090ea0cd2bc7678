"""The events of approvals."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('transfers', '0007_movements_of_operators'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='event',
            name='event_type_known',
        ),
        migrations.AlterField(
            model_name='event',
            name='type',
            field=models.CharField(choices=[('transfer.posted', 'transfer.posted'), ('deposit.posted', 'deposit.posted'), ('withdrawal.posted', 'withdrawal.posted'), ('opening.posted', 'opening.posted'), ('reversal.posted', 'reversal.posted'), ('exchange.posted', 'exchange.posted'), ('hold.placed', 'hold.placed'), ('hold.captured', 'hold.captured'), ('hold.voided', 'hold.voided'), ('hold.expired', 'hold.expired'), ('fees.settled', 'fees.settled'), ('merchant.created', 'merchant.created'), ('merchant.updated', 'merchant.updated'), ('merchant.frozen', 'merchant.frozen'), ('merchant.unfrozen', 'merchant.unfrozen'), ('merchant.closed', 'merchant.closed'), ('account.opened', 'account.opened'), ('account.frozen', 'account.frozen'), ('account.unfrozen', 'account.unfrozen'), ('account.overdraft_changed', 'account.overdraft_changed'), ('positions.settled', 'positions.settled'), ('fee_schedule.appended', 'fee_schedule.appended'), ('receipt.sent', 'receipt.sent'), ('webhook.disabled', 'webhook.disabled'), ('approval.requested', 'approval.requested'), ('approval.approved', 'approval.approved'), ('approval.rejected', 'approval.rejected'), ('approval.expired', 'approval.expired'), ('approval.failed', 'approval.failed'), ('approval_policy.changed', 'approval_policy.changed')], max_length=32),
        ),
        migrations.AddConstraint(
            model_name='event',
            constraint=models.CheckConstraint(condition=models.Q(('type__in', ['transfer.posted', 'deposit.posted', 'withdrawal.posted', 'opening.posted', 'reversal.posted', 'exchange.posted', 'hold.placed', 'hold.captured', 'hold.voided', 'hold.expired', 'fees.settled', 'merchant.created', 'merchant.updated', 'merchant.frozen', 'merchant.unfrozen', 'merchant.closed', 'account.opened', 'account.frozen', 'account.unfrozen', 'account.overdraft_changed', 'positions.settled', 'fee_schedule.appended', 'receipt.sent', 'webhook.disabled', 'approval.requested', 'approval.approved', 'approval.rejected', 'approval.expired', 'approval.failed', 'approval_policy.changed'])), name='event_type_known'),
        ),
    ]
