"""``manage.py reconcile``: prove that the ledger is consistent, or name what is not."""

from __future__ import annotations

import os
import signal
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from ledger_project.command_line.arguments import identifier, moment
from ledger_project.command_line.output import ReportingCommand, steps
from ledger_project.kernel.exact_json import dumps_text
from merchants.models import Account
from transfers.figures.differences import figure_differences
from transfers.models import ReconciliationRun
from transfers.reconciliation.anchors import AnchorUnreadable
from transfers.reconciliation.checks import CHECKS
from transfers.reconciliation.run import FINDINGS_PER_CHECK, ReconciliationRequest, reconcile
from transfers.reconciliation.scopes import ProofScope
from transfers.reconciliation.signatures import KeyUnusable, read_private_key, read_public_key
from transfers.services.requested_reconciliations import LeaseLost
from transfers.upkeep.requested_reconciliation import carry_out

DAMAGED = 1
USAGE = 2
MAX_JOBS = 64


class _Bar:
    """The progress of a proof on a terminal: a step for each check."""

    def __init__(self, step: Callable[..., None]) -> None:
        self._step = step

    def planned(self, checks: Sequence[str]) -> None:
        """Do nothing: the bar has a step for each check there is."""

    def begun(self, check: str, title: str) -> None:
        """Begin the step of a check."""
        del check
        self._step(title)

    def done(self, check: str) -> None:
        """Do nothing: a check has several works."""


class Command(ReportingCommand):
    """Prove the ledger."""

    help = (
        "Prove the whole ledger in one snapshot, without blocking anybody: debits equal credits per transfer and per currency, sequences "
        "have no gaps, running balances and hash chains are right, holds match the held accounts, fees match the recorded version of "
        "their schedule, stored answers point at existing transfers. The verdict is stored. Exit code 0: clean; 1: damaged, and each "
        "wrong row is named; 2: the command could not be carried out."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        super().add_arguments(parser)
        parser.add_argument("--since", help="only what was posted since this moment (RFC 3339), trusting what was before")
        parser.add_argument("--account", help="only what touches the account of this id")
        parser.add_argument(
            "--anchor",
            type=Path,
            metavar="FILE",
            help="verify against the newest hashes that FILE was given earlier; write them if there is no such file; keep it elsewhere",
        )
        parser.add_argument("--advance", action="store_true", help="if all is clean, write the newest hashes to --anchor again")
        parser.add_argument(
            "--sign", type=Path, metavar="KEY", help="sign the anchor that is written by this private key (make_anchor_key)"
        )
        parser.add_argument("--verify-key", type=Path, metavar="KEY", help="refuse an anchor that is not signed by this public key's half")
        parser.add_argument(
            "--incremental",
            action="store_true",
            help="only what is new since --anchor, or since the last clean verdict; if there is neither, everything",
        )
        parser.add_argument("--renew-heads", action="store_true", help="do not compare with the heads that the last clean verdict kept")
        parser.add_argument(
            "--jobs", type=int, default=os.cpu_count() or 1, help="connections that share the work (the cores: %(default)s)"
        )
        parser.add_argument(
            "--requested",
            action="store_true",
            help="carry out what was asked for in the admin; nothing but --jobs goes with it",
        )
        parser.add_argument("--limit", type=int, default=FINDINGS_PER_CHECK, help="findings that each check names at most (%(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the checks and report; the exit code is the verdict."""
        del args
        request = self._request(options)
        if options["requested"]:
            self._carry_out(request, as_json=options["as_json"])
            return
        scope = request.scope
        if scope.account_id is not None and not Account.objects.filter(id=scope.account_id).exists():
            raise CommandError(f"There is no account {scope.account_id}.", returncode=USAGE)
        try:
            with steps(self, len(CHECKS) + 4) as step:
                run = reconcile(request, figure_differences=figure_differences, progress=_Bar(step))
        except (AnchorUnreadable, OSError) as error:
            raise CommandError(str(error), returncode=USAGE) from None
        self._conclude(run, as_json=options["as_json"])

    def _carry_out(self, request: ReconciliationRequest, *, as_json: bool) -> None:
        if request != ReconciliationRequest(jobs=request.jobs):
            raise CommandError("--requested goes with --jobs and --json only: the request says what is proved.", returncode=USAGE)
        nothing = "Nothing is asked for."
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that another process can take it at once
        try:
            run = carry_out(jobs=request.jobs, figure_differences=figure_differences)
        except LeaseLost:
            run, nothing = None, "It was cancelled, or another process has it: nothing was stored."
        finally:
            signal.signal(signal.SIGTERM, before)
        if run is None:
            self.stdout.write("null" if as_json else nothing)
            return
        self._conclude(run, as_json=as_json)

    def _conclude(self, run: ReconciliationRun, *, as_json: bool) -> None:
        self._report(run, as_json=as_json)
        if run.verdict == ReconciliationRun.Verdict.DAMAGED:
            raise SystemExit(DAMAGED)

    def _request(self, options: dict[str, Any]) -> ReconciliationRequest:
        for name in ("advance", "sign", "verify_key"):
            if options[name] and options["anchor"] is None:
                raise CommandError(f"--{name.replace('_', '-')} needs --anchor FILE.", returncode=USAGE)
        scope = ProofScope(moment("--since", options["since"]), identifier("--account", options["account"]))
        if options["incremental"] and (scope != ProofScope() or options["renew_heads"]):
            raise CommandError("--incremental goes with none of --since, --account and --renew-heads.", returncode=USAGE)
        if not 1 <= options["jobs"] <= MAX_JOBS:
            raise CommandError(f"--jobs is a number from 1 to {MAX_JOBS}.", returncode=USAGE)
        try:
            sign_by = read_private_key(options["sign"]) if options["sign"] else None
            verify_by = read_public_key(options["verify_key"]) if options["verify_key"] else None
        except (KeyUnusable, OSError) as error:
            raise CommandError(str(error), returncode=USAGE) from None
        return ReconciliationRequest(
            scope=scope,
            incremental=options["incremental"],
            renew_heads=options["renew_heads"],
            anchor=options["anchor"],
            advance=options["advance"],
            sign_by=sign_by,
            verify_by=verify_by,
            limit=max(1, options["limit"]),
            jobs=options["jobs"],
        )

    def _report(self, run: ReconciliationRun, *, as_json: bool) -> None:
        seconds = (run.finished_at - run.started_at).total_seconds()
        if as_json:
            document = {
                "id": str(run.id),
                "verdict": run.verdict,
                "kind": run.kind,
                "scope": run.scope,
                "unseen": run.unseen,
                "base": None if run.base_id is None else str(run.base_id),
                "heads_sha256": None if run.heads_sha256 is None else bytes(run.heads_sha256).hex(),
                "entries_checked": run.entries_checked,
                "started_at": run.started_at.isoformat(),
                "finished_at": run.finished_at.isoformat(),
                "findings": run.findings,
            }
            self.stdout.write(dumps_text(document))
            return
        for finding in run.findings:
            self.stdout.write(f"{finding['check']}: {finding['subject']}: {finding['detail']}")
        counted = f"{run.entries_checked:,} entries in {seconds:.1f} s"
        if run.findings:
            self.stdout.write(f"DAMAGED: {len(run.findings)} findings ({run.scope}, {counted}). docs/operations.md says what to do.")
        else:
            self.stdout.write(f"Clean: {run.scope}, {counted}.")
        if run.unseen:
            self.stdout.write(f"Not seen by this run: {run.unseen}.")
