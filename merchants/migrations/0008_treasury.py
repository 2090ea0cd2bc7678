"""Have the merchant ``treasury``, who holds the platform's own money, unless somebody registered it already (in any case)."""

from django.db import migrations
from django.db.models.functions import Collate, Lower

from merchants.models import new_id


def install_treasury(apps, schema_editor):
    Merchant = apps.get_model("merchants", "Merchant")
    known = Merchant.objects.using(schema_editor.connection.alias).alias(folded=Lower(Collate("name", "C")))
    if not known.filter(folded="treasury").exists():
        known.create(id=new_id(), name="treasury", display_name="Treasury")


class Migration(migrations.Migration):
    dependencies = [("merchants", "0007_display_name_and_overdraft")]
    # Taking it back keeps the treasury: merchants are never deleted, and it may hold money.
    operations = [migrations.RunPython(install_treasury, migrations.RunPython.noop)]
