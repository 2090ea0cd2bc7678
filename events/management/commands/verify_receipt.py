"""``manage.py verify_receipt``: check the file of a receipt."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from events.receipts.verification import verify
from events.services.signing import Signers, read_jwks, signers
from ledger_project.command_line.output import ReportingCommand
from ledger_project.command_line.runner import FOUND, IMPOSSIBLE
from ledger_project.kernel.exact_json import dumps_text

_LARGEST_FILE_BYTES = 4 * 1024 * 1024


class Command(ReportingCommand):
    """Check a receipt."""

    help = (
        "Check the file of a receipt, as JSON, HTML or PDF: that a key of this service signed it, that the members of JSON are what was "
        "signed, and that the journal says the same. What a page or a PDF shows is for you to compare with the lines that are written. "
        "Exit code 0: the receipt is right; 1: it is not, and each fault is named; 2: the command could not be carried out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        super().add_arguments(parser)
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--keys", type=Path, metavar="JWKS", help="a copy of /.well-known/jwks.json, in place of this service's keys")
        parser.add_argument("--offline", action="store_true", help="do not compare with the journal; needs no database")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check and report; the exit code is the verdict."""
        del args
        verdict = verify(_content(options["file"]), _keys(options["keys"]), with_journal=not options["offline"])
        if options["as_json"]:
            self.stdout.write(dumps_text({"receipt": verdict.document, "findings": list(verdict.findings)}))
        else:
            self._report(verdict.document, verdict.findings, offline=options["offline"])
        if verdict.findings:
            raise SystemExit(FOUND)

    def _report(self, document: Mapping[str, Any] | None, findings: tuple[str, ...], *, offline: bool) -> None:
        for finding in findings:
            self.stdout.write(f"WRONG: {finding}.")
        if document is not None:
            for name in ("number", "issued_at", "transfer", "party"):
                value = document.get(name)
                lines = value.items() if isinstance(value, dict) else [(name, value)]
                self.stdout.write("\n".join(f"  {label}: {_text(text)}" for label, text in lines))
        if not findings:
            where = "The journal was not asked." if offline else "The journal says the same."
            self.stdout.write(f"The signature is right. {where}")


def _text(value: object) -> str:
    """Return a value on one line, with nothing in it that a terminal would act on."""
    return json.dumps(value, ensure_ascii=True)


def _content(path: Path) -> bytes:
    if path.stat().st_size > _LARGEST_FILE_BYTES:
        raise CommandError(f"{path} is larger than any receipt.", returncode=IMPOSSIBLE)
    return path.read_bytes()


def _keys(path: Path | None) -> Signers:
    if path is None:
        return signers()
    try:
        return read_jwks(json.loads(path.read_bytes())["keys"])
    except (ValueError, KeyError, TypeError):
        raise CommandError(f"{path} is no JWK set.", returncode=IMPOSSIBLE) from None
