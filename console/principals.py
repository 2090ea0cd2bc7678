"""Principals in words: the name of an operator or of a key, with a link to whoever may open it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, PermissionsMixin
from django.urls import reverse

from approvals.domain.states import person_of
from console.panels import Cell
from ledger_project.kernel.ids import id_in
from people.models import ApiKey, User

_PERSON, _KEY = "person:", "key:"


def named(principals: Iterable[str], viewer: PermissionsMixin | AnonymousUser) -> Mapping[str, Cell]:
    """Return the words for each principal, by the principal. Two round trips at most.

    A person who was erased is told by the id. The name has a link for viewers who may open it.
    """
    wanted = set(principals)
    people, keys = _ids(wanted, _PERSON), _ids(wanted, _KEY)
    users = User.objects.filter(erased_at__isnull=True).in_bulk(set(people.values())) if people else {}
    known_keys = ApiKey.objects.in_bulk(set(keys.values())) if keys else {}
    cells = {one: Cell(one or "—") for one in wanted}
    cells |= {one: _person(user_id, users.get(user_id), viewer) for one, user_id in people.items()}
    cells |= {one: _key(known_keys[key_id], viewer) for one, key_id in keys.items() if key_id in known_keys}
    return cells


def _ids(principals: Iterable[str], prefix: str) -> dict[str, UUID]:
    """Return the ids of those principals that begin so, by the principal."""
    found = {one: id_in(person_of(one).removeprefix(prefix)) for one in principals if person_of(one).startswith(prefix)}
    return {one: object_id for one, object_id in found.items() if object_id is not None}


def _person(user_id: UUID, user: User | None, viewer: PermissionsMixin | AnonymousUser) -> Cell:
    if user is None:
        return Cell(f"person {user_id}, erased")
    may_open = viewer.has_perm("people.view_user")
    return Cell(user.get_username(), reverse("admin:people_user_change", args=[user_id]) if may_open else None)


def _key(key: ApiKey, viewer: PermissionsMixin | AnonymousUser) -> Cell:
    may_open = viewer.has_perm("people.view_apikey")
    return Cell(f"API key {key.name} ({key.prefix}…)", reverse("admin:people_apikey_change", args=[key.pk]) if may_open else None)
