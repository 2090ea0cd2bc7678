#!/usr/bin/env python
"""Django's command line; ``./manage.py help`` lists what there is."""

import os
import sys


def main() -> None:
    """Run the command named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ledger_project.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415 - the settings module must be named first

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
