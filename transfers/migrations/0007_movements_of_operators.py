"""Operators deposit, withdraw, transfer, capture and register merchants in the admin.

Permissions are made here exactly as Django would make them later, so the roles are whole on the first migration (0003).
"""

from django.db import migrations

OPERATE = [
    ("merchants", "merchant", "add_merchant", "Can add merchant"),
    ("transfers", "hold", "capture_hold", "Can capture holds"),
    ("transfers", "transfer", "deposit_transfer", "Can deposit money into wallets"),
    ("transfers", "transfer", "make_transfer", "Can transfer money between merchants"),
    ("transfers", "transfer", "withdraw_transfer", "Can withdraw money from wallets"),
]


def extend_roles(apps, schema_editor):
    ContentType = apps.get_model("contenttypes", "ContentType")
    Permission = apps.get_model("auth", "Permission")
    Group = apps.get_model("auth", "Group")
    alias = schema_editor.connection.alias
    group, _ = Group.objects.using(alias).get_or_create(name="operator")
    for app, model, codename, name in OPERATE:
        content_type, _ = ContentType.objects.using(alias).get_or_create(app_label=app, model=model)
        permission, _ = Permission.objects.using(alias).get_or_create(content_type=content_type, codename=codename, defaults={"name": name})
        group.permissions.add(permission)


class Migration(migrations.Migration):

    dependencies = [
        ('transfers', '0006_refusals'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='hold',
            options={'ordering': ['-id'], 'permissions': [('void_hold', 'Can void holds'), ('capture_hold', 'Can capture holds')]},
        ),
        migrations.AlterModelOptions(
            name='transfer',
            options={'ordering': ['-id'], 'permissions': [('reverse_transfer', 'Can reverse transfers'), ('deposit_transfer', 'Can deposit money into wallets'), ('withdraw_transfer', 'Can withdraw money from wallets'), ('make_transfer', 'Can transfer money between merchants')]},
        ),
        # Taking it back keeps the roles: people have them.
        migrations.RunPython(extend_roles, migrations.RunPython.noop),
    ]
