"""Questions before a change: the page asks an operator for a reason and a confirmation."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin.models import LogEntry
from django.db import connection, transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.timesince import timesince
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextInputWidget

from approvals.domain.operations import Operation
from approvals.selectors.policies import needs_second_person_now
from console.outcomes import Done, answer
from console.postings import FormCarriedOut, was_carried_out
from ledger_project.kernel.errors import LedgerError
from people.operator_log import keep_change
from transfers.domain.commands import Command
from transfers.domain.outcome import required

__all__ = ["ASKED_AGAIN_WITHIN", "Done", "Question", "ReasonForm", "ask"]

ASKED_AGAIN_WITHIN = timedelta(days=1)
"""How long a posting of an operator makes the same one on the same object ask before it posts."""


WAITS = " A policy covers this: nothing is done before another person approves it."
"""What a form says of an operation that would wait for a second person."""


def _changes(request: HttpRequest, obj: Model) -> QuerySet[LogEntry]:
    """Return the recorded changes of this user to an object."""
    return LogEntry.objects.filter(user_id=request.user.pk or UUID(int=0), object_id=str(obj.pk), content_type__model=obj._meta.model_name)


class ReasonForm(forms.Form):
    """A reason, and the token by which a form that is sent twice is known."""

    reason = forms.CharField(max_length=400, widget=UnfoldAdminTextInputWidget(), help_text="Kept with the change, for good.")
    token = forms.CharField(widget=forms.HiddenInput, max_length=64)


@dataclass(frozen=True, slots=True)
class Question:
    """A change that an operator is asked to confirm.

    - ``perform`` makes the change with the values of the form.
    - ``is_posting``: the posting engine makes the change, in transactions of its own. The journal
      keeps the operator and the reason. Every other change is stored in one transaction with its
      record.
    - ``understood`` says in words what the values of the form would do; the page shows it before
      the change. It is called with the values that are valid so far: the reason may be missing.
    - ``did`` is how the record of the change begins. By it a form that is sent again is known where
      no idempotency key keeps the change from being made twice.
    - ``repeats``: what can be done several times, as the record of it begins. Nothing is posted
      before the page has shown what ``understood`` says now. If it was done within
      ``ASKED_AGAIN_WITHIN``, the page says so and asks once more.
    - ``state`` says how things are now and would be afterwards. Balances change by themselves: if
      they have changed since they were shown, the page shows them and asks once more, and only
      once, so that a busy wallet can be operated.
    - ``about`` returns the object of the change by the values of the form, where no page of an
      object asks the question. It is None as long as there is none.
    - ``initial`` are values that the form begins with.
    - ``operation`` is what policies look at. The page says if it would wait for a second person.
    - ``is_final``: it cannot be taken back, and its button looks so.
    """

    title: str
    explanation: str
    perform: Callable[[dict[str, Any]], Done]
    form: Callable[..., ReasonForm] = ReasonForm
    is_posting: bool = False
    understood: Callable[[Mapping[str, Any]], str] | None = None
    did: str = ""
    repeats: str | Callable[[Mapping[str, Any]], str] = ""
    state: Callable[[Mapping[str, Any]], str] | None = None
    about: Callable[[Mapping[str, Any]], Model | None] | None = None
    initial: Mapping[str, Any] = field(default_factory=dict)
    operation: Callable[[dict[str, Any]], Command | Operation] | None = None
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the page shows before the change: what the form would do, and how things are."""

    understood: str
    state: str = ""


def _earlier(obj: Model | None, question: Question, values: Mapping[str, Any]) -> LogEntry | None:
    """Return the newest record of the same change to the object by any operator, if recent."""
    repeats = question.repeats if isinstance(question.repeats, str) else question.repeats(values)
    if obj is None or not repeats:
        return None
    since = timezone.now() - ASKED_AGAIN_WITHIN
    found = LogEntry.objects.filter(object_id=str(obj.pk), content_type__model=obj._meta.model_name, action_time__gte=since)
    return found.filter(change_message__startswith=repeats).select_related("user").order_by("-pk").first()


def _doubts(request: HttpRequest, question: Question, shown: _Shown, earlier: LogEntry | None, token: str) -> str:
    """Return what an operator has to read before a form is carried out; nothing if all is clear.

    A form that was carried out is never in doubt: it posts nothing, and its answer says so.
    """
    doubts = []
    is_unseen = request.POST.get("seen") != shown.understood
    has_moved = request.POST.get("seen_state", "") != shown.state and not request.POST.get("asked")
    if question.repeats and (is_unseen or has_moved):
        doubts.append("Nothing was done yet: this page did not show these numbers before. Read them, and send the form again.")
    if earlier is not None and request.POST.get("again") != str(earlier.pk):
        who = "You" if earlier.user_id == request.user.pk else earlier.user.get_username()
        doubts.append(
            f"{who} did this {timesince(earlier.action_time, depth=1)} ago: {earlier.get_change_message()}."
            " If it is to be done once more, send the form again."
        )
    return "" if not doubts or was_carried_out(token) else " ".join(doubts)


