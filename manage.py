#!/usr/bin/env python
"""Django's command line; ``./manage.py help`` lists what there is.

Starts the embedded database for commands that need one.
"""

import contextlib
import gc
import os
import sys
from collections.abc import Sequence

WITHOUT_DATABASE = frozenset({"help", "--help", "-h", "version", "--version", "check", "collectstatic", "serve"})
"""Commands that need no database, or start it themselves."""

GARBAGE_THRESHOLD = 50_000
"""New objects between two collections of garbage. What Django loads stays. With Python's 700,
collecting takes a sixth of the time of a start."""


def main() -> None:
    """Run the command of the command line."""
    gc.set_threshold(GARBAGE_THRESHOLD)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ledger_project.settings")
    if sys.argv[1:2] == ["serve"]:
        # It listens on loopback only. Nobody has to authenticate, unless LEDGER_AUTH says so.
        os.environ["LEDGER_BIND"] = "127.0.0.1"
        if not os.environ.get("LEDGER_AUTH"):
            os.environ["LEDGER_AUTH"] = "open"
        if not os.environ.get("LEDGER_HTTPS"):
            os.environ["LEDGER_HTTPS"] = "false"  # nothing speaks TLS there
    try:
        from ledger_project.command_line.runner import run
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(run(sys.argv, execute))


def execute(arguments: Sequence[str]) -> None:
    """Run a command line, with the embedded database if it is in use."""
    from django.conf import settings
    from django.core.management import execute_from_command_line

    from ledger_project.database.connections import use_own_connection
    from ledger_project.database.embedded import EmbeddedPostgres

    command = arguments[1] if len(arguments) > 1 else "help"
    embedded = settings.LEDGER_EMBEDDED and command not in WITHOUT_DATABASE and not {"--help", "--offline"} & set(arguments)
    with EmbeddedPostgres(settings.LEDGER_DATA_DIR).running() if embedded else contextlib.nullcontext():
        if command not in WITHOUT_DATABASE:
            # Not through the pool: its error would not name the reason.
            use_own_connection()
        execute_from_command_line(list(arguments))


if __name__ == "__main__":
    main()
