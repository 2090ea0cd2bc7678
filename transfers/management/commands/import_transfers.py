"""``manage.py import_transfers FILE.csv``: post a file of transfers in batches."""

from __future__ import annotations

import csv
import json
import os
import shutil
import stat
import sys
import tempfile
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress

from ledger_project.command_line.runner import IMPOSSIBLE, INTERRUPTED
from ledger_project.database.fields import new_id
from ledger_project.kernel.errors import DatabaseUnavailable
from ledger_project.process.lifecycle import settle_heap
from transfers.management.import_batches import Batch, batches_ahead, file_version, stopped
from transfers.management.import_files import FileUnreadable, Line, Survey, read_lines, survey
from transfers.management.import_keys import FileKeys
from transfers.posting.jobs import Render, Result
from transfers.services.batches import post_transfers_now
from transfers.statements.spreadsheets import neutralised
from transfers.views.posting_calls import answer_writer
from transfers.views.transfers import posted

MAX_BATCH = 1000
RESULT_COLUMNS = ("line", "key", "status", "transfer_id", "code", "detail")

EPILOG = """
The file is UTF-8 CSV with a header (RFC 4180: commas; cells with commas or quotes in double quotes;
quotes inside doubled). Columns: key, from, to, currency, amount (decimal, major units) and, if you
like, memo and external_reference. Each line is the same request as POST /transfers with these members
and its key as Idempotency-Key, sent by the platform: a line and such a request replay each other. So
import the file again after any interruption, kill -9 included: what was posted is replayed, the rest
is posted now, and nothing is posted twice. (For as long as keys live; an external_reference guards for
good.)

The whole file is read before anything is posted. The command shows its lines, its records and the sum
of each currency; --dry-run shows only that. A file that can be read in two ways is refused with the
line and the cause, and nothing of it is posted: a quote that is not closed, text after a closing quote,
a line break in a cell without --multiline, another encoding or separator, a workbook. A pipe is copied
into the temporary folder first.

A line that is wrong or refused fails alone. So does a line with the key of an earlier line of the file.
A refusal (for instance insufficient_funds) is kept under its key like every answer: to try such a line
again, give it a new key.

The result file has a row for each record: line (its first), key, status (posted, replayed or failed),
transfer_id, code, detail. People open it in spreadsheets, so a text that a spreadsheet would take for a
formula has a ' before it. Programs match by the line.
Exit status: 0 if every line was posted or replayed, 1 if any failed, 2 if the file cannot be read or
the import could not go on.
"""


