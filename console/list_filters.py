"""The filters of a list, as one form above it.

A value that cannot be understood is said at its field, and then the list is empty: a list that
silently shows everything would be taken for the answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from console.completion import COMPLETED
from ledger_project.kernel.days import day_of, moment_of
from ledger_project.kernel.ids import id_in
from ledger_project.kernel.money import CurrencyUnit, InvalidAmount, parse_typed_major
from merchants.domain import MerchantIdentity
from merchants.models import Currency, Merchant
from merchants.selectors import find_currency_now, identify_now

LONGEST = 100
"""The longest value of a filter, in characters. No name, day or amount is longer."""


@dataclass(frozen=True, slots=True)
class FilterField:
    """An input of the form: a select if there are ``options`` (value and words), else a text.

    ``problem`` is what is wrong with the value.
    """

    name: str
    label: str
    value: str = ""
    kind: str = "text"
    options: Sequence[tuple[str, str]] = ()
    attributes: Mapping[str, object] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Moments:
    """A period: from ``start`` until before ``end``, in UTC; None where it has no such limit."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class AmountRange:
    """Amounts in minor units, both ends included; None where there is no such limit."""

    low_minor: int | None = None
    high_minor: int | None = None

    @property
    def is_limited(self) -> bool:
        """Whether it leaves anything out."""
        return self.low_minor is not None or self.high_minor is not None


