"""Requests to add money: a confirmation posts exactly once, whatever runs at once and wherever it is cut off."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import IntegrityError, connection, connections, transaction

from ledger_project.database.connections import use_own_connection
from ledger_project.database.fields import new_id
from ledger_project.kernel.actors import MERCHANT_SCOPES, Actor, PermissionDenied, Scope
from ledger_project.kernel.amount_input import AmountInput
from ledger_project.kernel.errors import (
    AccountBusy,
    DatabaseUnavailable,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    LedgerError,
    ValidationFailed,
)
from ledger_project.kernel.refusals import AccountFrozen, CurrencyInactive, DuplicateExternalReference, MerchantNotFound
from merchants.domain import MerchantIdentity, Status
from merchants.models import Account, Currency
from merchants.services import set_merchant_status
from tests.services.test_admin import USD, available, new_merchant, post
from tests.support.factories import unique
from tests.support.waiting import until
from transfers.domain.commands import Deposit, Details
from transfers.domain.deposit_requests import KEY_OWNER
from transfers.domain.idempotency import record_id
from transfers.models import DepositRequest, IdempotencyClaim, Transfer
from transfers.posting.jobs import Key
from transfers.services import deposit_requests
from transfers.services.deposit_requests import (
    Decision,
    DepositRequestRefused,
    NewDepositRequest,
    confirm_deposit,
    decline_deposit,
    request_deposit,
)


def member(merchant: MerchantIdentity, *, scopes: frozenset[Scope] = MERCHANT_SCOPES) -> Actor:
    return Actor("user:7", merchant.id, scopes)


def ask(merchant: MerchantIdentity, amount: str = "12.50", key: Key | None = None, **changes: Any) -> DepositRequest:
    wanted = NewDepositRequest(changes.get("name", merchant.name), changes.get("currency", "USD"), AmountInput(amount), changes.get("memo"))
    return request_deposit(wanted, actor=changes.get("actor", member(merchant)), key=key)


def confirm(request: DepositRequest, reference: str, operator: str = "admin:1") -> Decision:
    return confirm_deposit(request.id, reference, principal=operator, http_request_id="test")


def again(request: DepositRequest) -> DepositRequest:
    return DepositRequest.objects.get(id=request.id)


def deposits_of(request: DepositRequest) -> list[Transfer]:
    return list(Transfer.objects.filter(kind="deposit", metadata__deposit_request=str(request.id)))


# --- asking -----------------------------------------------------------------------------------------------------------------


def test_a_request_moves_no_money() -> None:
    merchant = new_merchant()
    request = ask(merchant, memo="from my savings")
    assert (request.status, request.amount_minor, request.memo, request.principal) == ("pending", 1250, "from my savings", "user:7")
    assert available(merchant) == 10_000


def test_one_form_sent_twice_makes_one_request() -> None:
    merchant = new_merchant()
    key = Key(member(merchant).owner, unique("form"), b"f" * 32)
    assert ask(merchant, key=key).id == ask(merchant, key=key).id
    assert DepositRequest.objects.filter(merchant_id=merchant.id).count() == 1
    with pytest.raises(IdempotencyKeyReused):
        ask(merchant, key=key._replace(fingerprint=b"g" * 32))


def test_a_refused_form_can_be_corrected_and_sent_again() -> None:
    merchant = new_merchant()
    key = Key(member(merchant).owner, unique("form"), b"f" * 32)
    set_merchant_status(merchant.id, Status.FROZEN)
    with pytest.raises(AccountFrozen):
        ask(merchant, key=key)
    set_merchant_status(merchant.id, Status.ACTIVE)
    assert ask(merchant, key=key).status == "pending"


def test_another_merchant_s_wallet_is_as_if_it_did_not_exist() -> None:
    merchant, other = new_merchant(), new_merchant()
    with pytest.raises(MerchantNotFound):
        ask(merchant, actor=member(other))


def test_a_viewer_cannot_ask() -> None:
    merchant = new_merchant()
    with pytest.raises(PermissionDenied):
        ask(merchant, actor=member(merchant, scopes=frozenset({Scope.MERCHANTS_READ, Scope.TRANSFERS_READ})))


@pytest.mark.parametrize("amount", ["0", "-1", "1.001", "1e3", "NaN"])
def test_an_amount_that_is_none_is_refused(amount: str) -> None:
    with pytest.raises(ValidationFailed):
        ask(new_merchant(), amount)


def test_a_currency_that_is_switched_off_is_refused() -> None:
    Currency.objects.get_or_create(code="QQQ", defaults={"exponent": 2, "name": "Off", "is_active": False})
    with pytest.raises(CurrencyInactive):
        ask(new_merchant(), currency="QQQ")


def test_a_memo_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValidationFailed):
        ask(new_merchant(), memo="x" * 501)


def test_only_so_many_requests_wait() -> None:
    merchant = new_merchant()
    for _ in range(deposit_requests.MOST_PENDING):
        ask(merchant)
    with pytest.raises(DepositRequestRefused):
        ask(merchant)


# --- confirming -------------------------------------------------------------------------------------------------------------


def test_a_confirmation_posts_a_deposit_with_the_reference_of_the_bank() -> None:
    merchant = new_merchant()
    request, reference = ask(merchant, memo="rent"), unique("bank")
    decision = confirm(request, f" {reference} ")
    assert not decision.is_repeat
    (made,) = deposits_of(request)
    assert (made.id, made.amount_minor, made.external_reference, made.memo) == (decision.transfer_id, 1250, reference, "rent")
    assert made.principal == "admin:1"
    assert available(merchant) == 11_250
    decided = again(request)
    assert (decided.status, decided.transfer_id, decided.bank_reference, decided.decided_by) == ("confirmed", made.id, reference, "admin:1")


def test_a_confirmation_opens_a_wallet_that_was_not_there() -> None:
    merchant = new_merchant()
    confirm(ask(merchant, currency="EUR"), unique("bank"))
    assert Account.objects.filter(merchant_id=merchant.id, currency_id="EUR", kind="wallet").exists()


def test_a_confirmation_sent_twice_posts_once() -> None:
    merchant = new_merchant()
    request, reference = ask(merchant), unique("bank")
    first = confirm(request, reference)
    assert confirm(request, reference, "admin:2") == Decision(first.transfer_id, is_repeat=True)
    assert len(deposits_of(request)) == 1
    assert again(request).decided_by == "admin:1"


def test_a_confirmed_request_is_not_confirmed_with_another_reference() -> None:
    request = ask(new_merchant())
    confirm(request, unique("bank"))
    with pytest.raises(DepositRequestRefused, match="confirmed with the reference"):
        confirm(request, unique("bank"))
    assert len(deposits_of(request)) == 1


def test_a_reference_of_another_deposit_to_the_wallet_is_refused_and_the_request_still_waits() -> None:
    merchant, reference = new_merchant(), unique("bank")
    post(Deposit(merchant, USD, 100, Details(external_reference=reference)))
    request = ask(merchant)
    with pytest.raises(DuplicateExternalReference):
        confirm(request, reference)
    assert again(request).status == "pending"
    confirm(request, unique("bank"))
    assert len(deposits_of(request)) == 1


def test_one_payment_of_the_bank_confirms_one_request() -> None:
    first, second, reference = ask(new_merchant()), ask(new_merchant()), unique("bank")
    confirm(first, reference)
    with pytest.raises(DepositRequestRefused, match="another request"):
        confirm(second, reference)
    assert not deposits_of(second)
    assert again(second).bank_reference is None


def test_a_refused_confirmation_gives_the_reference_back() -> None:
    frozen, other = new_merchant(), new_merchant()
    wrong, right, reference = ask(frozen), ask(other), unique("bank")
    set_merchant_status(frozen.id, Status.FROZEN)
    with pytest.raises(AccountFrozen):
        confirm(wrong, reference)
    assert confirm(right, reference).transfer_id is not None
    set_merchant_status(frozen.id, Status.ACTIVE)
    assert confirm(wrong, unique("bank")).transfer_id is not None


@pytest.mark.parametrize("reference", ["", "   ", "x" * 256, "nul\x00"])
def test_a_reference_that_is_none_is_refused(reference: str) -> None:
    request = ask(new_merchant())
    with pytest.raises(ValidationFailed):
        confirm(request, reference)
    assert not deposits_of(request)


def test_an_unknown_request_is_refused() -> None:
    with pytest.raises(DepositRequestRefused, match="no request"):
        confirm_deposit(new_id(), "x", principal="admin:1", http_request_id="")


# --- declining --------------------------------------------------------------------------------------------------------------


def test_a_declined_request_is_never_confirmed() -> None:
    merchant = new_merchant()
    request = ask(merchant)
    assert decline_deposit(request.id, "no such payment", principal="admin:1") == Decision(None, is_repeat=False)
    assert decline_deposit(request.id, "no such payment", principal="admin:1") == Decision(None, is_repeat=True)
    with pytest.raises(DepositRequestRefused, match="declined: no such payment"):
        confirm(request, unique("bank"))
    with pytest.raises(DepositRequestRefused):
        decline_deposit(request.id, "for another reason", principal="admin:2")
    assert available(merchant) == 10_000
    assert again(request).reason == "no such payment"


def test_a_confirmed_request_is_never_declined() -> None:
    request = ask(new_merchant())
    confirm(request, unique("bank"))
    with pytest.raises(DepositRequestRefused, match="confirmed with"):
        decline_deposit(request.id, "late", principal="admin:1")
    assert again(request).status == "confirmed"


# --- at once ----------------------------------------------------------------------------------------------------------------


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Run calls at the same time, each on a connection of its own; return results and the ledger's errors."""
    ready = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        use_own_connection()
        ready.wait()
        try:
            return call()
        except LedgerError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


