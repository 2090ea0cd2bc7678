"""``manage.py make_anchor_key``: make the key pair that signs anchors."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from transfers.reconciliation.signatures import make_key_pair


class Command(BaseCommand):
    """Make a key pair for anchors."""

    help = (
        "Make an Ed25519 key pair: FILE for reconcile --sign, and FILE.pub for reconcile --verify-key, both PEM. Make it on a machine that "
        "the database's owner cannot enter, and keep FILE there. No file is overwritten. Exit code 0: made; 2: it could not be done."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the file."""
        parser.add_argument("file", type=Path, metavar="FILE", help="the private key; the public one is FILE.pub")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make both files."""
        del args
        private: Path = options["file"]
        public = private.with_name(private.name + ".pub")
        try:
            make_key_pair(private, public)
        except OSError as error:
            raise CommandError(str(error), returncode=2) from None
        self.stdout.write(f"{private} signs; {public} verifies.")
