"""``/users/{id}/memberships``: give a role at a merchant, and take it."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse

from ledger_project.database.readers import in_reader
from ledger_project.http.schema import ALWAYS, REPLAYED, extend_schema, idempotency_key, problem_responses
from ledger_project.http.validation import validate
from ledger_project.http.views import ApiView, read_body
from ledger_project.kernel.actors import Scope
from ledger_project.kernel.exact_json import dumps
from merchants.selectors import identify_now
from people.domain import Role, UserNotFound
from people.serializers import MembershipBody, MembershipJson, NothingBody, membership_json
from people.services.memberships import remove_membership, set_membership
from people.views.keyed_changes import change_once
from transfers.domain.outcome import required
from transfers.posting.jobs import Answer, Key, Result
from transfers.views.posting_calls import actor_of, answer, path_uuid, request_key
from transfers.views.refusal_codes import OPTIONAL_KEY_CODES

SCOPES = {"POST": Scope.USERS_WRITE, "DELETE": Scope.USERS_WRITE}


def _give(request: HttpRequest, user_id: UUID, name: str, role: Role, key: Key | None) -> Result:
    actor = actor_of(request)

    def give() -> Answer:
        set_membership(user_id, name, role, actor=actor)
        merchant = required(identify_now(names=[name]).merchant(name))
        return Answer(201, dumps(membership_json(merchant.name, role)))

    return change_once(request, key, give)


class MembershipsView(ApiView):
    """The memberships of a user."""

    scopes = SCOPES

    @extend_schema(
        operation_id="set_membership",
        tags=["users"],
        request=MembershipBody,
        parameters=[idempotency_key(required=False), REPLAYED],
        responses={
            201: MembershipJson,
            **problem_responses(*ALWAYS, *OPTIONAL_KEY_CODES, "user_not_found", "merchant_not_found"),
        },
    )
    async def post(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Give a user a role at a merchant, or another role than before.

        A merchant's credential gives roles at its own merchant. It leaves one owner at least.
        """
        body = read_body(request)
        values = validate(MembershipBody, body)
        wanted, key = path_uuid(user_id, UserNotFound), request_key(request, body, required=False)
        role = Role(values["role"])
        return answer(request, await in_reader(_give, request, wanted, values["merchant_name"], role, key))


class MembershipView(ApiView):
    """One membership of a user."""

    scopes = SCOPES

    @extend_schema(
        operation_id="remove_membership",
        tags=["users"],
        responses={204: None, **problem_responses(*ALWAYS, "user_not_found", "merchant_not_found")},
    )
    async def delete(self, request: HttpRequest, user_id: str, merchant_name: str) -> HttpResponse:
        """Take a user's role at a merchant. Only the platform takes that of the last owner.

        A body is not needed, and has no members.
        """
        if request.body:
            validate(NothingBody, read_body(request))
        await in_reader(remove_membership, path_uuid(user_id, UserNotFound), merchant_name, actor=actor_of(request))
        return HttpResponse(status=204)
