"""Install the guards of merchants and accounts, the search by a part of a name, the currencies, and the platform's own merchant."""

from pathlib import Path

import iso4217
from django.db import migrations
from uuid_utils import uuid7

SQL = Path(__file__).parent.parent / "sql"

ASSETS = {"BTC": (8, "Bitcoin"), "ETH": (18, "Ether"), "SOL": (9, "Solana"), "USDT": (6, "Tether"), "USDC": (6, "USD Coin"),
          "XRP": (6, "XRP"), "LTC": (8, "Litecoin"), "DOGE": (8, "Dogecoin")}


def install_currencies(apps, schema_editor):
    """Codes without an exponent (gold, test codes) are no units that amounts can be kept in, and are left out."""
    Currency = apps.get_model("merchants", "Currency")
    rows = {c.code: (c.exponent, c.currency_name) for c in iso4217.Currency if c.exponent is not None} | ASSETS
    Currency.objects.using(schema_editor.connection.alias).bulk_create(
        [Currency(code=code, exponent=exponent, name=name) for code, (exponent, name) in sorted(rows.items())]
    )


def install_treasury(apps, schema_editor):
    """The merchant ``treasury`` holds the platform's own money."""
    Merchant = apps.get_model("merchants", "Merchant")
    Merchant.objects.using(schema_editor.connection.alias).create(id=uuid7().hex, name="treasury", display_name="Treasury")


class Migration(migrations.Migration):
    dependencies = [("merchants", "0001_tables")]
    operations = [
        migrations.RunSQL((SQL / "guards.sql").read_text(), "DROP FUNCTION ledger_refuse_change() CASCADE; ALTER TABLE merchants_account DROP CONSTRAINT account_bucket"),
        migrations.RunSQL((SQL / "search.sql").read_text(), "DROP FUNCTION ledger_grams(text) CASCADE"),
        migrations.RunPython(install_currencies, migrations.RunPython.noop),
        migrations.RunPython(install_treasury, migrations.RunPython.noop),
    ]
