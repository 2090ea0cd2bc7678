"""Who stands behind a principal: approvals are decided by another person, not by another name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from django.contrib.admin.models import ADDITION, LogEntry

from approvals.domain.states import person_of

_KEY = "key:"


def persons_behind(principals: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """Return the persons behind each principal: behind an API key also the operator who made it.

    One round trip, and none where no principal is a key. Synchronous.
    """
    wanted = set(principals)
    keys = [one.removeprefix(_KEY) for one in wanted if one.startswith(_KEY)]
    makers: dict[str, set[str]] = defaultdict(set)
    if keys:
        made = LogEntry.objects.filter(content_type__model="apikey", object_id__in=keys, action_flag=ADDITION)
        for key_id, user_id in made.values_list("object_id", "user_id"):
            makers[f"{_KEY}{key_id}"].add(f"person:{user_id}")
    return {one: frozenset({person_of(one), *makers[one]}) for one in wanted}


def of_one_person(principals: Iterable[str], decider: str) -> frozenset[str]:
    """Return those of the principals behind which the person of ``decider`` stands."""
    wanted = set(principals)
    behind = persons_behind({*wanted, decider})
    return frozenset(one for one in wanted if not behind[one].isdisjoint(behind[decider]))