class ListBar(admin.ListFilter):
    """The base of the filters of a list.

    A subclass names its ``fields`` in their order and narrows the rows by them. Its readers return
    None for what is not asked for and for what is wrong; ``wrong`` says the latter.

    ``notes`` are sentences above the list that say what it shows. ``clear_words`` say what it shows
    without any filter, ``empty_words`` what it means if that is nothing.
    """

    title = "filters"
    names: ClassVar[tuple[str, ...]]
    is_bar = True
    clear_words = "Show all"
    empty_words = ""

    def __init__(self, request: HttpRequest, params: dict[str, list[str]], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.request = request
        self.values: dict[str, str] = {name: params.pop(name)[-1].strip() for name in self.names if name in params}
        self.used_parameters.update(self.values)
        self.problems: dict[str, str] = {name: "This is too long." for name, text in self.values.items() if len(text) > LONGEST}
        self.notes: list[str] = []

    def narrow(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows that the filters keep."""
        raise NotImplementedError

    def fields(self) -> Iterable[FilterField]:
        """Return the inputs of the form."""
        raise NotImplementedError

    def has_output(self) -> bool:
        """Say that the form is always shown."""
        return True

    def expected_parameters(self) -> list[str | None]:
        """Return the names of the parameters that the form reads."""
        return list(self.names)

    def choices(self, changelist: Any) -> Iterator[Mapping[str, object]]:
        """Return nothing: a form has no links to choose from."""
        del changelist
        return iter(())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows that the filters keep; none if a filter is wrong."""
        del request
        self.notes = []
        if self.problems:
            return queryset.none()
        narrowed = self.narrow(queryset)
        return queryset.none() if self.problems else narrowed

    def wrong(self, name: str, words: str) -> None:
        """Say what is wrong with the value of a field; the first thing counts."""
        self.problems.setdefault(name, words)

    def text(self, name: str) -> str:
        """Return the value of a field; empty if there is none."""
        return self.values.get(name, "")

    def choice(self, name: str, allowed: Collection[str]) -> str:
        """Return a value that is one of those allowed; empty if there is none."""
        value = self.text(name)
        if not value or value in allowed:
            return value
        self.wrong(name, f"“{value}” is none of {', '.join(sorted(allowed))}.")
        return ""

    def merchant(self, name: str = "merchant") -> MerchantIdentity | None:
        """Return the merchant of a name, whatever its case, or of an id."""
        text = self.text(name)
        if not text:
            return None
        wanted = id_in(text)
        if wanted is None:
            found = identify_now(names=[text]).merchant(text)
        else:
            named = Merchant.objects.filter(id=wanted).first()
            found = None if named is None else MerchantIdentity(named.id, named.name)
        if found is None:
            self.wrong(name, f"There is no merchant “{text}”. The whole name is expected.")
        return found

    def unit(self, name: str = "currency") -> CurrencyUnit | None:
        """Return a currency by its code, whatever its case."""
        code = self.text(name).upper()
        found = find_currency_now(code) if code else None
        if code and found is None:
            self.wrong(name, f"There is no currency “{code}”.")
        return found

    def period(self) -> Moments:
        """Return the days from ``from`` to ``to``, both included, and before the moment ``before``,
        which the dashboard gives: what it counted was posted until then.
        """
        days = {name: self.day(name) for name in ("from", "to")}
        first, last = days["from"], days["to"]
        if first is not None and last is not None and first > last:
            self.wrong("to", f"The period ends on {last}, before it begins on {first}.")
        end = None if last is None else midnight(last + timedelta(days=1))
        before = self.moment("before")
        if before is not None:
            self.notes.append(f"Only what was posted before {before:%Y-%m-%d %H:%M:%S}, as the dashboard counted it.")
        ends = [moment for moment in (end, before) if moment is not None]
        return Moments(None if first is None else midnight(first), min(ends, default=None))

    def day(self, name: str) -> date | None:
        """Return a day."""
        text = self.text(name)
        day = day_of(text)
        if text and day is None:
            self.wrong(name, f"“{text}” is no day. A day as in 2026-01-31 is expected.")
        return day

    def moment(self, name: str) -> datetime | None:
        """Return a moment."""
        text = self.text(name)
        moment = moment_of(text) if text else None
        if text and moment is None:
            self.wrong(name, f"“{text}” is no moment. One as in 2026-01-31T12:00:00Z is expected.")
        return moment

    def amounts(self, unit: CurrencyUnit | None) -> AmountRange:
        """Return the amounts from ``amount_from`` to ``amount_to``: in major units of a currency,
        which has to be chosen.
        """
        limits: list[int | None] = []
        for name in ("amount_from", "amount_to"):
            text = self.text(name)
            if not text:
                limits.append(None)
            elif unit is None:
                self.wrong(name, "An amount needs a currency: choose one.")
            else:
                try:
                    limits.append(parse_typed_major(text, unit))
                except InvalidAmount as error:
                    words = str(error)
                    self.wrong(name, f"{words[:1].upper()}{words[1:]}.")
        if len(limits) < 2:
            return AmountRange()
        low, high = limits
        if low is not None and high is not None and low > high:
            self.wrong("amount_to", "This is less than the amount to begin with.")
        return AmountRange(low, high)

    # --- the inputs -------------------------------------------------------------------------------

    def input(
        self,
        name: str,
        label: str,
        *,
        kind: str = "text",
        options: Iterable[tuple[str, str]] = (),
        attributes: Mapping[str, object] | None = None,
    ) -> FilterField:
        """Return an input with its value, and what is wrong with it."""
        chosen, value = list(options), self.text(name)
        if chosen and value and value not in dict(chosen):
            chosen.append((value, value))  # what was asked for stays to be seen
        if kind == "date" and value and day_of(value) is None:
            kind = "text"  # a browser shows nothing of what is no day
        return FilterField(name, label, value, kind, chosen, attributes or {}, self.problems.get(name, ""))

    def select(self, name: str, label: str, options: Iterable[tuple[str, str]]) -> FilterField:
        """Return a select, all of whose values are kept where none is chosen."""
        return self.input(name, label, options=[("", "all"), *options])

    def merchant_input(self, label: str = "Merchant") -> FilterField:
        """Return the input of a merchant's name, with completion."""
        return self.input("merchant", label, attributes=COMPLETED)

    def currency_input(self, more: Iterable[tuple[str, str]] = ()) -> FilterField:
        """Return the select of all currencies."""
        codes = Currency.objects.order_by("code").values_list("code", flat=True)
        return self.select("currency", "Currency", [*((code, code) for code in codes), *more])

    def day_inputs(self) -> list[FilterField]:
        """Return the inputs of the first and the last day, and the dashboard's moment."""
        before = [self.input("before", "Before (UTC)")] if self.text("before") else []
        return [self.input("from", "From", kind="date"), self.input("to", "To", kind="date"), *before]

    def amount_inputs(self) -> list[FilterField]:
        """Return the inputs of the smallest and the largest amount."""
        digits = {"inputmode": "decimal", "autocomplete": "off", "size": 10}
        return [
            self.input("amount_from", "Amount from", attributes=digits),
            self.input("amount_to", "Amount to", attributes=digits),
        ]


def midnight(day: date) -> datetime:
    """Return the beginning of a day in UTC."""
    return datetime.combine(day, time(), UTC)
