"""Let the operators' role set overdraft limits, from the first migration on."""

from django.db import migrations


def grant(apps, schema_editor):
    alias = schema_editor.connection.alias
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.using(alias).get_or_create(app_label="merchants", model="account")
    permission, _ = (
        apps.get_model("auth", "Permission")
        .objects.using(alias)
        .get_or_create(content_type=content_type, codename="set_overdraft", defaults={"name": "Can set overdraft limits"})
    )
    group, _ = apps.get_model("auth", "Group").objects.using(alias).get_or_create(name="operator")
    group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [("transfers", "0014_validated_rules"), ("merchants", "0007_display_name_and_overdraft")]
    # Taking it back keeps what the role may do: people have it.
    operations = [migrations.RunPython(grant, migrations.RunPython.noop)]
