"""Tables of fees: the versions of fee schedules."""

import datetime
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('merchants', '0001_tables'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='FeeSchedule',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('version', models.PositiveIntegerField(editable=False)),
                ('kind', models.CharField(blank=True, choices=[('transfer', 'transfer'), ('capture', 'capture')], max_length=16, null=True)),
                ('rate', models.DecimalField(decimal_places=10, default=0, help_text='Share of the amount: 0.01 is 1%.', max_digits=11)),
                ('flat_minor', models.DecimalField(decimal_places=0, default=0, help_text='Minor units.', max_digits=38)),
                ('minimum_minor', models.DecimalField(blank=True, decimal_places=0, help_text='Minor units.', max_digits=38, null=True)),
                ('maximum_minor', models.DecimalField(blank=True, decimal_places=0, help_text='Minor units.', max_digits=38, null=True)),
                ('tier_mode', models.CharField(blank=True, choices=[('volume', 'volume'), ('graduated', 'graduated')], max_length=16, null=True)),
                ('tiers', models.JSONField(blank=True, default=list, help_text='[{"up_to_minor": 10000, "rate": "0.02", "flat_minor": 0}, {"up_to_minor": null, …}]')),
                ('rounding', models.CharField(choices=[('half_even', 'half_even'), ('half_up', 'half_up'), ('half_down', 'half_down'), ('up', 'up'), ('down', 'down'), ('ceiling', 'ceiling'), ('floor', 'floor')], default='half_even', max_length=16)),
                ('payer', models.CharField(choices=[('sender', 'sender'), ('receiver', 'receiver')], default='sender', max_length=8)),
                ('effective_from', models.DateTimeField(help_text='In force from this moment until the next version of the scope is.')),
                ('note', models.TextField(help_text='Why.')),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('created_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('currency', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='merchants.currency')),
                ('merchant', models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='fee_schedules', to='merchants.merchant')),
            ],
            options={
                'ordering': ['-effective_from', '-version'],
                'indexes': [models.Index(fields=['merchant', 'currency', 'kind', '-effective_from'], name='fee_schedule_lookup')],
                'constraints': [models.UniqueConstraint(fields=('merchant', 'currency', 'kind', 'version'), name='fee_schedule_scope_version_unique', nulls_distinct=False), models.CheckConstraint(condition=models.Q(('rate__gte', 0), ('rate__lte', 1)), name='fee_schedule_rate_range'), models.CheckConstraint(condition=models.Q(('currency__isnull', False), models.Q(('flat_minor', 0), ('maximum_minor__isnull', True), ('minimum_minor__isnull', True), ('tier_mode__isnull', True)), _connector='OR'), name='fee_schedule_money_needs_currency'), models.CheckConstraint(condition=models.Q(('flat_minor__gte', 0), models.Q(('minimum_minor__isnull', True), ('minimum_minor__gte', 0), _connector='OR'), models.Q(('maximum_minor__isnull', True), ('maximum_minor__gte', 0), _connector='OR')), name='fee_schedule_money_not_negative'), models.CheckConstraint(condition=models.Q(('flat_minor__lte', 1000000000000000000000000000000), models.Q(('minimum_minor__isnull', True), ('minimum_minor__lte', 1000000000000000000000000000000), _connector='OR'), models.Q(('maximum_minor__isnull', True), ('maximum_minor__lte', 1000000000000000000000000000000), _connector='OR')), name='fee_schedule_money_bounded'), models.CheckConstraint(condition=models.Q(('effective_from__gte', datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)), ('effective_from__lt', datetime.datetime(3000, 1, 1, 0, 0, tzinfo=datetime.timezone.utc))), name='fee_schedule_effective_from_range'), models.CheckConstraint(condition=models.Q(('minimum_minor__isnull', True), ('maximum_minor__isnull', True), ('minimum_minor__lte', models.F('maximum_minor')), _connector='OR'), name='fee_schedule_minimum_below_maximum'), models.CheckConstraint(condition=models.Q(models.Q(('tier_mode__isnull', True), ('tiers', [])), models.Q(('tier_mode__in', ['volume', 'graduated']), models.Q(('tiers', []), _negated=True)), _connector='OR'), name='fee_schedule_tiers_have_mode'), models.CheckConstraint(condition=models.Q(('rounding__in', ['half_even', 'half_up', 'half_down', 'up', 'down', 'ceiling', 'floor'])), name='fee_schedule_rounding_known'), models.CheckConstraint(condition=models.Q(('payer__in', ['sender', 'receiver'])), name='fee_schedule_payer_known'), models.CheckConstraint(condition=models.Q(('kind__isnull', True), ('kind__in', ['transfer', 'capture']), _connector='OR'), name='fee_schedule_kind_known')],
            },
        ),
    ]
