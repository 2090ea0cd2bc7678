"""Approvers decide, policy managers set policies, and all roles of the staff see both.

Permissions are made here exactly as Django would make them later, so the roles are whole on the first migration (transfers 0003).
"""

from django.db import migrations

VIEW = [("approval", "view_approval", "Can view approval"), ("approvalpolicy", "view_approvalpolicy", "Can view approval policy")]
DECIDE = [("approval", "decide_approval", "Can approve and reject what others asked for")]
POLICIES = [("approvalpolicy", f"{verb}_approvalpolicy", f"Can {verb} approval policy") for verb in ("add", "change", "delete")]
ROLES = {"viewer": VIEW, "operator": VIEW, "fee manager": VIEW, "approver": VIEW + DECIDE, "policy manager": VIEW + POLICIES}
"""Both new roles can do nothing else: a person has them beside another one."""


def extend_roles(apps, schema_editor):
    ContentType = apps.get_model("contenttypes", "ContentType")
    Permission = apps.get_model("auth", "Permission")
    Group = apps.get_model("auth", "Group")
    alias = schema_editor.connection.alias
    for role, permissions in ROLES.items():
        group, _ = Group.objects.using(alias).get_or_create(name=role)
        for model, codename, name in permissions:
            content_type, _ = ContentType.objects.using(alias).get_or_create(app_label="approvals", model=model)
            permission, _ = Permission.objects.using(alias).get_or_create(
                content_type=content_type, codename=codename, defaults={"name": name}
            )
            group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0001_tables"),
        ("transfers", "0006_refusals"),
    ]
    # Taking it back keeps the roles: people have them.
    operations = [migrations.RunPython(extend_roles, migrations.RunPython.noop)]