def _subject(obj: Model | None, question: Question, values: Mapping[str, Any]) -> Model | None:
    """Return the object of the change: that of the page, or that which the form names."""
    return obj if question.about is None else question.about(values)


def _perform(request: HttpRequest, obj: Model | None, question: Question, values: dict[str, Any]) -> Done:
    begun = timezone.now()
    with nullcontext() if question.is_posting else transaction.atomic():
        done = question.perform(values)
        changed = required(_subject(obj, question, values) or done.waits)  # a merchant that waits is not there yet
        _record_once(request, changed, done, values["reason"], begun)
    return done


def _record_once(request: HttpRequest, changed: Model, done: Done, reason: str, begun: datetime) -> None:
    """Record a change, unless this form was sent before and recorded it.

    A form that is sent twice at once is carried out by one of both, and either may come here first.
    """
    message = f"{done.what}: {reason}"
    recorded = _changes(request, changed).filter(change_message=message)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [message])
        if not (recorded if done.is_repeat else recorded.filter(action_time__gte=begun)).exists():
            keep_change(changed, done.what, reason, user_id=request.user.pk or UUID(int=0))


def _refusal(request: HttpRequest, obj: Model | None, question: Question, values: dict[str, Any], error: LedgerError) -> str:
    """Return a refusal in its own words, and say so if the newest change is that of this form."""
    newest = _changes(request, obj).order_by("-pk").first() if question.did and obj is not None else None
    kept = "" if newest is None else newest.get_change_message()
    is_repeat = kept.startswith(question.did) and kept.endswith(f": {values['reason']}")
    return f"{error.title} ({error.code}): {error}" + (f" This form was sent before and did it ({kept})." if kept and is_repeat else "")


def _shown(question: Question, form: ReasonForm) -> _Shown:
    """Return in words what the values of the form would do: the sent ones, or the initial ones."""
    if question.understood is None:  # it asks for nothing but a reason
        return _Shown(_waits(question, {}).strip())
    if not form.is_bound:
        values = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    else:
        names = [name for name in form.errors if name in form.fields and name not in {"reason", "token"}]
        wrong = [f"{form[name].label}: {' '.join(map(str, form.errors[name]))}" for name in names]
        if wrong:
            return _Shown(f"Not understood. {' '.join(wrong)}")
        values = form.cleaned_data
    # Values that nobody has sent yet may be incomplete.
    waits = _waits(question, values) if form.is_bound else ""
    return _Shown(question.understood(values) + waits, "" if question.state is None else question.state(values))


def _waits(question: Question, values: Mapping[str, Any]) -> str:
    """Return that the operation would wait for a second person, if it would. No policy looks at a
    reason. What is refused at once does not wait.
    """
    if question.operation is None:
        return ""
    try:
        return WAITS if needs_second_person_now(question.operation({"reason": "-", **values})) else ""
    except LedgerError:
        return ""


def _carried_out(request: HttpRequest, obj: Model | None, question: Question, form: ReasonForm) -> Done | None:
    """Carry a form out. None for a refusal, which becomes a message of the page."""
    try:
        return _perform(request, obj, question, form.cleaned_data)
    except LedgerError as error:
        messages.error(request, _refusal(request, obj, question, form.cleaned_data, error))
        if question.repeats and isinstance(error, FormCarriedOut):
            form.data = {**request.POST.dict(), "token": secrets.token_hex(16)}  # sent again, it is a new form
    return None


def _focus(form: ReasonForm) -> None:
    """Put the cursor into the first field that needs the operator."""
    fields = form.visible_fields()
    wanted = next((field for field in fields if field.errors), fields[0])
    wanted.field.widget.attrs["autofocus"] = True


def ask(model_admin: ModelAdmin, request: HttpRequest, obj: Model | None, question: Question, back: str) -> HttpResponse:
    """Ask for a reason and a confirmation; then make the change, record it, and go back.

    The button "Preview" changes nothing. The page shows a refusal of the ledger in its own words.
    ``obj`` is None where ``question.about`` finds the object.
    """
    form = question.form(request.POST or None, initial={**question.initial, "token": secrets.token_hex(16)})
    shown, earlier, doubts = _shown(question, form), None, ""
    if request.method == "POST" and form.is_valid() and "preview" not in request.POST:
        earlier = _earlier(_subject(obj, question, form.cleaned_data), question, form.cleaned_data)
        doubts = _doubts(request, question, shown, earlier, form.cleaned_data["token"])
        done = None if doubts else _carried_out(request, obj, question, form)
        if done is not None:
            return answer(request, done, back)
    _focus(form)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": question.title,
        "question": question,
        "form": form,
        "shown": shown,
        "must_show": bool(question.repeats),
        "doubts": doubts,
        "again": earlier.pk if doubts and earlier else request.POST.get("again", ""),
        "can_preview": bool(shown.understood) and any(field.name != "reason" for field in form.visible_fields()),
        "object": obj,
        "opts": model_admin.opts,
        "back": back,
    }
    return TemplateResponse(request, "ledger/ask.html", context)
