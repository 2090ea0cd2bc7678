"""What the roles of the staff may do with webhooks and mails of receipts: all see them, operators act.

Permissions are made here exactly as Django would make them later, so the roles are whole on the first migration (transfers/0003).
"""

from django.db import migrations

VIEW = [
    ("webhook", "view_webhook", "Can view webhook"),
    ("delivery", "view_delivery", "Can view delivery"),
    ("receiptmail", "view_receiptmail", "Can view mail of a receipt"),
]
OPERATE = [
    ("webhook", "operate_webhook", "Can pause, enable and try webhooks, and have events sent again"),
    ("receiptmail", "send_receiptmail", "Can have receipts mailed once more"),
]
ROLES = {"viewer": VIEW, "operator": VIEW + OPERATE, "fee manager": VIEW}


def extend_roles(apps, schema_editor):
    ContentType = apps.get_model("contenttypes", "ContentType")
    Permission = apps.get_model("auth", "Permission")
    Group = apps.get_model("auth", "Group")
    alias = schema_editor.connection.alias
    for role, permissions in ROLES.items():
        group, _ = Group.objects.using(alias).get_or_create(name=role)
        for model, codename, name in permissions:
            content_type, _ = ContentType.objects.using(alias).get_or_create(app_label="events", model=model)
            permission, _ = Permission.objects.using(alias).get_or_create(
                content_type=content_type, codename=codename, defaults={"name": name}
            )
            group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [("events", "0003_receipt_mail"), ("transfers", "0003_staff_roles")]
    # Taking it back keeps the roles: people have them.
    operations = [
        migrations.AlterModelOptions(
            name="webhook",
            options={
                "ordering": ["-id"],
                "permissions": [("operate_webhook", "Can pause, enable and try webhooks, and have events sent again")],
            },
        ),
        migrations.RunPython(extend_roles, migrations.RunPython.noop),
    ]
