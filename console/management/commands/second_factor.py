"""``manage.py second_factor reset USER``: let a user enrol a new device."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

import structlog
from django.contrib.auth import get_user_model
from django.core.management import CommandError
from django.core.management.base import BaseCommand

from ledger_project.command_line.runner import IMPOSSIBLE
from people.access.second_factor import reset

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    """Forget a user's authenticator app and recovery codes."""

    help = "Forget the second factor of a user, so that their next login can enrol a new device."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to do, for whom."""
        parser.add_argument("action", choices=["reset"])
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        """Forget it."""
        del args
        user = get_user_model().objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is no user named {options['username']!r}.", returncode=IMPOSSIBLE)
        count = reset(user)
        log.info("second_factor.reset", user_id=user.pk, devices=count)
        self.stdout.write(f"{options['username']} has no second factor now; they can enrol one at their next login.")
