"""Changes of fees: a version is appended, none is edited."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from fees.domain import FARTHEST, MAX_TIERS, charges_nothing, is_part, is_rate
from fees.models import SCOPE_VERSION_UNIQUE, FeeSchedule
from fees.selectors import drafted_schedule, in_force, scope_versions
from ledger_project.database.clock import database_now
from ledger_project.database.sqlstates import violates
from ledger_project.kernel.errors import FieldError, LedgerError, ValidationFailed
from ledger_project.kernel.happenings import EventType, Happening, tell

if TYPE_CHECKING:
    from uuid import UUID

    from django.contrib.auth.models import AbstractBaseUser

PAST_TOLERANCE = timedelta(minutes=5)
"""How far back a new version may come into force.

It must not change what history should have cost.
"""


class VersionExists(LedgerError):
    """A version of this id is stored already. Forms propose ids, and this one was sent before."""

    code = "version_exists"
    title = "Not possible"


def check_tiers(row: FeeSchedule) -> list[FieldError]:
    """Return what is wrong with a draft's tiers.

    Their bounds must rise, the last one has no bound, and rates are shares.
    """
    if not isinstance(row.tiers, list):
        return [FieldError("tiers", "invalid", "a list of tiers is expected")]
    if bool(row.tiers) != bool(row.tier_mode):
        return [FieldError("tiers", "invalid", "tiers and their mode come together or not at all")]
    if len(row.tiers) > MAX_TIERS:
        return [FieldError("tiers", "max_length", f"{MAX_TIERS} tiers at most")]
    previous = 0
    for position, tier in enumerate(row.tiers):
        problem = _tier_problem(tier, previous, last=position == len(row.tiers) - 1)
        if problem:
            return [FieldError("tiers", "invalid", f"tier {position + 1}: {problem}")]
        previous = tier["up_to_minor"] or previous
    return []


def _tier_problem(tier: object, previous: int, *, last: bool) -> str | None:
    if not isinstance(tier, dict) or set(tier) - {"up_to_minor", "rate", "flat_minor"} or "up_to_minor" not in tier:
        return 'has "up_to_minor" and may have "rate" (a string) and "flat_minor"'
    bound = tier["up_to_minor"]
    if (bound is None) != last:
        return "only the last tier, and always that one, has no bound (null)"
    if bound is not None and not is_part(bound, least=previous + 1):
        return "bounds are whole minor units that rise, 10^30 at most"
    if not is_part(tier.get("flat_minor", 0)):
        return '"flat_minor" is a whole number of minor units, from 0 to 10^30'
    if not is_rate(tier.get("rate", "0")):
        return '"rate" is a decimal string from 0 to 1 with ten decimals at most'
    return None


def _check_money(row: FeeSchedule) -> list[FieldError]:
    errors = [
        FieldError(name, "invalid", "a whole number of minor units is expected, from 0 to 10^30")
        for name in ("flat_minor", "minimum_minor", "maximum_minor")
        if (name == "flat_minor" or getattr(row, name) is not None) and not is_part(getattr(row, name))
    ]
    if (row.flat_minor or row.minimum_minor is not None or row.maximum_minor is not None or row.tiers) and row.currency_id is None:
        errors.append(FieldError("currency", "required", "flat amounts, minimum, maximum and tiers are money and need a currency"))
    if not errors and row.minimum_minor is not None and row.maximum_minor is not None and row.minimum_minor > row.maximum_minor:
        errors.append(FieldError("minimum_minor", "invalid", "the minimum is above the maximum"))
    return errors


def _check_moment(row: FeeSchedule, now: datetime) -> list[FieldError]:
    if row.effective_from < now - PAST_TOLERANCE:
        return [FieldError("effective_from", "invalid", "a version cannot come into force in the past: history would be rewritten")]
    if row.effective_from > now + FARTHEST:
        return [FieldError("effective_from", "invalid", "a version comes into force within ten years; check the year")]
    return []


def check_draft(row: FeeSchedule, now: datetime) -> None:
    """Raise ``ValidationFailed`` with all that the database would refuse in a draft."""
    errors = [*check_tiers(row), *_check_money(row)]
    if not is_rate(f"{Decimal(row.rate):f}"):
        errors.append(FieldError("rate", "invalid", "a rate is from 0 to 1, with ten decimals at most: 0.01 is 1%"))
    errors += _check_moment(row, now)
    if not row.note.strip():
        errors.append(FieldError("note", "required", "say why"))
    elif "\x00" in row.note:
        errors.append(FieldError("note", "invalid", "a NUL is no character of a text"))
    if errors:
        raise ValidationFailed(errors)


def check_order(draft: FeeSchedule, versions: Sequence[FeeSchedule]) -> None:
    """Raise ``ValidationFailed`` if a draft does not come after all versions of its scope.

    The versions are newest first.
    """
    if versions and versions[0].effective_from >= draft.effective_from:
        latest = versions[0].effective_from.isoformat(timespec="seconds")
        raise ValidationFailed.of("effective_from", "invalid", f"the scope's latest version is in force from {latest}; this must be later")


def append_schedule(draft: FeeSchedule, *, by: AbstractBaseUser | None) -> FeeSchedule:
    """Store a draft as the next version of its scope and return it.

    Raises ``ValidationFailed``, and ``VersionExists`` if its id is stored already.

    Of two that append at once, the unique constraint refuses the second, whose error says so.
    """
    check_draft(draft, database_now())
    _check_new(draft)
    versions = scope_versions(draft.merchant_id, draft.currency_id, draft.kind)
    check_order(draft, versions)
    draft.version = versions[0].version + 1 if versions else 1
    draft.created_by = by  # type: ignore[assignment]  # the user model is a setting
    try:
        with transaction.atomic():
            draft.save(force_insert=True)
            tell(Happening(EventType.FEE_SCHEDULE_APPENDED, draft.merchant_id, facts={"fee_schedule": _facts(draft)}))
    except IntegrityError as error:
        _check_new(draft)
        # Another version was appended meanwhile. All else that the database refuses, check_draft
        # should have found: that is a mistake of ours.
        if not violates(error, SCOPE_VERSION_UNIQUE):
            raise
        raise ValidationFailed.of("version", "conflict", "somebody else changed this scope just now; look again") from error
    return draft


def _facts(schedule: FeeSchedule) -> dict[str, object]:
    """Return a version as its event tells it: all but who appended it, and why."""
    names = ("version", "kind", "flat_minor", "minimum_minor", "maximum_minor", "tier_mode", "tiers", "rounding", "payer")
    return {
        "id": str(schedule.id),
        "currency": schedule.currency_id,
        "rate": f"{Decimal(schedule.rate):f}",
        "effective_from": schedule.effective_from.isoformat(),
        **{name: getattr(schedule, name) for name in names},
    }


def _check_new(draft: FeeSchedule) -> None:
    if FeeSchedule.objects.filter(id=draft.id).exists():
        raise VersionExists(f"Version {draft.id} is stored already.")


def waiver(*, merchant_id: UUID, currency: str | None, note: str) -> FeeSchedule:
    """Return a draft of zero for a merchant, in one currency or in all, in force from now on.

    Raises ``ValidationFailed`` for a merchant whose fees are zero already, so that a double click
    appends one version.
    """
    now = database_now()
    current = in_force(scope_versions(merchant_id, currency, None), now)
    if current is not None and charges_nothing(drafted_schedule(current)):
        raise ValidationFailed.of("merchant", "conflict", f"its fees are waived already, by version {current.version}")
    return FeeSchedule(merchant_id=merchant_id, currency_id=currency, rate=Decimal(0), effective_from=now, note=note)


def waive(*, merchant_id: UUID, currency: str | None, by: AbstractBaseUser | None, note: str) -> FeeSchedule:
    """Append a version of zero for a merchant. Raises what ``waiver`` does."""
    return append_schedule(waiver(merchant_id=merchant_id, currency=currency, note=note), by=by)
