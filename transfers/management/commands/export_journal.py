"""``manage.py export_journal``: the journal as files, for a warehouse or an archive."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError

from ledger_project.command_line.arguments import identifier, whole
from ledger_project.command_line.output import ReportingCommand, steps
from ledger_project.command_line.runner import FOUND, IMPOSSIBLE
from ledger_project.database.clock import database_now
from ledger_project.http.members import timestamp
from ledger_project.kernel.exact_json import dumps_text
from transfers.management.journal_files import FORMATS, ParquetUnavailable
from transfers.management.journal_folder import Folder, FolderUnusable, opened, read_folder, write_part
from transfers.selectors.journal import changed_hashes, find_last_id
from transfers.services.mark import move_mark

_PAUSE_S = 0.05


class Command(ReportingCommand):
    """Export the journal."""

    help = (
        "Write transfers, entries and other events to files in a folder, in the order of the feed, up to the moment behind which nothing "
        "can appear any more. Parts are only added: a run adds what is new since the last one, and one that was killed goes on after its "
        "last whole part. Each part has a manifest with rows, sums for each currency, SHA-256 of its files, and the newest hash of each "
        "account in it. The hashes of the last part are compared with the journal before anything is added. Exit code 0: all is written; "
        "1: history is not what was exported; 2: it could not be done."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        super().add_arguments(parser)
        parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="folder of the parts; it is made if it is not there")
        parser.add_argument("--after", metavar="CURSOR", help="id of an event: begin with the next one; from the first if left out")
        parser.add_argument("--format", choices=FORMATS, default="csv", help="parquet needs the package pyarrow (default %(default)s)")
        parser.add_argument("--part-size", default="20000", help="transfers and events of one part at most (%(default)s)")
        parser.add_argument("--wait", default="10", help="seconds to wait at most for postings that are under way (%(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the parts and report."""
        del args
        size = whole("--part-size", 1, 1_000_000)(options["part_size"])
        patience_s = whole("--wait", 0, 3600)(options["wait"])
        asked = identifier("--after", options["after"], of="an event")
        try:
            with opened(options["to"]):
                folder = read_folder(options["to"])
                after = folder.where_to_go_on(asked)
                _check_history(folder)
                settled_until = _settle(patience_s)
                before, folder = folder, self._add(folder, options["format"], after, settled_until, size)
        except (FolderUnusable, ParquetUnavailable) as error:
            raise CommandError(str(error), returncode=IMPOSSIBLE) from None
        self._report(before, folder, settled_until, as_json=options["as_json"])

    def _add(self, folder: Folder, form: str, after: UUID | None, settled_until: datetime, size: int) -> Folder:
        with steps(self, None) as step:
            while (last := find_last_id(after, settled_until, size)) is not None:
                folder = write_part(folder, form, after=after, last=last, settled_until=settled_until)
                after = last
                step("parts")
        return folder

    def _report(self, before: Folder, folder: Folder, settled_until: datetime, *, as_json: bool) -> None:
        old, new = before.newest or {}, folder.newest or {}
        parts = new.get("part", 0) - old.get("part", 0)
        known = old.get("so_far", {}).get("rows", {})
        rows = {kind: count - known.get(kind, 0) for kind, count in new.get("so_far", {}).get("rows", {}).items()}
        if as_json:
            document = {"parts": parts, "rows": rows, "last": new.get("last"), "settled_until": timestamp(settled_until)}
            self.stdout.write(dumps_text(document))
            return
        counted = ", ".join(f"{count:,} {kind}" for kind, count in rows.items()) or "nothing"
        self.stdout.write(f"{parts} parts added: {counted}. Settled until {timestamp(settled_until)}.")


def _check_history(folder: Folder) -> None:
    changed = next(changed_hashes(folder.heads), None)
    if changed is not None:
        message = f"The journal is not what was exported to {folder.path}: the newest exported entry of account {changed} has another hash."
        raise CommandError(f"{message} manage.py reconcile says more.", returncode=FOUND)


def _settle(patience_s: int) -> datetime:
    """Move the mark to now; wait so long at most for postings that are under way."""
    wanted, patience_ends = database_now(), time.monotonic() + patience_s
    while True:
        settled_until = move_mark().settled_until
        if settled_until >= wanted or time.monotonic() >= patience_ends:
            return settled_until
        time.sleep(_PAUSE_S)
