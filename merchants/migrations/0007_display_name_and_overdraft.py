"""What people call a merchant and where its receipts go; who may set overdrafts, and the scope of operators' actions by the API."""

from django.db import migrations, models

SCOPES = ["merchants:read", "merchants:write", "transfers:read", "transfers:write", "fees:read", "operations:read"]


class Migration(migrations.Migration):
    dependencies = [("merchants", "0006_bounded_overdraft")]
    operations = [
        migrations.AddField(
            model_name="merchant", name="display_name", field=models.CharField(blank=True, max_length=200, null=True)
        ),
        migrations.AddField(
            model_name="merchant", name="receipt_email", field=models.EmailField(blank=True, max_length=254, null=True)
        ),
        migrations.AddConstraint(
            model_name="merchant",
            constraint=models.CheckConstraint(
                condition=models.Q(("display_name", ""), _negated=True), name="merchant_display_name_not_empty"
            ),
        ),
        migrations.AlterModelOptions(
            name="account", options={"ordering": ["-id"], "permissions": [("set_overdraft", "Can set overdraft limits")]}
        ),
        migrations.RemoveConstraint(model_name="apikey", name="api_key_scopes_known"),
        migrations.RemoveConstraint(model_name="apikey", name="api_key_operations_of_platform"),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(("scopes__contained_by", [*SCOPES, "operations:write"]), ("scopes__len__gt", 0)),
                name="api_key_scopes_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(("merchant__isnull", True))
                | models.Q(("scopes__overlap", ["operations:read", "operations:write"]), _negated=True),
                name="api_key_operations_of_platform",
            ),
        ),
    ]
