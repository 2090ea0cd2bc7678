"""Statements of several accounts: a page that asks for days and a format, and the ZIP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse

from console.amounts import shown
from console.panels import Cell, Filter, Panel
from console.statements import day_fields, preset_cells
from ledger_project.kernel.ids import id_in
from merchants.domain import AccountKind
from merchants.models import Account, Merchant
from transfers.selectors.statements import Period
from transfers.statements.archive import MOST_ACCOUNTS, Archive, archive_file, archive_of
from transfers.statements.days import FIRST, LAST, StatementDays, presets
from transfers.statements.formats import StatementFormat

_FORMATS = (
    (StatementFormat.CSV.value, "CSV, for spreadsheets"),
    (StatementFormat.PDF.value, "PDF, for people"),
    (StatementFormat.CAMT053.value, "camt.053, for accounting programs"),
)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the address of the page asks for: accounts, days and a format.

    ``whose`` are the parameters that name the accounts, ``who`` the words for them.
    """

    whose: dict[str, str]
    who: str
    accounts: Sequence[Account]
    days: StatementDays
    form: StatementFormat
    form_problem: str

    @property
    def problem(self) -> str:
        """What is wrong with the fields, in one text; empty if nothing is."""
        return " ".join(filter(None, (self.days.problem, self.form_problem)))

    @property
    def name(self) -> str:
        """The name of the file: whose statements, and of which days."""
        bounds = f"{self.days.first or 'opening'}-to-{self.days.last or presets()[0].last}"
        return f"statements-{self.who.replace(' ', '-')}-{bounds}"


def statements_address(merchant: Merchant) -> str:
    """Return the address of the page for all wallets of a merchant."""
    return f"{reverse('admin:account_statements')}?{urlencode({'merchant': merchant.id})}"


def choose_statements(request: HttpRequest, chosen: QuerySet[Account]) -> HttpResponse | None:
    """Go to the page for accounts that were chosen in a list; None if they are too many."""
    ids = [one.hex for one in chosen.values_list("pk", flat=True)[: MOST_ACCOUNTS + 1]]
    if len(ids) > MOST_ACCOUNTS:
        messages.error(request, f"Statements are made of {MOST_ACCOUNTS} accounts at most at once. Choose fewer.")
        return None
    return HttpResponseRedirect(f"{reverse('admin:account_statements')}?{urlencode({'accounts': ','.join(ids)}, safe=',')}")


def statements_page(request: HttpRequest) -> HttpResponse:
    """Show what a ZIP would hold, and ask for days and a format.

    Without days in the address they are those of last month.
    """
    wanted = _wanted(request)
    archive = None if wanted.problem else archive_of(wanted.accounts, wanted.form, wanted.days)
    context = {
        **admin.site.each_context(request),
        "title": f"Statements of {wanted.who}",
        "whose": wanted.whose.items(),
        "filters": (*day_fields(wanted.days), Filter("format", "Format", wanted.form.value, "select", _FORMATS, wanted.form_problem)),
        "presets": preset_cells(**wanted.whose, format=wanted.form.value),
        "panels": [] if archive is None else [_panel(archive)],
        "problem": archive.problem if archive else "",
    }
    return TemplateResponse(request, "ledger/statements.html", context)


def statements_zip(request: HttpRequest) -> HttpResponseBase:
    """Return the ZIP; or the page, which says why there is none."""
    wanted = _wanted(request)
    archive = None if wanted.problem else archive_of(wanted.accounts, wanted.form, wanted.days)
    problem = wanted.problem or (archive.problem if archive else "")
    if archive is None or problem:
        messages.error(request, f"No file was made. {problem}")
        return HttpResponseRedirect(f"{reverse('admin:account_statements')}?{request.GET.urlencode()}")
    return archive_file(archive, wanted.name)


def _wanted(request: HttpRequest) -> _Wanted:
    """Read the address. Raises ``PermissionDenied``."""
    if not request.user.has_perm("merchants.view_account"):
        raise PermissionDenied
    query = request.GET
    whose, who, accounts = _accounts(query)
    days = StatementDays.of(query) if FIRST in query or LAST in query else _last_month()
    text = query.get("format", StatementFormat.CSV.value)
    is_known = text in set(StatementFormat)
    form = StatementFormat(text) if is_known else StatementFormat.CSV
    known = ", ".join(one.value for one in StatementFormat)
    return _Wanted(whose, who, accounts, days, form, "" if is_known else f"No format: {text[:40]}. There are {known}.")


def _last_month() -> StatementDays:
    found = next(preset for preset in presets() if preset.words == "Last month")
    return StatementDays(found.first, found.last)


def _accounts(query: QueryDict) -> tuple[dict[str, str], str, list[Account]]:
    """Return the parameters that name accounts, words for them, and the accounts themselves."""
    found = Account.objects.select_related("merchant").order_by("merchant__name", "currency", "kind")
    merchant_id = id_in(query.get("merchant", ""))
    merchant = None if merchant_id is None else Merchant.objects.filter(id=merchant_id).first()
    if merchant is not None:
        of_merchant = found.filter(merchant=merchant, kind=AccountKind.WALLET)
        return {"merchant": str(merchant.id)}, merchant.name, list(of_merchant[:MOST_ACCOUNTS])
    ids = [one for text in query.get("accounts", "").split(",")[:MOST_ACCOUNTS] if (one := id_in(text)) is not None]
    chosen = list(found.filter(id__in=ids))
    return {"accounts": ",".join(one.hex for one in ids)}, f"{len(chosen)} accounts", chosen


def _panel(archive: Archive) -> Panel:
    """Return what a ZIP would hold as a table, and what the format cannot hold with the reasons."""
    rows = [_row(period, "in the file") for period in archive.held] + [_row(period, f"{reason}.") for period, reason in archive.left_out]
    headers = ("Account", "Lines", "Opening balance", "Closing balance", "In this format")
    return Panel(f"{len(archive.held)} of {len(rows)} statements", headers, rows, "There is no account to make a statement of.")


def _row(period: Period, words: str) -> list[Cell]:
    kind = "" if period.account_kind == AccountKind.WALLET else f" {period.account_kind}"
    name = f"{period.merchant_name} {period.currency.code}{kind}"
    return [
        Cell(name, reverse("admin:merchants_account_change", args=[period.account_id])),
        Cell(f"{period.until - period.after:,}", is_number=True),
        Cell(shown(period.opening_minor, period.currency), is_number=True),
        Cell(shown(period.closing_minor, period.currency), is_number=True),
        Cell(words),
    ]
