"""``manage.py import_transfers FILE.csv``: post a file of transfers, in batches, through the engine."""

from __future__ import annotations

import csv
import json
import sys
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress

from ledger_project.kernel.errors import DatabaseUnavailable
from merchants.models import new_id
from transfers.import_files import HeaderError, Line, line_item, read_lines, renderer
from transfers.jobs import Result
from transfers.services.importing import post_transfers_now

MAX_BATCH = 1000
RESULT_COLUMNS = ("line", "key", "status", "transfer_id", "code", "detail")

EPILOG = """
The file is UTF-8 CSV with a header. Columns: key, from, to, currency, amount (decimal, major units) and, if you like, memo and
external_reference. Each line is the same request as POST /transfers with these members and its key as Idempotency-Key, sent by the
platform: a line and a request of the platform replay each other. So the file can be imported again after any interruption, kill -9
included: what was posted is replayed, the rest is posted now, nothing is posted twice. (For as long as keys live; external_reference
guards for good.)

A line that is wrong or refused fails alone. A refusal (insufficient_funds, say) is remembered under its key like every answer: to try
such a line again, give it a new key.

The result file has a row for each line: line, key, status (posted, replayed or failed), transfer_id, code, detail.
Exit status: 0 if every line was posted or replayed, 1 if any failed or the import could not go on.
"""


class Command(BaseCommand):
    """Import transfers."""

    help = "Post a CSV file of transfers in batches; safe to kill and to run again."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        """Keep the lines of the explanation as they are written."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.epilog = EPILOG
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("file", type=Path, help="the CSV file")
        parser.add_argument("--result", type=Path, help="where to write what became of each line (default: FILE.result.csv)")
        parser.add_argument(
            "--principal", default="anonymous", help="in whose name: what the transfers say of who asked (default: %(default)s)"
        )
        parser.add_argument("--batch-size", type=int, default=500, help=f"lines in one posting, 1 to {MAX_BATCH} (default: %(default)s)")
        parser.add_argument("--json", action="store_true", help="write the summary as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        del args
        source: Path = options["file"]
        target: Path = options["result"] or source.with_name(f"{source.name}.result.csv")
        if not 1 <= options["batch_size"] <= MAX_BATCH:
            raise CommandError(f"--batch-size is from 1 to {MAX_BATCH}")
        if target.resolve() == source.resolve():
            raise CommandError("the result file must not be the file itself")
        started = time.monotonic()
        try:
            with source.open("rb") as file, target.open("w", encoding="utf-8", newline="") as results:
                counts = self._import(file, results, options, size=source.stat().st_size)
        except HeaderError as error:
            raise CommandError(f"{source}: {error}") from None
        except OSError as error:
            raise CommandError(str(error)) from None
        self._summarise(counts, target, time.monotonic() - started, as_json=options["json"])

    def _import(self, file: IO[bytes], results: IO[str], options: dict[str, Any], *, size: int) -> Counter[str]:
        counts: Counter[str] = Counter()
        lines = read_lines(file)
        writer = csv.writer(results)
        writer.writerow(RESULT_COLUMNS)
        with Progress(console=Console(file=sys.stderr), disable=not sys.stderr.isatty()) as progress:
            task = progress.add_task("importing", total=size)
            while batch := list(islice(lines, options["batch_size"])):
                for row in self._post(batch, options["principal"]):
                    counts[row[2]] += 1
                    writer.writerow(row)
                results.flush()
                progress.update(task, completed=file.tell(), description=f"importing: {counts.total()} lines, {counts['failed']} failed")
        return counts

    def _post(self, batch: Sequence[Line], principal: str) -> Iterator[tuple[str, ...]]:
        request_id = f"import-{new_id()}"
        items = [line_item(line, principal=principal, request_id=request_id) for line in batch]
        try:
            posted = post_transfers_now(items, render=renderer(request_id))
        except DatabaseUnavailable as error:
            raise CommandError(f"stopped before line {batch[0].number}: {error} Run the import again; nothing is posted twice.") from None
        return (_result_row(line, result) for line, result in zip(batch, posted, strict=True))

    def _summarise(self, counts: Counter[str], target: Path, seconds: float, *, as_json: bool) -> None:
        summary = {"lines": counts.total(), "posted": counts["posted"], "replayed": counts["replayed"], "failed": counts["failed"]}
        if as_json:
            self.stdout.write(json.dumps({**summary, "result": str(target), "seconds": round(seconds, 3)}))
        else:
            self.stdout.write(", ".join(f"{name}: {value}" for name, value in summary.items()) + f" in {seconds:.1f} s; see {target}")
        if counts["failed"]:
            raise CommandError(f"{counts['failed']} of {counts.total()} lines failed; see {target}")


def _result_row(line: Line, result: Result) -> tuple[str, ...]:
    answer = json.loads(result.answer.body)
    key = line.cells.get("key", "")
    if result.answer.status_code >= 400:
        errors = "; ".join(f"{e['field']}: {e['detail']}" for e in answer.get("errors", []))
        return str(line.number), key, "failed", "", answer["code"], errors or answer["detail"]
    return str(line.number), key, "replayed" if result.replayed else "posted", answer["id"], "", ""
