#!/usr/bin/env python
"""Django's command line; ``./manage.py help`` lists what there is. Starts the embedded database for commands that need one."""

import contextlib
import os
import sys

WITHOUT_DATABASE = frozenset({"help", "--help", "-h", "version", "--version", "check", "collectstatic", "serve"})
"""Commands that need no database, or see to it themselves."""


def main() -> None:
    """Run the command named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ledger_project.settings")
    if sys.argv[1:2] == ["serve"]:
        # It listens on loopback only, so nobody has to authenticate, unless LEDGER_AUTH=required says so.
        os.environ["LEDGER_BIND"] = "127.0.0.1"
        if not os.environ.get("LEDGER_AUTH"):
            os.environ["LEDGER_AUTH"] = "open"
    from django.conf import settings  # noqa: PLC0415 - the settings module must be named first
    from django.core.management import execute_from_command_line  # noqa: PLC0415
    from environs import EnvError  # noqa: PLC0415

    from ledger_project.configuration import ConfigurationError  # noqa: PLC0415
    from ledger_project.database import EmbeddedPostgres  # noqa: PLC0415
    from ledger_project.sqlstates import command_error  # noqa: PLC0415

    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    try:
        embedded = settings.LEDGER_EMBEDDED and command not in WITHOUT_DATABASE and "--help" not in sys.argv
        server = EmbeddedPostgres(settings.LEDGER_DATA_DIR).running() if embedded else contextlib.nullcontext()
    except (ConfigurationError, EnvError) as error:
        sys.exit(f"Configuration: {error}")
    with server:
        try:
            execute_from_command_line(sys.argv)
        except Exception as error:
            told = command_error(error)
            if told is None:
                raise
            sys.stderr.write(f"{told}\n")
            sys.exit(2)


if __name__ == "__main__":
    main()
