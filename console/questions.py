"""Questions before a change: the page asks an operator for a reason and a confirmation."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any
from uuid import UUID

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


def _changes(request: HttpRequest, obj: Model) -> QuerySet[LogEntry]:
    """Return the recorded changes of this user to an object."""
    return LogEntry.objects.filter(user_id=request.user.pk or UUID(int=0), object_id=str(obj.pk), content_type__model=obj._meta.model_name)


class ReasonForm(forms.Form):
    """A reason, and the token by which a form that is sent twice is known."""

    reason = forms.CharField(max_length=400, widget=UnfoldAdminTextInputWidget(), help_text="Kept with the change, for good.")
    token = forms.CharField(widget=forms.HiddenInput, max_length=64)


@dataclass(frozen=True, slots=True)
class Done:
    """What a confirmed change did, in words.

    ``is_repeat`` says that the same form was sent before, and that nothing happened now.
    """

    what: str
    is_repeat: bool = False


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
        recorded = _changes(request, obj).filter(change_message=f"{done.what}: {values['reason']}")
        if not (done.is_repeat and recorded.exists()):
            keep_change(obj, done.what, values["reason"], user_id=request.user.pk or UUID(int=0))
    return done


def _refusal(request: HttpRequest, obj: Model, question: Question, values: dict[str, Any], error: LedgerError) -> str:
    """Return a refusal in its own words, and say so if the newest change is that of this form."""
    newest = _changes(request, obj).order_by("-pk").first() if question.did else None
    kept = "" if newest is None else newest.get_change_message()
    is_repeat = kept.startswith(question.did) and kept.endswith(f": {values['reason']}")
    return f"{error.title} ({error.code}): {error}" + (f" This form was sent before and did it ({kept})." if kept and is_repeat else "")


def _understood(question: Question, form: ReasonForm) -> str:
    """Return in words what the values of the form would do: the sent ones, or the initial ones."""
    if question.understood is None:
        return ""
    if not form.is_bound:
        return question.understood({name: field.initial for name, field in form.fields.items()})
    names = [name for name in form.errors if name in form.fields and name not in {"reason", "token"}]
    wrong = [f"{form[name].label}: {' '.join(map(str, form.errors[name]))}" for name in names]
    return f"Not understood. {' '.join(wrong)}" if wrong else question.understood(form.cleaned_data)


def ask(model_admin: ModelAdmin, request: HttpRequest, obj: Model, question: Question, back: str) -> HttpResponse:
    """Ask for a reason and a confirmation; then make the change, record it, and go back.

    The button "Preview" changes nothing. The page shows a refusal of the ledger in its own words.
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