@pytest.mark.parametrize("_turn", range(4))
def test_operators_who_confirm_at_once_post_once(_turn: int) -> None:
    merchant = new_merchant()
    request, reference = ask(merchant), unique("bank")
    found = at_once(*(lambda n=n: confirm(request, reference, f"admin:{n}") for n in range(6)))
    (made,) = deposits_of(request)
    assert {one.transfer_id for one in found if isinstance(one, Decision)} == {made.id}
    assert not [one for one in found if not isinstance(one, Decision)]
    assert sum(not one.is_repeat for one in found if isinstance(one, Decision)) == 1
    assert available(merchant) == 11_250
    assert again(request).decided_by == made.principal


@pytest.mark.parametrize("_turn", range(6))
def test_of_different_references_and_a_refusal_at_once_one_counts(_turn: int) -> None:
    merchant = new_merchant()
    request, references = ask(merchant), [unique("bank") for _ in range(3)]
    found = at_once(
        *(lambda r=r: confirm(request, r) for r in references), lambda: decline_deposit(request.id, "not found", principal="admin:9")
    )
    decisions = [one for one in found if isinstance(one, Decision)]
    assert len(decisions) == 1, found
    assert {type(one) for one in found} <= {Decision, DepositRequestRefused, IdempotencyInProgress}
    decided = again(request)
    made = deposits_of(request)
    assert decided.status == ("confirmed" if made else "declined")
    assert len(made) == (0 if decisions[0].transfer_id is None else 1)
    assert available(merchant) == 10_000 + 1250 * len(made)


