"""The log of operators at 200,000 entries: every page of it is quick, and none reads all of it unasked.

The entries live in a transaction that is rolled back.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from console.log_bar import SEARCHED
from people.models import User
from tests.services.test_admin import new_merchant
from tests.support.factories import unique

LOG = reverse("admin:admin_logentry_changelist")
ENTRIES = 200_000
SLOW_S = 2
"""A page takes a tenth of it; the machine of the tests may be busy."""

MADE = """
INSERT INTO django_admin_log (action_time, object_id, object_repr, action_flag, change_message, content_type_id, user_id)
SELECT now() - (%(entries)s - n) * interval '2 minutes', CASE WHEN n %% 50 = 0 THEN %(id)s ELSE n::text END, 'thing ' || n, 2,
    'Reversed 12.34 USD of a transfer, 88.00 USD left: customer asked for it in case ' || n,
    (SELECT id FROM django_content_type WHERE model = CASE WHEN n %% 50 = 0 THEN 'merchant' ELSE 'currency' END),
    CASE WHEN n %% 1000 = 0 THEN %(rare)s::uuid ELSE %(common)s::uuid END
FROM generate_series(1, %(entries)s) n
"""


class RolledBack(Exception):
    """Ends the transaction of the module."""


@pytest.fixture(scope="module")
def people(ledger: None) -> Iterator[tuple[Client, User]]:
    """Make 200,000 entries, 9 months of them; one in a thousand is of the second user."""
    root, rare = User.objects.create_superuser(unique("root")), User.objects.create_user(unique("rare"), is_staff=True)
    values = {"entries": ENTRIES, "id": str(new_merchant().id), "rare": rare.pk, "common": root.pk}
    with pytest.raises(RolledBack), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(MADE, values)
            cursor.execute("ANALYZE django_admin_log")
        client = Client()
        client.force_login(root)
        yield client, rare
        raise RolledBack
    User.objects.filter(pk__in=[root.pk, rare.pk]).delete()


def plans(read: Callable[[], Any]) -> list[dict[str, Any]]:
    """Return the executed plan of each query of a page on the log."""
    found: list[dict[str, Any]] = []

    def explain(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if "django_admin_log" in sql and sql.lstrip().startswith(("SELECT", "WITH")):
            execute("EXPLAIN (ANALYZE, FORMAT JSON) " + sql, params, many, context)
            raw = context["cursor"].fetchone()[0]
            found.append((json.loads(raw) if isinstance(raw, str) else raw)[0]["Plan"])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        read()
    return found


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def pages(rare: User) -> dict[str, dict[str, str]]:
    week_ago = str((timezone.now() - timedelta(days=7)).date())
    return {
        "newest": {},
        "page 100": {"p": "100"},
        "a week": {"from": week_ago},
        "an old day": {"from": "2026-06-01", "to": "2026-06-01"},
        "who": {"who": rare.username},
        "about": {"about": "merchants.merchant"},
        "who and a week": {"who": rare.username, "from": week_ago},
        "a common word": {"q": "reversed customer"},
        "a rare word": {"q": f"case {ENTRIES - 7}"},
        "a word and who": {"q": "case", "who": rare.username},
        "no such word": {"q": "unicorn"},
        "no such word in a week": {"q": "unicorn", "from": week_ago},
        "a day among the words": {"q": "2026-06-01 customer"},
    }


NAMES = list(pages(User(username="x")))


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_quick_and_reads_no_more_than_its_period(people: tuple[Client, User], name: str) -> None:
    client, rare = people
    query = pages(rare)[name]
    client.get(LOG, query)
    began = time.perf_counter()
    answer = client.get(LOG, query)
    assert answer.status_code == 200
    assert 'role="alert"' not in answer.content.decode()
    assert time.perf_counter() - began < SLOW_S
    for plan in plans(lambda: client.get(LOG, query)):
        whole = [node for node in nodes(plan) if node["Node Type"] == "Seq Scan" and node["Relation Name"] == "django_admin_log"]
        assert not whole, plan


def test_a_search_says_how_far_it_looked_and_leads_further_back(people: tuple[Client, User]) -> None:
    client, _ = people
    old = f"case {ENTRIES - SEARCHED - 50}"
    page = client.get(LOG, {"q": old, "about": "merchants.merchant"}).content.decode()
    assert f"Only the newest {SEARCHED:,} entries were searched, since " in page
    assert 'class="field-message' not in page
    year, everything = re.findall(r'href="(\?[^"]*)">(?:the last year|all of the log)</a>', page)
    for link in (year, everything):
        further = client.get(LOG + unescape(link)).content.decode()
        assert further.count('class="field-message') == 1
        assert "entries were searched" not in further
        assert "about=merchants.merchant" in link


@pytest.mark.parametrize("query", [{"q": "unicorn", "to": "2026-06-01"}, {"q": "2026-06-01"}, {"about": "merchants.merchant"}])
def test_chosen_days_and_lists_without_words_are_read_whole(people: tuple[Client, User], query: dict[str, str]) -> None:
    assert "entries were searched" not in people[0].get(LOG, query).content.decode()
