"""To approve and to reject on a page: what it would do, a reason, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import LogEntry
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from approvals.admin.effects import effect_of
from approvals.domain.operations import decode
from approvals.domain.states import ApprovalStatus
from approvals.models import Approval
from approvals.selectors.approvals import ApprovalFacts, get_approval
from approvals.selectors.persons import of_one_person
from approvals.services.decisions import Decider, approve, reject
from console.balances import posted_balances
from console.pages import ReadOnlyAdmin
from console.principals import named
from console.questions import Done, Question, ReasonForm, ask
from ledger_project.database.fields import new_id
from people.models import User
from people.operator_log import keep_change
from transfers.domain.outcome import required

OWN = "You asked for this: another person decides."


class Verb(StrEnum):
    """What a person does about an approval."""

    APPROVE = "approve"
    REJECT = "reject"


class RejectForm(ReasonForm):
    """Why it is rejected."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = "Who asked for it reads this, and it is kept for good."


class ApproveForm(ReasonForm):
    """Why it is approved."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = "Kept in the log, for good. The transfer has the words of who asked."


def decide(model_admin: ReadOnlyAdmin, request: HttpRequest, approval: Approval, verb: Verb) -> HttpResponse:
    """Ask whether to approve or to reject, and do it. Nothing happens to what does not wait."""
    back = reverse("admin:approvals_approval_change", args=[approval.id])
    if is_own(approval, request):
        messages.error(request, f"{OWN} Nothing was done.")
        return HttpResponseRedirect(back)
    facts = required(get_approval(approval.id))
    if facts.status != ApprovalStatus.PENDING:
        _log_again(request, approval, facts, verb)
        messages.warning(request, f"Nothing was done now: {decided_words(facts, request)}.")
        return HttpResponseRedirect(back)
    question = _approval(request, approval) if verb is Verb.APPROVE else _rejection(request, approval)
    return ask(model_admin, request, approval, question, back)


def is_own(approval: Approval, request: HttpRequest) -> bool:
    """Whether the user of a page is the person who asked."""
    return bool(of_one_person([approval.requested_by], f"admin:{request.user.pk}"))


def decided_words(facts: ApprovalFacts, request: HttpRequest) -> str:
    """Return how an approval was decided, by whom and when."""
    if facts.status == ApprovalStatus.EXPIRED:
        return f"it expired at {facts.expires_at:%Y-%m-%d %H:%M:%S} UTC, undecided"
    who = "you" if facts.decided_by == _principal(request) else named([facts.decided_by], request.user)[facts.decided_by].text
    did = "rejected" if facts.status == ApprovalStatus.REJECTED else "approved"
    came = f", and the ledger refused it ({facts.failure_code})" if facts.status == ApprovalStatus.FAILED else ""
    return f"{who} {did} it at {facts.decided_at:%Y-%m-%d %H:%M:%S} UTC{came}"


def _principal(request: HttpRequest) -> str:
    return f"admin:{request.user.pk}"


def _decider(request: HttpRequest) -> Decider:
    return Decider(_principal(request), getattr(request, "id", "") or str(new_id()))


def _no_repeats(_values: Mapping[str, Any]) -> str:
    """Return nothing: an approval is decided once. (That there is a function at all has the page
    show the numbers before anything is done.)
    """
    return ""


def _approval(request: HttpRequest, approval: Approval) -> Question:
    effect = effect_of(decode(approval.operation))

    def perform(_values: dict[str, Any]) -> Done:
        return _done(approve(approval.id, _decider(request)))

    return Question(
        "Approve",
        f"{approval.summary}. Approving carries out exactly this, in the name of who asked for it.",
        perform,
        ApproveForm,
        is_posting=True,
        understood=lambda _values: f"{approval.summary}. {effect.verdict}",
        state=lambda _values: effect.balances,
        repeats=_no_repeats,
    )


def _rejection(request: HttpRequest, approval: Approval) -> Question:
    def perform(values: dict[str, Any]) -> Done:
        return _done(reject(approval.id, values["reason"], _decider(request)))

    return Question("Reject", f"{approval.summary}. Rejected, none of it is done.", perform, RejectForm, is_posting=True)


def _done(facts: ApprovalFacts) -> Done:
    """Return in words what a decision did. The same facts have the same words."""
    if facts.status == ApprovalStatus.REJECTED:
        return Done(f"Rejected: {facts.summary}")
    if facts.status == ApprovalStatus.FAILED:
        refused = f"Approved, and the ledger refused it ({facts.failure_code}): {facts.summary}"
        return Done(refused, now=f"it has failed for good, and nothing moved. {facts.failure_detail.rstrip('.')}", is_failure=True)
    if facts.transfer_id is None:
        return Done(f"Approved: {facts.summary}")
    return Done(f"Approved: {facts.summary}, by transfer {facts.transfer_id}", numbers=posted_balances(facts.transfer_id))


def _log_again(request: HttpRequest, approval: Approval, facts: ApprovalFacts, verb: Verb) -> None:
    """Log a decision of this user that was cut off before it was logged, when the form is sent
    again.
    """
    form = ReasonForm(request.POST)
    is_rejected = facts.status == ApprovalStatus.REJECTED
    is_own_decision = facts.decided_by == _principal(request) and is_rejected == (verb is Verb.REJECT)
    if request.method != "POST" or not is_own_decision or not isinstance(request.user, User) or not form.is_valid():
        return
    logged = LogEntry.objects.filter(user_id=request.user.pk, object_id=str(approval.id), content_type__model="approval")
    if not logged.exists():
        keep_change(approval, _done(facts).what, form.cleaned_data["reason"], user_id=request.user.pk)
