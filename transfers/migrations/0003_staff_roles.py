"""The roles that are there from the start: viewer, operator, fee manager.

Permissions are rows that Django makes after all migrations have run. The ones that roles need are made here, exactly as Django would make
them (it looks for content type and codename and finds them), so the roles are whole on the first migration of an empty database.
"""

from django.db import migrations

VIEW = [(app, model, f"view_{model}", f"Can view {name}") for app, model, name in (
    ("admin", "logentry", "log entry"),
    ("fees", "feeschedule", "fee schedule"),
    ("merchants", "account", "account"),
    ("merchants", "currency", "currency"),
    ("merchants", "merchant", "merchant"),
    ("transfers", "hold", "hold"),
    ("transfers", "idempotencyrecord", "idempotency record"),
    ("transfers", "transfer", "transfer"),
)]
OPERATE = [
    ("merchants", "account", "set_overdraft", "Can set overdraft limits"),
    ("merchants", "merchant", "freeze_merchant", "Can freeze, unfreeze and close merchants and accounts"),
    ("transfers", "hold", "void_hold", "Can void holds"),
    ("transfers", "transfer", "reverse_transfer", "Can reverse transfers"),
]
FEES = [("fees", "feeschedule", "add_feeschedule", "Can add fee schedule")]
ROLES = {"viewer": VIEW, "operator": VIEW + OPERATE, "fee manager": VIEW + FEES}


def install_roles(apps, schema_editor):
    ContentType = apps.get_model("contenttypes", "ContentType")
    Permission = apps.get_model("auth", "Permission")
    Group = apps.get_model("auth", "Group")
    alias = schema_editor.connection.alias
    for role, permissions in ROLES.items():
        group, _ = Group.objects.using(alias).get_or_create(name=role)
        for app, model, codename, name in permissions:
            content_type, _ = ContentType.objects.using(alias).get_or_create(app_label=app, model=model)
            permission, _ = Permission.objects.using(alias).get_or_create(
                content_type=content_type, codename=codename, defaults={"name": name}
            )
            group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("transfers", "0002_guards_of_the_journal"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    # Taking it back keeps the roles: people have them.
    operations = [migrations.RunPython(install_roles, migrations.RunPython.noop)]
