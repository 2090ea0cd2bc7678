"""An attempt to send something."""

from __future__ import annotations

from msgspec import Struct


class Attempt(Struct, frozen=True):
    """What became of an attempt.

    ``status_code`` is None where no answer came, ``error`` says why in words. ``retry_after`` is
    the header of that name.
    """

    status_code: int | None
    duration_ms: int
    error: str | None = None
    retry_after: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether the receiver has it."""
        return self.status_code is not None and 200 <= self.status_code < 300
