"""The people of the demo: who acts for which of its merchants.

They have no password. In open mode anybody may look around as one of them.
"""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from merchants.selectors import identify_now
from people.domain import Role
from people.models import Membership, User
from people.services.users import insert_user

PEOPLE: tuple[tuple[str, str, tuple[tuple[str, Role], ...]], ...] = (
    ("anna.berg@demo.example", "Anna Berg", (("alice_store", Role.OWNER), ("bob_books", Role.VIEWER))),
    ("bruno.costa@demo.example", "Bruno Costa", (("bob_books", Role.OWNER),)),
    ("chiyo.ito@demo.example", "Chiyo Ito", (("gion_tea", Role.OWNER), ("casa.verde", Role.OPERATOR))),
    ("dirk.visser@demo.example", "Dirk Visser", (("ivy.marketplace", Role.VIEWER),)),
)
"""Address, name, and the role at each merchant."""

ADDRESSES = frozenset(address for address, _, _ in PEOPLE)


def add_people() -> int:
    """Make those of the people who are not there yet and whose merchants take part; return how
    many.
    """
    known = identify_now(names=[name for _, _, roles in PEOPLE for name, _ in roles])
    count = 0
    for address, name, roles in PEOPLE:
        merchants = [(merchant, role) for merchant, role in ((known.merchant(at), role) for at, role in roles) if merchant is not None]
        if not merchants or User.objects.filter(username=address).exists():
            continue
        with transaction.atomic():
            user = insert_user(address, name)
            user.activated_at, user.mail_due_at = timezone.now(), None  # nobody is mailed: the address is made up
            user.save(update_fields=["activated_at", "mail_due_at"])
            Membership.objects.bulk_create(Membership(user=user, merchant_id=merchant.id, role=role.value) for merchant, role in merchants)
        count += 1
    return count
