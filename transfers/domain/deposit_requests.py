"""Requests to add money: a member says that money comes by bank, and an operator confirms it.

A request moves no money. Its confirmation posts a deposit under a key of the request.
"""

from __future__ import annotations

from enum import StrEnum

from ledger_project.kernel.errors import ValidationFailed

KEY_OWNER = "deposit-requests"
"""The owner of the keys of confirmations. No caller of the API has it, so no caller can use one of
these keys up."""

REQUEST_MEMBER = "deposit_request"
"""The member of a deposit's metadata that names its request."""

LONGEST_MEMO, LONGEST_REFERENCE, LONGEST_REASON = 500, 255, 400
"""Characters."""


class DepositRequestStatus(StrEnum):
    """The state of a request. The last two are final."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    DECLINED = "declined"


def checked_text(name: str, text: str, longest: int) -> str:
    """Return a text without blanks around it. Raises ``ValidationFailed``."""
    stripped = text.strip()
    if not stripped:
        raise ValidationFailed.of(name, "required", "this must not be empty")
    if len(stripped) > longest:
        raise ValidationFailed.of(name, "max_length", f"at most {longest} characters")
    if "\x00" in stripped:
        raise ValidationFailed.of(name, "null_characters_not_allowed", "NUL characters cannot be stored")
    return stripped
