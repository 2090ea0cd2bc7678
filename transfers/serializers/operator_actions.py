"""Operators' actions: their bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework import serializers

from ledger_project.http.fields import ReasonField, StrictInteger, StrictString
from ledger_project.kernel.money import MAJOR_UNITS, MAX_AMOUNT_MINOR


class ReasonBody(serializers.Serializer[Any]):
    """Why."""

    reason = ReasonField(help_text="Kept with the change, for good.")


class OverdraftBody(ReasonBody):
    """How far below zero a wallet may go: exactly one of the two spellings."""

    schema_rules: ClassVar[Mapping[str, Any]] = {
        "properties": {"overdraft_limit": {"pattern": MAJOR_UNITS}, "overdraft_limit_minor": {"minimum": 0, "maximum": MAX_AMOUNT_MINOR}},
        "oneOf": [{"required": ["overdraft_limit"]}, {"required": ["overdraft_limit_minor"]}],
    }

    overdraft_limit = StrictString(required=False, max_length=80, help_text="Major units as a decimal string; zero is none.")
    overdraft_limit_minor = StrictInteger(required=False, help_text="Minor units as an integer.")
