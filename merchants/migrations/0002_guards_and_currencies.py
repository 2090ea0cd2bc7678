"""Install the guards of merchants and accounts, and the currencies of ISO 4217 with common assets."""

from pathlib import Path

import iso4217
from django.db import migrations

ASSETS = {"BTC": (8, "Bitcoin"), "ETH": (18, "Ether"), "SOL": (9, "Solana"), "USDT": (6, "Tether"), "USDC": (6, "USD Coin"),
          "XRP": (6, "XRP"), "LTC": (8, "Litecoin"), "DOGE": (8, "Dogecoin")}

REVERSE = """
DROP TRIGGER merchant_not_truncated ON merchants_merchant; DROP TRIGGER merchant_kept ON merchants_merchant;
DROP TRIGGER account_not_truncated ON merchants_account; DROP TRIGGER account_kept ON merchants_account;
DROP TRIGGER account_identity ON merchants_account; DROP TRIGGER merchant_identity ON merchants_merchant;
DROP TRIGGER currency_identity ON merchants_currency; DROP FUNCTION ledger_refuse_change();
"""


def install_currencies(apps, schema_editor):
    """Codes without an exponent (gold, test codes) are no units that amounts can be kept in, and are left out."""
    Currency = apps.get_model("merchants", "Currency")
    rows = {c.code: (c.exponent, c.currency_name) for c in iso4217.Currency if c.exponent is not None} | ASSETS
    Currency.objects.bulk_create(
        [Currency(code=code, exponent=exponent, name=name) for code, (exponent, name) in sorted(rows.items())], ignore_conflicts=True
    )


class Migration(migrations.Migration):
    dependencies = [("merchants", "0001_initial")]
    operations = [
        migrations.RunSQL((Path(__file__).parent.parent / "sql" / "guards.sql").read_text(), REVERSE),
        migrations.RunPython(install_currencies, migrations.RunPython.noop),
    ]