class Command(BaseCommand):
    """Import transfers."""

    help = "Post a CSV file of transfers in batches; safe to kill and to run again."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        """Keep the line breaks of the explanation."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.epilog = EPILOG
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("file", type=Path, help="the CSV file, or a pipe")
        parser.add_argument("--result", type=Path, help="where to write what became of each line (default: FILE.result.csv)")
        parser.add_argument(
            "--principal", default="anonymous", help="in whose name: what the transfers say of who asked (default: %(default)s)"
        )
        parser.add_argument(
            "--batch-size", type=int, default=MAX_BATCH, help=f"lines in one posting, 1 to {MAX_BATCH} (default: %(default)s)"
        )
        parser.add_argument("--multiline", action="store_true", help="cells in quotes may have line breaks")
        parser.add_argument("--dry-run", action="store_true", help="show what the file asks for, and post nothing")
        parser.add_argument("--json", action="store_true", help="write the summary as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check the file, then post it and write the result file."""
        del args
        source: Path = options["file"]
        if not 1 <= options["batch_size"] <= MAX_BATCH:
            raise CommandError(f"--batch-size is from 1 to {MAX_BATCH}.", returncode=IMPOSSIBLE)
        with _naming(source):
            opened = source.open("rb")
        with opened:
            target = _target(source, opened, options["result"])
            with _naming(source):
                file = _seekable(opened)
            with file:
                self._import(file, source, target, options)

    def _import(self, file: IO[bytes], source: Path, target: Path, options: dict[str, Any]) -> None:
        started = time.monotonic()
        settle_heap()
        version = file_version(file)
        with closing(FileKeys()) as keys:
            try:
                with _naming(source):
                    asked = survey(file, keys, multiline=options["multiline"])
            except FileUnreadable as error:
                detail = f"From line {error.line} on it cannot be read, so nothing of it was posted."
                raise CommandError(f"{source}: {error}. {detail}", returncode=IMPOSSIBLE) from None
            self._announce(asked, options)
            if options["dry_run"]:
                if asked.unreadable:
                    raise CommandError(f"{asked.unreadable} of {asked.records} lines would fail by themselves.")
                return
            file.seek(0)
            request_id = f"import-{new_id()}"
            lines = read_lines(file, keys, multiline=options["multiline"], principal=options["principal"], request_id=request_id)
            with (
                _naming(target),
                target.open("w", encoding="utf-8", newline="") as results,
                batches_ahead(lines, file, size=options["batch_size"], version=version) as batches,
            ):
                counts = self._post_all(batches, results, answer_writer(request_id, 201, posted), total=version[0])
        self._summarise(counts, target, time.monotonic() - started, as_json=options["json"])

    def _announce(self, asked: Survey, options: dict[str, Any]) -> None:
        """Show what the file asks for.

        With ``--json`` standard output has one JSON document, so the words go to standard error.
        """
        if options["json"] and options["dry_run"]:
            document = {"lines": asked.extent.lines, "records": asked.records, "sums": asked.sums(), "unreadable": asked.unreadable}
            self.stdout.write(json.dumps(document))
            return
        out = self.stderr if options["json"] else self.stdout
        rows = [f"lines: {asked.extent.lines}, records: {asked.records}"]
        rows += [f"{row['currency']} {row['amount']} in {row['records']} records" for row in asked.sums()]
        rows += [f"records that fail by themselves: {asked.unreadable}"] if asked.unreadable else []
        rows += [] if asked.extent.is_ended else ["The last line has no line end: is the file whole?"]
        out.write("\n".join(rows), style_func=str)
        out.flush()

    def _post_all(self, batches: Iterator[Batch], results: IO[str], render: Render, *, total: int) -> Counter[str]:
        counts: Counter[str] = Counter()
        writer = csv.writer(results)
        writer.writerow(RESULT_COLUMNS)
        with Progress(console=Console(file=sys.stderr), disable=not sys.stderr.isatty()) as progress:
            task = progress.add_task("importing", total=total)
            for batch in batches:
                for line, result in zip(batch.lines, self._post(batch, render), strict=True):
                    row = _result_row(line, result)
                    counts[row[2]] += 1
                    writer.writerow(row)
                results.flush()
                progress.update(task, completed=batch.end, description=f"importing: {counts.total()} lines, {counts['failed']} failed")
        return counts

    def _post(self, batch: Batch, render: Render) -> Sequence[Result]:
        try:
            return post_transfers_now([line.item for line in batch.lines], render=render)
        except DatabaseUnavailable as error:
            raise stopped(batch.lines[0].number, str(error)) from None
        except KeyboardInterrupt:
            raise stopped(batch.lines[0].number, "interrupted.", returncode=INTERRUPTED) from None

    def _summarise(self, counts: Counter[str], target: Path, seconds: float, *, as_json: bool) -> None:
        summary = {"lines": counts.total(), "posted": counts["posted"], "replayed": counts["replayed"], "failed": counts["failed"]}
        if as_json:
            self.stdout.write(json.dumps({**summary, "result": str(target), "seconds": round(seconds, 3)}))
        else:
            self.stdout.write(", ".join(f"{name}: {value}" for name, value in summary.items()) + f" in {seconds:.1f} s; see {target}")
        if counts["failed"]:
            raise CommandError(f"{counts['failed']} of {counts.total()} lines failed; see {target}")


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Raise ``CommandError`` with the name of the file that cannot be read or written.

    A closed pipe is not the fault of the file: it passes.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(f"{error.filename or path}: {error.strerror or error}", returncode=IMPOSSIBLE) from None


def _seekable(file: IO[bytes]) -> IO[bytes]:
    """Return the file, or a copy of a pipe: the file is read twice, once to check it as a whole."""
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    copy = cast("IO[bytes]", tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
    shutil.copyfileobj(file, copy)
    copy.seek(0)
    return copy


def _target(source: Path, file: IO[bytes], wanted: Path | None) -> Path:
    """Return the path of the result file.

    Raises ``CommandError`` for the imported file itself, and for a place among devices.
    """
    if wanted is None and source.absolute().parts[1:2] in {("dev",), ("proc",)}:
        raise CommandError("The file is a pipe; --result says where to write what became of each line.", returncode=IMPOSSIBLE)
    target = wanted or source.with_name(f"{source.name}.result.csv")
    if target.exists() and os.path.samestat(target.stat(), os.fstat(file.fileno())):
        raise CommandError("The result file must not be the file itself.", returncode=IMPOSSIBLE)
    return target


def _result_row(line: Line, result: Result) -> tuple[str, ...]:
    key = neutralised(line.key)
    if result.transfer_id is not None:
        return str(line.number), key, "posted", str(result.transfer_id), "", ""
    answer = json.loads(result.answer.body)
    if result.answer.status_code >= 400:
        errors = "; ".join(f"{e['field']}: {e['detail']}" for e in answer.get("errors", []))
        return str(line.number), key, "failed", "", answer["code"], neutralised(errors or answer["detail"])
    return str(line.number), key, "replayed" if result.replayed else "posted", answer["id"], "", ""
