"""``manage.py api_key create|list|revoke``: the keys of callers."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management import CommandError
from django.core.management.base import BaseCommand

from ledger_project.command_line.arguments import whole
from ledger_project.command_line.runner import IMPOSSIBLE
from ledger_project.kernel.actors import MERCHANT_SCOPES, Scope
from merchants.domain import MerchantIdentity
from merchants.selectors import identify_now
from people.credentials import KeyRefused, create_key, revoke_key
from people.models import ApiKey


class Command(BaseCommand):
    """Make, list and revoke API keys."""

    help = "Make, list and revoke API keys. The secret is printed once, to standard output, by create."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One subcommand for each thing that can be done."""
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="Make a key and print it; it is not shown again.")
        create.add_argument("name", help="What will use it.")
        owner = create.add_mutually_exclusive_group(required=True)
        owner.add_argument("--platform", action="store_true", help="May act for every merchant.")
        owner.add_argument("--merchant", metavar="NAME", help="May act for this merchant only.")
        create.add_argument(
            "--scope",
            action="append",
            choices=[scope.value for scope in Scope],
            help="May be given several times; default: all it can have.",
        )
        create.add_argument(
            "--expires-in-days", type=whole("--expires-in-days", 1, 36_500), metavar="DAYS", help="Default: it does not expire."
        )
        listing = actions.add_parser("list", help="Show keys, newest first, never their secrets.")
        listing.add_argument("--merchant", metavar="NAME")
        revoke = actions.add_parser("revoke", help="End a key for good.")
        revoke.add_argument("prefix", help="The key's prefix, or its id.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what was asked."""
        del args
        try:
            {"create": self._create, "list": self._list, "revoke": self._revoke}[options["action"]](options)
        except KeyRefused as error:
            raise CommandError(str(error), returncode=IMPOSSIBLE) from None

    def _create(self, options: dict[str, Any]) -> None:
        merchant = _merchant(options["merchant"])
        everything = frozenset(Scope) if merchant is None else MERCHANT_SCOPES
        scopes = {Scope(text) for text in options["scope"]} if options["scope"] else everything
        days = options["expires_in_days"]
        expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
        made = create_key(name=options["name"], merchant=merchant, scopes=scopes, expires_at=expires_at)
        self.stderr.write(f"Key {made.id}, for {merchant.name if merchant else 'the platform'}; keep it now, it is not shown again:")
        self.stdout.write(made.secret)

    def _list(self, options: dict[str, Any]) -> None:
        keys = ApiKey.objects.select_related("merchant").order_by("-id")
        merchant = _merchant(options["merchant"])
        if merchant is not None:
            keys = keys.filter(merchant_id=merchant.id)
        now = datetime.now(UTC)
        for key in keys:
            owner = key.merchant.name if key.merchant else "(platform)"
            used = f"used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
            self.stdout.write(f"{key.prefix}  {key.state(now):8}  {owner}  {key.name}  {' '.join(key.scopes)}  {used}  {key.id}")

    def _revoke(self, options: dict[str, Any]) -> None:
        text = options["prefix"]
        key = next((k for k in ApiKey.objects.all() if text in {k.prefix, str(k.id)}), None)
        if key is None:
            raise CommandError(f"There is no key {text!r}; 'manage.py api_key list' shows what there is.", returncode=IMPOSSIBLE)
        revoke_key(key.id)
        self.stdout.write(f"Revoked {key.prefix} ({key.name}).")


def _merchant(name: str | None) -> MerchantIdentity | None:
    """Return the merchant of a name, None for no name. Raises ``CommandError``."""
    if name is None:
        return None
    merchant = identify_now(names=[name]).merchant(name)
    if merchant is None:
        raise CommandError(f"There is no merchant named {name!r}.", returncode=IMPOSSIBLE)
    return merchant
