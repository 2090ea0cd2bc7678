"""Tables of people: users, their memberships, API keys. It comes before the admin, whose log refers to users."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.datetime
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models


# Nothing is released, so the tables change in place: a database of another state of them cannot
# become one of this. The name of this migration is new: Django would believe that the old one is it.
REFUSE_EARLIER_DATABASE = """
DO $$ BEGIN
    IF to_regclass('merchants_apikey') IS NOT NULL THEN
        RAISE EXCEPTION 'ledger: this database was made by earlier migrations and cannot be brought to these; '
            'make a new, empty database and migrate that (docs/operations.md, Upgrade)';
    END IF;
END $$
"""


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('merchants', '0002_guards'),
    ]

    operations = [
        migrations.RunSQL(REFUSE_EARLIER_DATABASE, migrations.RunSQL.noop),
        migrations.CreateModel(
            name='User',
            fields=[
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                ('is_staff', models.BooleanField(default=False, help_text='Designates whether the user can log into this admin site.', verbose_name='staff status')),
                ('is_active', models.BooleanField(default=True, help_text='Designates whether this user should be treated as active. Unselect this instead of deleting accounts.', verbose_name='active')),
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('username', models.CharField(error_messages={'unique': 'A user with that name exists already.'}, help_text='Without blanks. Of people who are not of the staff: the e-mail address in lower case.', max_length=254, unique=True, validators=[django.core.validators.RegexValidator('^[^\\s\\x00-\\x1f\\x7f]+\\Z', 'A user name has no blanks and no control characters.')])),
                ('email', models.EmailField(blank=True, max_length=254, verbose_name='e-mail address')),
                ('name', models.CharField(blank=True, help_text='As the person wants to be called.', max_length=200)),
                ('activated_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('erased_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('answer_key', models.BinaryField(editable=False, max_length=44, null=True)),
                ('mail_due_at', models.DateTimeField(editable=False, null=True)),
                ('mail_attempts', models.PositiveSmallIntegerField(default=0, editable=False)),
                ('date_joined', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='since')),
                ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
            ],
            options={
                'ordering': ['-id'],
                'permissions': [('erase_user', 'Can erase users')],
                'indexes': [models.Index(condition=models.Q(('mail_due_at__isnull', False)), fields=['mail_due_at'], name='user_mail_due')],
            },
        ),
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
            },
        ),
        migrations.CreateModel(
            name='Membership',
            fields=[
                ('id', models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ('role', models.CharField(choices=[('owner', 'owner'), ('operator', 'operator'), ('viewer', 'viewer')], default='owner', max_length=8)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('merchant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='merchants.merchant')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        # By SQL: Django makes no index of a collation inside of a function.
        migrations.RunSQL(
            'CREATE UNIQUE INDEX user_email_unique ON people_user (lower(email COLLATE "C")) WHERE email <> \'\'',
            migrations.RunSQL.noop,
            state_operations=[migrations.AddConstraint('user', models.UniqueConstraint(django.db.models.functions.text.Lower(django.db.models.functions.comparison.Collate('email', 'C')), condition=models.Q(('email', ''), _negated=True), name='user_email_unique', violation_error_message='A user with that e-mail address exists already.'))],
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.CheckConstraint(condition=models.Q(('erased_at__isnull', True), models.Q(('email', ''), ('is_active', False), ('name', '')), _connector='OR'), name='user_erased_is_empty'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.UniqueConstraint(fields=('digest',), name='api_key_digest_unique'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.UniqueConstraint(fields=('prefix',), name='api_key_prefix_unique'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.CheckConstraint(condition=models.Q(('scopes__contained_by', ['merchants:read', 'merchants:write', 'transfers:read', 'transfers:write', 'fees:read', 'events:read', 'webhooks:read', 'webhooks:write', 'users:read', 'users:write', 'operations:read', 'operations:write']), ('scopes__len__gt', 0)), name='api_key_scopes_known'),
        ),
        migrations.AddConstraint(
            model_name='apikey',
            constraint=models.CheckConstraint(condition=models.Q(('merchant__isnull', True), models.Q(('scopes__overlap', ['operations:read', 'operations:write']), _negated=True), _connector='OR'), name='api_key_operations_of_platform'),
        ),
        migrations.AddConstraint(
            model_name='membership',
            constraint=models.UniqueConstraint(fields=('user', 'merchant'), name='membership_unique'),
        ),
        migrations.AddConstraint(
            model_name='membership',
            constraint=models.CheckConstraint(condition=models.Q(('role__in', ['owner', 'operator', 'viewer'])), name='membership_role_known'),
        ),
    ]
