"""A new version of a fee schedule is stored, or waits for a second person."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.admin.models import ADDITION, LogEntry
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from approvals.domain.operations import encode
from approvals.models import Approval
from approvals.services.operations import version_of
from console.outcomes import Done, answer, waiting
from console.postings import FormCarriedOut, wait_for
from fees.admin.drafts import DraftForm
from fees.models import FeeSchedule
from fees.services import VersionExists, append_schedule
from ledger_project.kernel.errors import ValidationFailed
from people.models import User
from people.operator_log import keep_change
from transfers.domain.outcome import required


def save_draft(request: HttpRequest, form: DraftForm) -> HttpResponse | None:
    """Store a version, or have it wait for a second person; once for each form.

    Returns None, with an error on the form, if the version cannot be stored.
    """
    try:
        asked = _asked(request, form)
        if asked is not None:
            return answer(request, asked, reverse("admin:fees_feeschedule_changelist"))
        saved = _append(request, form.instance)
    except FormCarriedOut as refusal:
        form.add_error(None, str(refusal))
        return None
    except ValidationFailed as failed:
        form.show(failed)
        return None
    except VersionExists:
        stored = FeeSchedule.objects.get(id=form.instance.id)
        if not form.says_what(stored):
            form.add_error(None, f"This form was sent before: version {stored.version} is stored, with other terms. Open a new form.")
            return None
        messages.success(request, f"Version {stored.version} for {stored.scope} is stored (this form was sent before).")
        return _page_of(stored)
    messages.success(request, f"Version {saved.version} for {saved.scope} is stored.")
    return _page_of(saved)


def _page_of(version: FeeSchedule) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:fees_feeschedule_change", args=[version.id]))


def _asked(request: HttpRequest, form: DraftForm) -> Done | None:
    """Have a version wait for a second person, once for each form; None where no policy covers it.

    Raises ``FormCarriedOut``.
    """
    draft = form.instance
    name = draft.merchant.name if draft.merchant else ""
    version = version_of(draft, merchant_name=name, at_once=not form.data.get("effective_from"))
    with transaction.atomic():
        waits = wait_for(request, version, {"token": draft.id, "reason": draft.note, "terms": encode(version)})
        if waits is None:
            return None
        asked = Approval.objects.get(id=required(waits.approval_id))
        done = waiting(asked.id, is_repeat=waits.is_repeat)
        if not done.is_repeat:
            keep_change(asked, done.what, draft.note, user_id=request.user.pk or UUID(int=0))
    return done


def _append(request: HttpRequest, draft: FeeSchedule) -> FeeSchedule:
    """Store a draft and its record in one transaction. Raises what ``append_schedule`` does."""
    with transaction.atomic():
        saved = append_schedule(draft, by=User.objects.get(pk=request.user.pk or UUID(int=0)))
        LogEntry.objects.log_actions(request.user.pk or 0, [saved], ADDITION, change_message=f"Appended: {saved.note}", single_object=True)
    return saved
