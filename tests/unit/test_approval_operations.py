"""What waits for a second person: kept exactly, the same for who asks the same, and covered as policies say."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from approvals.domain.errors import ApprovalDecided, ApprovalNotFound, ApprovalRequired
from approvals.domain.operations import (
    AppendVersion,
    CloseMerchant,
    ConfirmDeposit,
    Operation,
    SetOverdraft,
    decode,
    encode,
    fingerprint_of,
    reason_of,
)
from approvals.domain.policies import Action, Policy, Reach, is_covered
from approvals.domain.reaches import reach_of, summary_of
from approvals.domain.states import person_of
from fees.domain import Payer, Rounding, Schedule, Tier, TierMode
from ledger_project.kernel.money import MAX_AMOUNT_MINOR, CurrencyUnit
from merchants.domain import MerchantIdentity
from transfers.domain.commands import (
    CaptureHold,
    Deposit,
    Details,
    HoldTerms,
    OpenAccount,
    Original,
    RegisterMerchant,
    ReverseTransfer,
    SettleFees,
    TransferFunds,
    VoidHold,
    Withdraw,
)

NOW = datetime(2026, 11, 26, 12, 0, 0, 123456, tzinfo=UTC)
uuids = st.uuids(version=4)
amounts = st.integers(1, MAX_AMOUNT_MINOR)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)
merchants = st.builds(MerchantIdentity, uuids, texts)
units = st.builds(CurrencyUnit, st.sampled_from(["USD", "JPY", "ETH"]), st.integers(0, 18))
numbers = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False).map(lambda x: round(x, 3))
metadata = st.dictionaries(
    texts, st.recursive(st.none() | st.booleans() | numbers | texts, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
)
details = st.builds(Details, st.none() | texts, metadata, st.none() | texts, texts, texts)
rates = st.integers(0, 10**10).map(lambda n: Decimal(n) / 10**10)
tiers = st.lists(st.builds(Tier, st.none() | amounts, rates, amounts), max_size=3).map(tuple)
schedules = st.builds(
    Schedule, uuids, st.integers(1, 99), st.none() | uuids, st.none() | st.just("USD"), st.none() | st.just("capture"), rates, amounts,
    st.none() | amounts, st.none() | amounts, st.none() | st.sampled_from(TierMode), tiers, st.sampled_from(Rounding), st.sampled_from(Payer),
    st.just(NOW),
)  # fmt: skip
terms = st.builds(
    HoldTerms, uuids, merchants, merchants, units, amounts, amounts, schedules, st.just(NOW), st.none() | texts, metadata, st.just(NOW)
)
originals = st.builds(
    Original, uuids, st.just("transfer"), st.none() | merchants, st.none() | merchants, units, amounts, amounts, st.sampled_from(Payer)
)
versions = st.builds(
    AppendVersion, uuids, st.none() | merchants, st.none() | units, st.none() | st.just("capture"), rates.map(str), amounts,
    st.none() | amounts, st.none() | amounts, st.none() | st.just("volume"),
    st.lists(st.fixed_dictionaries({"up_to_minor": st.none() | amounts, "rate": rates.map(str)}), max_size=3),
    st.just("half_even"), st.just("sender"), texts, st.none() | st.just(NOW),
)  # fmt: skip
KINDS: list[st.SearchStrategy[Operation]] = [
    st.builds(TransferFunds, merchants, merchants, units, amounts, details),
    st.builds(Deposit, merchants, units, amounts, details),
    st.builds(Withdraw, merchants, units, amounts, details),
    st.builds(RegisterMerchant, merchants, metadata, units, amounts, details, st.none() | texts, st.none() | texts),
    st.builds(CaptureHold, terms, st.none() | amounts, details),
    st.builds(ReverseTransfer, originals, st.none() | amounts, st.booleans(), st.none() | merchants, details),
    st.builds(ConfirmDeposit, uuids, texts, merchants, units, amounts),
    st.builds(SetOverdraft, uuids, merchants, units, amounts, texts),
    st.builds(CloseMerchant, merchants, texts),
    versions,
]
operations = st.one_of(KINDS)

ALICE, BOB = MerchantIdentity(UUID(int=1), "alice"), MerchantIdentity(UUID(int=2), "bob")
USD = CurrencyUnit("USD", 2)
PAYMENT = TransferFunds(ALICE, BOB, USD, 11_250, Details("rent", {"n": 1.5}, "ref", "key:1", "request-1"))


@given(operations)
def test_what_is_kept_is_what_comes_back(operation: Operation) -> None:
    back = decode(encode(operation))
    assert back == operation
    assert type(back) is type(operation)
    assert msgspec.to_builtins(back) == msgspec.to_builtins(operation)


@pytest.mark.parametrize("kind", range(len(KINDS)))
@given(data=st.data())
@settings(max_examples=15)
def test_every_operation_has_a_reach_a_summary_and_a_reason(data: st.DataObject, kind: int) -> None:
    """Kind by kind: a hundred examples of all of them left some out now and then."""
    operation = data.draw(KINDS[kind])
    reach = reach_of(operation)
    assert reach is not None
    assert is_covered(reach, [Policy(reach.action, None, 0)])
    assert not is_covered(reach, [Policy(action, None, 0) for action in Action if action is not reach.action])
    assert summary_of(operation)
    assert isinstance(reason_of(operation), str)


@given(operations, operations)
def test_two_operations_have_one_fingerprint_only_if_they_ask_for_the_same(one: Operation, other: Operation) -> None:
    assert (fingerprint_of(one) == fingerprint_of(other)) == (encode(one) == encode(other)) or type(one) is type(other)
    assert len(fingerprint_of(one)) == 32


def test_who_asks_makes_no_difference_and_everything_else_does() -> None:
    def with_details(**changes: object) -> TransferFunds:
        return msgspec.structs.replace(PAYMENT, details=msgspec.structs.replace(PAYMENT.details, **changes))

    first = fingerprint_of(PAYMENT)
    assert fingerprint_of(with_details(principal="key:2", request_id="request-2")) == first
    others = [
        with_details(memo="Rent"), with_details(metadata={"n": 1.25}), with_details(external_reference=None),
        *[msgspec.structs.replace(PAYMENT, **change) for change in ({"amount_minor": 11_251}, {"source": BOB}, {"target": ALICE}, {"currency": CurrencyUnit("EUR", 2)})],
        Deposit(ALICE, USD, 11_250, PAYMENT.details), Withdraw(ALICE, USD, 11_250, PAYMENT.details),
    ]  # fmt: skip
    assert len({first, *map(fingerprint_of, others)}) == len(others) + 1
    new = RegisterMerchant(ALICE, {}, USD, 5, Details())
    assert fingerprint_of(new) == fingerprint_of(msgspec.structs.replace(new, merchant=MerchantIdentity(UUID(int=9), "alice")))


def test_no_policy_covers_what_moves_no_money_to_others() -> None:
    terms_ = HoldTerms(UUID(int=3), ALICE, BOB, USD, 5, 5, None, NOW, None, {}, NOW)  # type: ignore[arg-type]  # no schedule is needed here
    for command in (
        OpenAccount(ALICE, USD), VoidHold(terms_, Details()), SettleFees(ALICE, BOB, USD, Details()), RegisterMerchant(ALICE, {}, None, 0, Details()),
        RegisterMerchant(ALICE, {}, USD, 0, Details()),
    ):  # fmt: skip
        assert reach_of(command) is None
    with pytest.raises(TypeError):
        summary_of(OpenAccount(ALICE, USD))  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize(
    ("policy", "covers"),
    [
        (Policy(Action.TRANSFER, "USD", 11_250), True),
        (Policy(Action.TRANSFER, "USD", 11_251), False),
        (Policy(Action.TRANSFER, "EUR", 0), False),
        (Policy(Action.TRANSFER, None, 0), True),
        (Policy(Action.DEPOSIT, None, 0), False),
    ],
)
def test_a_policy_covers_its_action_in_its_currency_from_its_amount_on(policy: Policy, covers: bool) -> None:
    reach = reach_of(PAYMENT)
    assert reach is not None
    assert is_covered(reach, [policy]) is covers


def test_fees_of_all_currencies_are_covered_by_a_policy_of_one() -> None:
    assert is_covered(Reach(Action.FEE_VERSION), [Policy(Action.FEE_VERSION, "USD", 0)])
    assert not is_covered(Reach(Action.FEE_VERSION, "EUR"), [Policy(Action.FEE_VERSION, "USD", 0)])


def test_what_is_asked_is_said_in_words() -> None:
    original = Original(UUID(int=7), "transfer", ALICE, None, USD, 500, 5, Payer.SENDER)
    assert summary_of(PAYMENT) == "Transfer 112.50 USD from alice to bob"
    assert summary_of(ReverseTransfer(original, None, True, None, Details())) == (
        f"Reverse all that is left of 5.00 USD and the fee in proportion, from outside to alice (transfer {UUID(int=7)})"
    )
    everybody = AppendVersion(UUID(int=1), None, None, None, "0.01", 0, None, None, None, [], "half_even", "sender", "new prices", NOW)
    assert summary_of(everybody) == "New fees for everybody in every currency, from 2026-11-26 12:00 UTC on: new prices"


def test_one_person_is_one_in_the_admin_and_by_the_api() -> None:
    assert person_of("admin:7") == person_of("user:7") == person_of("session:user-7") == person_of("jwt:user-7") != person_of("admin:8")
    assert person_of("key:7") == "key:7"


def test_errors_name_what_they_are_about() -> None:
    wanted = UUID(int=7)
    missing, decided, required = ApprovalNotFound(wanted), ApprovalDecided(wanted, "rejected"), ApprovalRequired("transfer")
    assert (str(missing), missing.extra()) == (f"There is no approval {wanted}.", {"approval_id": str(wanted)})
    assert (str(decided), decided.extra()) == (
        f"Approval {wanted} does not wait any more: it is rejected.",
        {"approval_id": str(wanted), "approval_status": "rejected"},
    )
    assert required.extra() == {"action": "transfer"}
    assert "Send it alone" in str(required)
