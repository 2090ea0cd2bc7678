"""Questions that an operator answers before a change: a reason, what will happen, and its record."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminTextInputWidget

from ledger_project.kernel.errors import LedgerError
from people.operator_log import keep_change


def record(request: HttpRequest, obj: Model, what: str, reason: str) -> None:
    """Keep who did what to an object, when, and why."""
    keep_change(obj, what, reason, user_id=request.user.pk or 0)


def is_recorded(request: HttpRequest, obj: Model, what: str, reason: str) -> bool:
    """Whether this very change by this user is kept already."""
    return _kept(request, obj).filter(change_message=f"{what}: {reason}").exists()


def _kept(request: HttpRequest, obj: Model) -> QuerySet[LogEntry]:
    return LogEntry.objects.filter(user_id=request.user.pk or 0, object_id=str(obj.pk), content_type__model=obj._meta.model_name)


class ReasonForm(forms.Form):
    """A reason, and a token that makes a double click one change."""

    reason = forms.CharField(max_length=400, widget=UnfoldAdminTextInputWidget(), help_text="Kept with the change, for good.")
    token = forms.CharField(widget=forms.HiddenInput, max_length=64)


@dataclass(frozen=True, slots=True)
class Done:
    """What a confirmed change did, in words; ``is_repeat`` where the same form was sent before and nothing happened now."""

    what: str
    is_repeat: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What an operator is asked before a change: its title, what will happen, and what does it with the form's values.

    ``is_posting`` where the posting engine does it, in transactions of its own, with the operator and the reason in the journal; all
    else is stored together with its record, or not at all.

    ``understood`` says in words what the values of a form would do, for questions whose answer has amounts: it is shown before anything
    is done. It is given what is valid so far; the reason may be missing. ``did`` is how the record of the change begins: by it a form that
    is sent again is known where the state, and no key, keeps the change from being made twice.
    """

    title: str
    explanation: str
    perform: Callable[[dict[str, Any]], Done]
    form: Callable[..., ReasonForm] = ReasonForm
    is_posting: bool = False
    understood: Callable[[Mapping[str, Any]], str] | None = None
    did: str = ""


def _perform(request: HttpRequest, obj: Model, question: Question, values: dict[str, Any]) -> Done:
    with nullcontext() if question.is_posting else transaction.atomic():
        done = question.perform(values)
        if not (done.is_repeat and is_recorded(request, obj, done.what, values["reason"])):
            record(request, obj, done.what, values["reason"])
    return done


def _refusal(request: HttpRequest, obj: Model, question: Question, values: dict[str, Any], error: LedgerError) -> str:
    """Return a refusal in its own words, and where the newest change is this very one, say that the form was sent before."""
    newest = _kept(request, obj).order_by("-pk").first() if question.did else None
    kept = "" if newest is None else newest.get_change_message()
    is_repeat = kept.startswith(question.did) and kept.endswith(f": {values['reason']}")
    return f"{error.title} ({error.code}): {error}" + (f" This form was sent before and did it ({kept})." if kept and is_repeat else "")


def _understood(question: Question, form: ReasonForm) -> str:
    """Return what the form's values would do, in words: those that were sent, or those that it begins with."""
    if question.understood is None:
        return ""
    if not form.is_bound:
        return question.understood({name: field.initial for name, field in form.fields.items()})
    names = [name for name in form.errors if name in form.fields and name not in {"reason", "token"}]
    wrong = [f"{form[name].label}: {' '.join(map(str, form.errors[name]))}" for name in names]
    return f"Not understood. {' '.join(wrong)}" if wrong else question.understood(form.cleaned_data)


def ask(model_admin: ModelAdmin, request: HttpRequest, obj: Model, question: Question, back: str) -> HttpResponse:
    """Ask for a reason and a confirmation; then do it, record it, and go back.

    A form that is sent by its button "Preview" does nothing. What the ledger refuses is said on the page in its own words.
    """
    form = question.form(request.POST or None, initial={"token": secrets.token_hex(16)})
    if request.method == "POST" and form.is_valid() and "preview" not in request.POST:
        try:
            done = _perform(request, obj, question, form.cleaned_data)
        except LedgerError as error:
            messages.error(request, _refusal(request, obj, question, form.cleaned_data, error))
        else:
            messages.success(request, f"{done.what} (this form was sent before)" if done.is_repeat else done.what)
            return HttpResponseRedirect(back)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": question.title,
        "question": question,
        "form": form,
        "understood": _understood(question, form),
        "object": obj,
        "opts": obj._meta,
        "back": back,
    }
    return TemplateResponse(request, "ledger/ask.html", context)
