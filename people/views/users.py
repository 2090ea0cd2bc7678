"""``/users``: invite, list, show, change, erase."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse

from ledger_project.database.readers import in_reader
from ledger_project.http.cursors import page_body, page_request
from ledger_project.http.requests import api_request
from ledger_project.http.responses import raw_response
from ledger_project.http.schema import ALWAYS, REPLAYED, extend_schema, idempotency_key, problem_responses
from ledger_project.http.validation import validate
from ledger_project.http.views import ApiView, read_body
from ledger_project.kernel.actors import Actor, Scope
from ledger_project.kernel.exact_json import dumps, dumps_text
from people.domain import Role, UserNotFound
from people.selectors.users import get_user, list_users
from people.serializers import NothingBody, UserBody, UserChangeBody, UserJson, UserPageJson, UserQuery, user_json
from people.services.answers import opened_answer, sealed_answer
from people.services.users import NewUser, change_user, create_user, erase_user
from people.views.keyed_changes import change_once, refused
from transfers.domain.outcome import required
from transfers.posting.jobs import Answer, Key, Result
from transfers.views.posting_calls import actor_of, answer, path_uuid, request_key
from transfers.views.refusal_codes import OPTIONAL_KEY_CODES

SCOPES = {"GET": Scope.USERS_READ, "POST": Scope.USERS_WRITE, "PATCH": Scope.USERS_WRITE, "DELETE": Scope.USERS_WRITE}


def _shown(user_id: UUID, actor: Actor) -> bytes:
    """Return the JSON of a user. Raises ``UserNotFound``."""
    user = get_user(user_id, actor)
    if user is None:
        raise UserNotFound(user_id)
    return dumps(user_json(user))


class UsersView(ApiView):
    """The collection of users."""

    scopes = SCOPES
    queries = {"GET": UserQuery}

    @extend_schema(
        operation_id="create_user",
        tags=["users"],
        request=UserBody,
        parameters=[idempotency_key(required=False), REPLAYED],
        responses={
            201: UserJson,
            **problem_responses(*ALWAYS, *OPTIONAL_KEY_CODES, "user_exists", "merchant_not_found", "user_not_found"),
        },
    )
    async def post(self, request: HttpRequest) -> HttpResponse:
        """Invite a user: a mail with a link to choose a password is sent. For the platform.

        A repetition with the same key is 404 `user_not_found` when the user was erased meanwhile.
        """
        body = read_body(request)
        values = validate(UserBody, body)
        actor = actor_of(request)
        actor.require_platform("Inviting a user")
        roles = [(one["merchant_name"], Role(one["role"])) for one in values["merchants"]]
        new = NewUser(values["email"], values["name"], roles)
        return answer(request, await in_reader(_create, request, new, actor, request_key(request, body, required=False)))

    @extend_schema(
        operation_id="list_users",
        tags=["users"],
        responses={200: UserPageJson, **problem_responses("invalid_cursor", "validation_error", "database_unavailable")},
    )
    async def get(self, request: HttpRequest) -> HttpResponse:
        """List users, newest first. The platform sees all, a merchant its members."""
        page = page_request(self.query, "users")
        before = None if page.position is None else UUID(page.position)
        filters = {name: page.values.get(name) for name in ("email", "merchant", "status")}
        found = await in_reader(list_users, actor_of(request), **filters, before=before, limit=page.limit + 1)
        return raw_response(200, page_body([dumps_text(user_json(one)) for one in found], page, lambda index: str(found[index].id)))


def _create(request: HttpRequest, new: NewUser, actor: Actor, key: Key | None) -> Result:
    """Invite a user, and store the answer so that it can be erased."""
    shown: list[bytes] = []

    def create() -> Answer:
        user_id = create_user(new, actor=actor)
        shown[:] = [dumps(user_json(required(get_user(user_id, actor))))]
        return Answer(201, sealed_answer(user_id, shown[0]))

    result = change_once(request, key, create)
    if result.answer.status_code != 201:
        return result
    if not result.replayed:
        return Result(Answer(201, shown[0]))
    user_id, body = opened_answer(result.answer.body)
    if body is None:
        return Result(refused(UserNotFound(user_id), api_request(request).request_id), replayed=True)
    return Result(Answer(201, body), replayed=True)


class UserView(ApiView):
    """One user."""

    scopes = SCOPES

    @extend_schema(
        operation_id="get_user", tags=["users"], responses={200: UserJson, **problem_responses("user_not_found", "database_unavailable")}
    )
    async def get(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Show a user."""
        return raw_response(200, await in_reader(_shown, path_uuid(user_id, UserNotFound), actor_of(request)))

    @extend_schema(
        operation_id="change_user",
        tags=["users"],
        request=UserChangeBody,
        responses={200: UserJson, **problem_responses(*ALWAYS, "user_not_found")},
    )
    async def patch(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Change a user's name, suspend a user, or end that. For the platform.

        A user who has no password yet, and becomes active, is invited once more.
        """
        values = validate(UserChangeBody, read_body(request))
        actor = actor_of(request)
        actor.require_platform("Changing a user")
        wanted = path_uuid(user_id, UserNotFound)
        await in_reader(change_user, wanted, values, actor=actor)
        return raw_response(200, await in_reader(_shown, wanted, actor))

    @extend_schema(operation_id="erase_user", tags=["users"], responses={204: None, **problem_responses(*ALWAYS, "user_not_found")})
    async def delete(self, request: HttpRequest, user_id: str) -> HttpResponse:
        """Erase a person's data. The merchants and their history stay. For the platform.

        A body is not needed, and has no members.
        """
        if request.body:
            validate(NothingBody, read_body(request))
        actor = actor_of(request)
        actor.require_platform("Erasing a user")
        await in_reader(erase_user, path_uuid(user_id, UserNotFound), actor=actor)
        return HttpResponse(status=204)
