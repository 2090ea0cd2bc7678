"""Who may do what, as plain values: actors, and the ways of being turned away."""

from uuid import UUID

import pytest

from ledger_project.kernel.actors import (
    ANONYMOUS,
    MERCHANT_SCOPES,
    AccessRefused,
    Actor,
    InvalidToken,
    NotAuthenticated,
    PermissionDenied,
    RateLimited,
    Scope,
)
from ledger_project.kernel.money import CurrencyUnit
from merchants.domain import MerchantIdentity, WalletIdentity, is_party, own, own_wallet, search_grams

ALICE = UUID(int=1)
BOB = UUID(int=2)
PLATFORM = Actor("key:platform")
MERCHANT = Actor("key:alice", merchant_id=ALICE, scopes=MERCHANT_SCOPES)


def test_the_platform_owns_its_keys_as_one_and_each_merchant_its_own() -> None:
    assert PLATFORM.owner == ANONYMOUS.owner == Actor("jwt:admin").owner
    assert MERCHANT.owner == Actor("jwt:alice", merchant_id=ALICE).owner
    assert len({PLATFORM.owner, MERCHANT.owner, Actor("key:alice", merchant_id=BOB).owner}) == 3


def test_the_platform_acts_for_every_merchant_and_a_merchant_for_itself() -> None:
    assert PLATFORM.merchant_id is None
    assert ANONYMOUS.merchant_id is None
    assert MERCHANT.merchant_id is not None
    assert PLATFORM.acts_for(ALICE)
    assert PLATFORM.acts_for(BOB)
    assert MERCHANT.acts_for(ALICE)
    assert not MERCHANT.acts_for(BOB)


def test_a_merchants_credential_can_never_have_the_operations_scope() -> None:
    of_platform = {Scope.OPERATIONS_READ, Scope.OPERATIONS_WRITE, Scope.APPROVALS_WRITE}
    assert not of_platform & MERCHANT_SCOPES
    assert of_platform | MERCHANT_SCOPES == frozenset(Scope)


def test_what_is_the_platforms_is_refused_to_a_merchant_by_name() -> None:
    PLATFORM.require_platform("Registering a merchant")
    with pytest.raises(PermissionDenied, match=r"^Registering a merchant needs a credential of the platform") as refused:
        MERCHANT.require_platform("Registering a merchant")
    assert refused.value.headers() == {}
    assert refused.value.extra() == {}


def test_another_merchants_account_is_answered_as_one_that_does_not_exist() -> None:
    alice, bob = MerchantIdentity(ALICE, "alice"), MerchantIdentity(BOB, "bob")
    assert own(MERCHANT, alice) is alice
    assert own(MERCHANT, bob) is None
    assert own(MERCHANT, None) is None
    assert own(PLATFORM, bob) is bob
    wallets = [WalletIdentity(UUID(int=number), owner, CurrencyUnit("USD", 2)) for number, owner in enumerate((alice, bob))]
    assert [own_wallet(MERCHANT, wallet) for wallet in wallets] == [wallets[0], None]
    assert [own_wallet(PLATFORM, wallet) for wallet in wallets] == wallets
    assert own_wallet(PLATFORM, None) is None


def test_what_concerns_two_merchants_is_there_for_both_of_them_and_for_the_platform() -> None:
    alice, bob = MerchantIdentity(ALICE, "alice"), MerchantIdentity(BOB, "bob")
    assert is_party(MERCHANT, alice, bob)
    assert is_party(MERCHANT, None, alice)
    assert not is_party(MERCHANT, bob, None)
    assert is_party(PLATFORM, bob)


@pytest.mark.parametrize(
    ("refusal", "code", "headers", "extra"),
    [
        (NotAuthenticated(), "not_authenticated", {"WWW-Authenticate": 'Bearer realm="ledger"'}, {}),
        (InvalidToken(), "invalid_token", {"WWW-Authenticate": 'Bearer realm="ledger", error="invalid_token"'}, {}),
        (
            PermissionDenied.lacks(Scope.TRANSFERS_WRITE),
            "permission_denied",
            {"WWW-Authenticate": 'Bearer realm="ledger", error="insufficient_scope", scope="transfers:write"'},
            {"required_scope": "transfers:write"},
        ),
        (RateLimited(retry_after_s=7), "rate_limited", {"Retry-After": "7"}, {}),
    ],
)
def test_each_refusal_says_what_would_help(refusal: AccessRefused, code: str, headers: dict[str, str], extra: dict[str, str]) -> None:
    assert refusal.code == code
    assert refusal.headers() == headers
    assert refusal.extra() == extra


def test_a_refusal_needs_no_header() -> None:
    assert AccessRefused("No.").headers() == {}


@pytest.mark.parametrize(
    ("text", "grams"), [("A", ["a"]), ("ab", ["ab"]), ("Acme", ["acm", "cme"]), ("aaaa", ["aaa"]), ("shop-1", ["hop", "op-", "p-1", "sho"])]
)
def test_a_search_looks_for_the_longest_pieces_that_the_index_knows(text: str, grams: list[str]) -> None:
    assert search_grams(text) == grams
