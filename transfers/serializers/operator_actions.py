"""Operators' actions: their bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ledger_project.http.fields import ReasonField
from ledger_project.http.members import Members, amount_rules, exactly_one, requested_amount


class ReasonBody(Members):
    """Why."""

    reason = ReasonField(help_text="Kept with the change, for good.")


class OverdraftBody(ReasonBody):
    """How far below zero a wallet may go: exactly one of the two spellings."""

    schema_rules: ClassVar[Mapping[str, Any]] = {
        "properties": amount_rules("overdraft_limit", min_minor=0),
        **exactly_one("overdraft_limit"),
    }

    overdraft_limit = requested_amount(
        help_text="Major units as a decimal string; zero is none.", help_text_minor="Minor units as an integer."
    )