@pytest.mark.parametrize("_turn", range(3))
def test_one_reference_for_two_requests_at_once_posts_once(_turn: int) -> None:
    first, second, reference = ask(new_merchant()), ask(new_merchant()), unique("bank")
    at_once(lambda: confirm(first, reference), lambda: confirm(second, reference))
    assert len(deposits_of(first)) + len(deposits_of(second)) == 1


# --- cut off ----------------------------------------------------------------------------------------------------------------


def raw() -> psycopg.Connection[Any]:
    values = connection.settings_dict
    return psycopg.connect(
        host=values["HOST"], port=values["PORT"] or None, dbname=values["NAME"], user=values["USER"], password=values["PASSWORD"]
    )


def blockers_of(pid: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_blocking_pids(%s)", [pid])
        return list(cursor.fetchone()[0])


def waits_for_a_lock(pid: int) -> bool:
    return bool(blockers_of(pid))


@contextmanager
def confirming(request: DepositRequest, reference: str) -> Iterator[tuple[Future[Decision], int]]:
    """Confirm on another thread, and yield its result to come and its session."""
    with ThreadPoolExecutor(1, initializer=use_own_connection) as thread:

        def session() -> int:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                return int(cursor.fetchone()[0])

        pid = thread.submit(session).result()
        yield thread.submit(confirm, request, reference), pid
        thread.submit(connections.close_all).result()


@contextmanager
def confirming_held(request: DepositRequest, reference: str) -> Iterator[tuple[Future[Decision], int, psycopg.Connection[Any]]]:
    """Confirm while another session has the wallet's lock: the deposit waits until that session's transaction ends."""
    wallet = Account.objects.get(merchant_id=request.merchant_id, currency_id=request.currency_id, kind="wallet")
    with raw() as account:
        account.execute("SELECT FROM merchants_account WHERE id = %s FOR UPDATE", [wallet.id])
        with confirming(request, reference) as (future, pid):
            until(lambda: waits_for_a_lock(pid), "it waits for no lock", pause_s=0.002)
            yield future, pid, account


def cut_off_in_the_posting(request: DepositRequest, reference: str) -> None:
    """Confirm, and end the session when the deposit is written and the request's row is not."""
    with raw() as row, confirming_held(request, reference) as (future, pid, account):
        row.execute("SELECT FROM transfers_depositrequest WHERE id = %s FOR UPDATE", [request.id])
        account.rollback()  # now it writes the deposit, and then waits for the request
        until(lambda: row.info.backend_pid in blockers_of(pid), "it waits for no request", pause_s=0.002)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        row.rollback()
        assert not future.result(60).is_repeat  # it was tried again on another connection


def test_a_confirmation_that_is_cut_off_in_its_posting_is_tried_again_and_posts_once() -> None:
    merchant = new_merchant()
    request, reference = ask(merchant), unique("bank")
    cut_off_in_the_posting(request, reference)
    assert confirm(request, reference, "admin:2").is_repeat
    (made,) = deposits_of(request)
    assert (again(request).status, again(request).transfer_id, again(request).decided_by) == ("confirmed", made.id, "admin:1")
    assert available(merchant) == 11_250


def test_a_repetition_is_known_also_when_its_key_was_purged() -> None:
    request, reference = ask(new_merchant()), unique("bank")
    first = confirm(request, reference)
    claim = IdempotencyClaim.objects.get(id=UUID(record_id(KEY_OWNER, str(request.id))))
    IdempotencyClaim.objects.filter(id=claim.id).delete()
    assert confirm(request, reference) == Decision(first.transfer_id, is_repeat=True)
    assert len(deposits_of(request)) == 1
    claim.save(force_insert=True)  # its answer is still there, which no purge leaves behind


def test_a_request_that_another_session_has_locked_for_long_can_be_tried_again(settings: Any) -> None:
    settings.LEDGER_IDEMPOTENCY_WAIT = 0.2
    request, reference = ask(new_merchant()), unique("bank")
    with raw() as row:
        row.execute("SELECT FROM transfers_depositrequest WHERE id = %s FOR UPDATE", [request.id])
        with pytest.raises(DatabaseUnavailable):
            confirm(request, reference)
        assert not deposits_of(request)
    assert not confirm(request, reference).is_repeat
    assert len(deposits_of(request)) == 1


def test_a_wallet_that_is_locked_for_long_can_be_tried_again(settings: Any) -> None:
    settings.LEDGER_IDEMPOTENCY_WAIT = 0.2
    merchant = new_merchant()
    request, reference = ask(merchant), unique("bank")
    wallet = Account.objects.get(merchant_id=merchant.id, currency_id="USD", kind="wallet")
    with raw() as other:
        other.execute("SELECT FROM merchants_account WHERE id = %s FOR UPDATE", [wallet.id])
        with pytest.raises(AccountBusy):
            confirm(request, reference)
        assert again(request).status == "pending"
    assert not confirm(request, reference).is_repeat
    assert available(merchant) == 11_250


def test_what_is_declined_while_a_confirmation_waits_for_the_wallet_is_declined() -> None:
    merchant = new_merchant()
    request = ask(merchant)
    with confirming_held(request, unique("bank")) as (future, _, account):
        decline_deposit(request.id, "not found", principal="admin:2")
        account.rollback()
        with pytest.raises(DepositRequestRefused, match="declined: not found"):
            future.result(15)
    assert again(request).status == "declined"
    assert not deposits_of(request)
    assert available(merchant) == 10_000


# --- what the database refuses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE transfers_depositrequest SET amount_minor = 1 WHERE id = %(id)s",
        "UPDATE transfers_depositrequest SET merchant_id = (SELECT id FROM merchants_merchant WHERE id <> merchant_id LIMIT 1) WHERE id = %(id)s",
        "UPDATE transfers_depositrequest SET status = 'confirmed', transfer_id = %(other)s, bank_reference = 'x', decided_by = 'me',"
        " decided_at = now() WHERE id = %(id)s",
        "UPDATE transfers_depositrequest SET status = 'declined' WHERE id = %(id)s",
        "UPDATE transfers_depositrequest SET status = 'pending', transfer_id = NULL WHERE id = %(decided)s",
        "UPDATE transfers_depositrequest SET reason = 'mine' WHERE id = %(decided)s",
        "DELETE FROM transfers_depositrequest WHERE id = %(id)s",
        "TRUNCATE transfers_depositrequest",
        "INSERT INTO transfers_depositrequest (id, merchant_id, currency_id, amount_minor, status, principal)"
        " SELECT gen_random_uuid(), merchant_id, currency_id, 'NaN', 'pending', 'x' FROM transfers_depositrequest LIMIT 1",
        "INSERT INTO transfers_depositrequest (id, merchant_id, currency_id, amount_minor, status, principal, decided_by, decided_at,"
        " reason) SELECT gen_random_uuid(), merchant_id, currency_id, 1, 'declined', 'x', 'x', now(), 'x' FROM transfers_depositrequest"
        " LIMIT 1",
    ],
)
def test_requests_cannot_be_bent_by_hand(attack: str) -> None:
    waiting, decided = ask(new_merchant()), ask(new_merchant())
    other = confirm(decided, unique("bank")).transfer_id
    values = {"id": waiting.id, "decided": decided.id, "other": other}
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(attack, values if "%(" in attack else None)
