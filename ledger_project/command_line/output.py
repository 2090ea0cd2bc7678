"""What all commands have in common: ``--json``, and progress where somebody watches."""

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
    """A command whose result people or machines read: ``--json`` writes one JSON document to standard output, nothing else."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare ``--json``."""
        parser.add_argument("--json", action="store_true", dest="as_json", help="write the result as one JSON document")


def watched() -> bool:
    """Whether somebody watches: progress goes to standard error, so that results can be piped."""
    return sys.stderr.isatty()


@contextmanager
def steps(_command: BaseCommand, total: int | None) -> Iterator[Step]:
    """Show a bar of ``total`` steps where a terminal is attached; ``step(title)`` begins the next one, ``step(title, n)`` skips n on."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not watched(), transient=True) as progress:
        task = progress.add_task("", total=total)

        def step(title: str, advance: int = 1) -> None:
            progress.update(task, description=title, advance=advance)

        yield step
