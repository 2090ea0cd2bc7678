"""The list of approvals, the front page and *Find* read few rows of 100,000 approvals.

The rows live in a transaction that is rolled back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client, RequestFactory
from django.urls import reverse

from approvals.models import Approval
from console.approvals import approval_panels, waiting_panels
from console.find import find_anything
from people.models import User
from tests.services.test_admin import change_page, new_merchant
from tests.services.test_list_plans import explained, nodes, rows_read
from tests.support.factories import unique

PENDING = 40
_MANY = """
    INSERT INTO approvals_approval (id, created_at, action, currency, amount_minor, merchant_id, operation, fingerprint, summary, reason,
        requested_by, request_id, expires_at, status, decided_by, decided_at, decision_reason, transfer_id, failure_code, failure_detail)
    SELECT (lpad(to_hex(1956528000000 + n), 12, '0') || '70008007' || lpad(to_hex(n), 12, '0'))::uuid,
        '2032-01-01Z'::timestamptz + n * interval '1 ms', CASE n %% 5000 WHEN 0 THEN 'close' WHEN 1 THEN 'overdraft' ELSE 'transfer' END,
        CASE n %% 5000 WHEN 0 THEN '' WHEN 2 THEN 'EUR' ELSE 'USD' END, CASE n %% 5000 WHEN 0 THEN NULL ELSE n END,
        CASE n %% 1000 WHEN 3 THEN %(merchant)s::uuid END,
        '{"type": "Deposit", "command": {}}', sha256(n::text::bytea), 'Of many ' || n, '', 'key:many', '', now() + interval '1 day', status,
        CASE WHEN status <> 'pending' THEN 'admin:many' ELSE '' END, CASE WHEN status <> 'pending' THEN now() END, '',
        (lpad(to_hex(n), 32, '0'))::uuid, '', ''
    FROM (SELECT n, CASE WHEN n %% 2500 = 7 THEN 'pending' WHEN n %% 5000 = 8 THEN 'failed' WHEN n %% 3 = 0 THEN 'rejected' ELSE 'approved' END
        AS status FROM generate_series(1, 100000) n) made"""

FILTERS: dict[str, dict[str, str]] = {
    "what waits": {},
    "all": {"status": "any"},
    "a usual status": {"status": "rejected"},
    "a rare status": {"status": "failed"},
    "a status that none has": {"status": "expired"},
    "a usual action": {"status": "any", "action": "transfer"},
    "a rare action": {"status": "any", "action": "close"},
    "an action that none has": {"status": "any", "action": "withdrawal"},
    "a rare currency": {"status": "any", "currency": "EUR"},
    "a currency that none has": {"status": "any", "currency": "FJD"},
    "a rare action of a status": {"status": "rejected", "action": "overdraft"},
    "days": {"status": "any", "from": "2032-01-01", "to": "2032-01-01"},
    "days before all": {"status": "any", "to": "2020-01-01"},
    "what waits of a currency": {"currency": "EUR"},
}


@pytest.fixture(scope="module")
def waiting_before(ledger: None) -> int:
    """How many approvals of other tests wait: a list of what waits, and a count of it, read them too."""
    del ledger
    return Approval.objects.filter(status="pending").count()


@pytest.fixture(scope="module")
def many(waiting_before: int) -> Iterator[tuple[Client, User, str]]:
    """Who looks at 100,000 approvals of which few wait, and a merchant with a hundred of them."""
    del waiting_before
    user, client, merchant = User.objects.create_superuser(unique("root")), Client(), new_merchant()
    client.force_login(user)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_MANY, {"merchant": str(merchant.id)})
            cursor.execute("ANALYZE approvals_approval")
        yield client, user, merchant.name
        transaction.set_rollback(True)


def read_of_approvals(plans: list[dict[str, Any]]) -> float:
    """Return how many rows of approvals all of these plans have touched, and refuse to read them all."""
    found = [node for plan in plans for node in nodes(plan)]
    assert not [node for node in found if node["Node Type"] == "Seq Scan" and node["Relation Name"] == "approvals_approval"]
    return sum(rows_read(node) for node in found if "approval" in str(node.get("Relation Name", node.get("Index Name"))))


@pytest.mark.parametrize("name", FILTERS)
def test_a_page_of_the_list_reads_what_can_be_paged_through_at_most(many: tuple[Client, User, str], waiting_before: int, name: str) -> None:
    client, _, _ = many
    page = reverse("admin:approvals_approval_changelist")

    def read() -> None:
        answer = client.get(page, FILTERS[name])
        assert answer.status_code == 200
        assert ("Of many" in answer.content.decode()) == (
            "none has" not in name and "before all" not in name and name != "what waits of a currency"
        )

    # A page has fifty; the number of pages counts ten thousand, and steps over those between them. The menu counts what waits.
    few = any(word in name for word in ("rare", "none", "waits", "before"))
    assert read_of_approvals(explained(read)) <= (500 + 4 * waiting_before if few else 40_000)


def test_of_one_merchant_only_that_merchants_are_read(many: tuple[Client, User, str], waiting_before: int) -> None:
    client, _, merchant = many
    query = {"status": "any", "merchant": merchant}
    assert (
        read_of_approvals(explained(lambda: client.get(reverse("admin:approvals_approval_changelist"), query))) <= 500 + 4 * waiting_before
    )


def test_the_front_page_and_the_search_read_a_few(many: tuple[Client, User, str], waiting_before: int) -> None:
    _, user, _ = many
    request = RequestFactory().get("/")
    request.user = user
    one = Approval.objects.filter(summary="Of many 2500").get()
    assert read_of_approvals(explained(lambda: waiting_panels(request))) <= 2 * (PENDING + waiting_before) + 100
    assert read_of_approvals(explained(lambda: find_anything(request, str(one.id)[:23]))) <= 20
    assert one.transfer_id is not None
    assert read_of_approvals(explained(lambda: approval_panels(request, one.transfer_id))) <= 2
    assert change_page(one) == approval_panels(request, one.transfer_id)[0].rows[0][0].url
