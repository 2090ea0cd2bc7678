"""The output of commands: ``--json``, and progress on a terminal."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Step = Callable[..., None]


class ReportingCommand(BaseCommand):
    """A command with a result: ``--json`` writes it as one JSON document to standard output."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare ``--json``."""
        parser.add_argument("--json", action="store_true", dest="as_json", help="write the result as one JSON document")


def watched() -> bool:
    """Whether standard error is a terminal.

    Progress is written there, so that results can be piped.
    """
    return sys.stderr.isatty()


@contextmanager
def steps(_command: BaseCommand, total: int | None) -> Iterator[Step]:
    """Show a progress bar of ``total`` steps on a terminal.

    ``step(title)`` begins the next step; ``step(title, n)`` skips n steps.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not watched(), transient=True) as progress:
        task = progress.add_task("", total=total)

        def step(title: str, advance: int = 1) -> None:
            progress.update(task, description=title, advance=advance)

        yield step
