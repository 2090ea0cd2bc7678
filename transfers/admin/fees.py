"""Why a transfer had this fee: how it was computed, by which version, and why by that one.

All is computed again from the stored version and compared with what was posted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from django.urls import reverse

from console.amounts import shown, shown_number
from console.panels import Cell, Panel
from fees.admin.words import computation, scope_words, terms
from fees.domain import Payer, Schedule, calculate_fee, choose_schedule
from fees.models import FeeSchedule
from fees.selectors import in_force_at, stored_schedule
from ledger_project.kernel.money import CurrencyUnit
from merchants.selectors import known_currency
from transfers.admin.refunds import refund_facts, refunded_minor
from transfers.domain.kinds import TransferKind
from transfers.models import Hold, Transfer

READ_BEFORE_TIME = timedelta(minutes=1)
"""A posting reads the schedules before the locks and its time after them; ``reconcile`` allows as
much between the two."""

_TITLE, _HEADERS = "Why this fee", ("", "In words")


def fee_panels(transfer: Transfer) -> list[Panel]:
    """Return why a transfer or a capture had its fee, or why a reversal gave this part of it back.

    Other kinds have no fee and no panel. A panel warns if what was posted is not what the stored
    version says.
    """
    unit = known_currency(transfer.currency_id)
    if transfer.reverses is not None:
        facts, warning = refund_facts(transfer, transfer.reverses, unit)
        return [Panel("Why this part of the fee", _HEADERS, [[Cell(name), Cell(words)] for name, words in facts], warning=warning)]
    if transfer.kind not in {TransferKind.TRANSFER, TransferKind.CAPTURE}:
        return []
    if transfer.fee_schedule_id is None:
        return [Panel(_TITLE, _HEADERS, [], "Nothing can be computed.", warning="It names no fee schedule, and every transfer has one.")]
    version = FeeSchedule.objects.select_related("merchant").filter(id=transfer.fee_schedule_id).first()
    schedule = None if version is None else stored_schedule(version)  # as it is stored now, not as it is remembered
    if version is None or schedule is None:
        warning = f"Its fee schedule {transfer.fee_schedule_id} cannot be read."
        return [Panel(_TITLE, _HEADERS, [], "Nothing can be computed.", warning=warning)]
    rows = [[Cell(name), cell] for name, cell in _facts(transfer, version, schedule, unit)]
    return [Panel(_TITLE, _HEADERS, rows, warning=_warning(transfer, schedule, unit))]


def _warning(transfer: Transfer, schedule: Schedule, unit: CurrencyUnit) -> str:
    """Return how the posted fee differs from that of the version; nothing if it does not."""
    expected_minor = calculate_fee(schedule, transfer.amount_minor)
    if expected_minor == transfer.fee_minor:
        return ""
    posted = f"The fee that was posted is {shown(transfer.fee_minor, unit)}"
    return f"{posted}, but this version says {shown(expected_minor, unit)}. Start a reconciliation."


def _facts(transfer: Transfer, version: FeeSchedule, schedule: Schedule, unit: CurrencyUnit) -> Iterator[tuple[str, Cell]]:
    payer = transfer.source if schedule.payer is Payer.SENDER else transfer.target
    yield "Fee", Cell(f"{shown(transfer.fee_minor, unit)}, paid by the {schedule.payer.value}, {payer.merchant.name}")
    yield "Computed", Cell(computation(schedule, transfer.amount_minor, unit))
    yield from _version_facts(version, schedule, transfer.source.merchant.name, transfer.currency_id)
    if transfer.hold is not None:
        placed = f"{transfer.hold.created_at:%Y-%m-%d %H:%M:%S} UTC"
        hold_page = reverse("admin:transfers_hold_change", args=[transfer.hold_id])
        yield "As of", Cell(f"{placed}, when the hold was placed: a capture costs what was in force then", hold_page)
    if other := _other_choice(transfer, schedule):
        yield "Remark", Cell(other)
    given_back_minor = refunded_minor(transfer.reversals.values_list("id", flat=True))
    if given_back_minor:
        yield "Given back", Cell(f"{shown_number(given_back_minor, unit)} of {shown(transfer.fee_minor, unit)}, by reversals")


def _version_facts(version: FeeSchedule, schedule: Schedule, merchant: str, currency: str) -> Iterator[tuple[str, Cell]]:
    """Yield by which version a movement of this merchant was charged, and why by that one."""
    scope = scope_words(version.merchant.name if version.merchant else None, schedule.currency, schedule.kind)
    since = f"in force since {schedule.effective_from:%Y-%m-%d %H:%M:%S} UTC"
    page = reverse("admin:fees_feeschedule_change", args=[schedule.id])
    yield "By", Cell(f"Schedule for {scope}, version {schedule.version}, {since}", page)
    yield "Its terms", Cell(terms(schedule, known_currency(schedule.currency) if schedule.currency else None))
    yield "Why this schedule", Cell(selection_words(schedule, merchant, currency))


def hold_fee_panel(hold: Hold) -> Panel:
    """Return why a hold reserves this fee; it warns as ``fee_panels`` does."""
    unit = known_currency(hold.currency_id)
    version = FeeSchedule.objects.select_related("merchant").filter(id=hold.fee_schedule_id).first()
    schedule = None if version is None else stored_schedule(version)
    if version is None or schedule is None:
        warning = f"Its fee schedule {hold.fee_schedule_id} cannot be read."
        return Panel(_TITLE, _HEADERS, [], "Nothing can be computed.", warning=warning)
    expected_minor, reserved_minor = calculate_fee(schedule, hold.amount_minor), hold.reserved_minor - hold.amount_minor
    if schedule.payer is Payer.SENDER:
        reserved = f"{shown(reserved_minor, unit)}, paid by the sender, {hold.source_merchant.name}, if all is captured"
    else:
        reserved = f"nothing: the receiver, {hold.target_merchant.name}, pays the fee of a capture out of what it gets"
        expected_minor = 0
    facts = [
        ("Reserved for the fee", Cell(reserved)),
        ("Computed", Cell(f"{computation(schedule, hold.amount_minor, unit)}. A capture of a part costs the fee of that part.")),
        *_version_facts(version, schedule, hold.source_merchant.name, hold.currency_id),
    ]
    warning = ""
    if expected_minor != reserved_minor:
        says = f"this version says {shown(expected_minor, unit)}. Start a reconciliation."
        warning = f"{shown(reserved_minor, unit)} is reserved for the fee, but {says}"
    return Panel(_TITLE, _HEADERS, [[Cell(name), cell] for name, cell in facts], warning=warning)


def selection_words(schedule: Schedule, merchant: str, currency: str) -> str:
    """Return why this schedule applies and no other, by the order of ``choose_schedule``."""
    wanted = ((merchant, currency), (merchant, None), (None, currency), (None, None))
    scopes = [scope_words(name, code, None) for name, code in wanted]
    place = 2 * (schedule.merchant_id is None) + (schedule.currency is None)
    before, after = scopes[:place], scopes[place + 1 :]
    words = f"the one for {scopes[place]} applied"
    words = f"No schedule for {_either(before)} was in force: {words}" if before else words[0].upper() + words[1:]
    if after:
        words += f", since it comes before one for {_either(after)}"
    return words + (f". One for {schedule.kind}s alone comes before one for all kinds." if schedule.kind else ".")


def _either(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', for '.join(most)} or for {last}" if most else last


def _other_choice(transfer: Transfer, schedule: Schedule) -> str:
    """Return which version the stored ones would choose, if it is another; usually nothing.

    That is no error: a movement with a past date was charged by what was in force when it was
    imported.
    """
    at = transfer.created_at if transfer.hold is None else transfer.hold.created_at
    merchant_id, currency = transfer.source.merchant_id, transfer.currency_id
    chosen = [
        choose_schedule(
            in_force_at(moment, merchant_id=merchant_id, currency=currency),
            merchant_id=merchant_id,
            currency=currency,
            kind=transfer.kind,
            at=moment,
        )
        for moment in (at, at - READ_BEFORE_TIME)
    ]
    if schedule.id in {one.id for one in chosen if one is not None} or chosen[0] is None:
        return ""
    return f"By the versions that are stored now, version {chosen[0].version} ({chosen[0].id}) was in force for it at that time."
