"""What ``plan`` promises, whatever it is given."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fees.domain import Payer
from ledger_project.kernel.errors import AccountAheadOfClock
from ledger_project.kernel.money import MAX_BALANCE_MINOR
from ledger_project.kernel.refusals import (
    AccountClosed,
    AccountFrozen,
    BalanceLimitExceeded,
    CurrencyMismatch,
    DuplicateExternalReference,
    FeeExceedsAmount,
    FeeNotConfigured,
    InsufficientFunds,
)
from merchants.domain import AccountKind, MerchantIdentity, Status
from tests.support.factories import NOW, USD, full_book, identity, schedule
from transfers.domain.commands import AccountKey, Deposit, Details, TransferFunds, Withdraw
from transfers.domain.facts import Book
from transfers.domain.hashing import entry_hash, posting_bytes, seal
from transfers.domain.plan import Group, Plan, plan

MERCHANTS = [identity(name) for name in ("ann", "ben", "cleo", "dan")]
ANN, BEN, CLEO, _ = MERCHANTS


def move(source: MerchantIdentity, target: MerchantIdentity, amount_minor: int, **details: object) -> TransferFunds:
    return TransferFunds(source, target, USD, amount_minor, Details(**details))


@st.composite
def moves(draw: st.DrawFn) -> TransferFunds | Deposit | Withdraw:
    source, target = draw(st.permutations(MERCHANTS))[:2]
    amount = draw(st.integers(1, 2_000))
    kind = draw(st.sampled_from([TransferFunds, TransferFunds, Deposit, Withdraw]))
    return move(source, target, amount) if kind is TransferFunds else kind(source, USD, amount, Details())


batches = st.lists(moves(), max_size=25)
openings = st.lists(st.integers(0, 3_000), min_size=4, max_size=4)
schedules = st.builds(
    lambda payer, flat: schedule(payer=payer, currency="USD", flat_minor=flat), st.sampled_from(list(Payer)), st.integers(0, 30)
)


def decide(book: Book, *commands: object) -> Plan:
    return plan([Group(list(commands))], book)


def wallet(book: Book, merchant: MerchantIdentity) -> int:
    return book.accounts[AccountKey(merchant.id.int, "USD", AccountKind.WALLET)].balance_minor


@given(batches, openings, schedules)
def test_every_transfer_balances(commands: list[object], opening: list[int], charged_by: object) -> None:
    planned = decide(full_book(MERCHANTS, opening, schedules=[charged_by]), *commands)
    sums: dict[UUID, int] = defaultdict(int)
    for entry in planned.entries:
        sums[entry.transfer.id] += entry.amount_minor if entry.direction == "CREDIT" else -entry.amount_minor
    assert set(sums.values()) <= {0}
    assert set(sums) == {transfer.id for transfer in planned.transfers}


@given(batches, openings, schedules)
def test_no_account_but_the_outside_goes_below_zero(commands: list[object], opening: list[int], charged_by: object) -> None:
    book = full_book(MERCHANTS, opening, schedules=[charged_by])
    kinds = {account.id: account.key.kind for account in book.accounts.values()}
    planned = decide(book, *commands)
    assert all(entry.balance_after_minor >= 0 for entry in planned.entries if kinds[entry.account.id] is not AccountKind.EXTERNAL)


@given(batches, openings)
def test_chains_go_on_without_gaps_and_balances_run(commands: list[object], opening: list[int]) -> None:
    book = full_book(MERCHANTS, opening)
    heads = {a.id: (a.sequence, a.balance_minor, a.last_hash) for a in book.accounts.values()}
    entries = decide(book, *commands).entries
    for entry, sealed in zip(entries, seal(entries), strict=True):
        sequence, balance, digest = heads[entry.account.id]
        signed = entry.amount_minor if entry.direction == "CREDIT" else -entry.amount_minor
        assert (entry.sequence, entry.balance_after_minor) == (sequence + 1, balance + signed)
        movement = (entry.direction, entry.type, entry.amount_minor, entry.balance_after_minor)
        posting = posting_bytes(entry.transfer.id, entry.transfer.created_at)
        assert sealed == entry_hash(digest, entry.account.id.bytes, entry.sequence, posting, movement)
        heads[entry.account.id] = entry.sequence, entry.balance_after_minor, sealed
    assert {account.id: account.last_hash for account in book.accounts.values()} == {id_: digest for id_, (_, _, digest) in heads.items()}


@given(batches, openings)
def test_a_refused_command_changes_nothing(commands: list[object], opening: list[int]) -> None:
    planned = decide(full_book(MERCHANTS, opening), *commands)
    accepted = [c for c, o in zip(commands, planned.outcomes[0], strict=True) if o is not None and o.refusal is None]
    alone = decide(full_book(MERCHANTS, opening), *accepted)
    assert [e.balance_after_minor for e in alone.entries] == [e.balance_after_minor for e in planned.entries]


@given(batches, openings)
def test_one_batch_is_the_same_as_one_by_one(commands: list[object], opening: list[int]) -> None:
    together, apart = full_book(MERCHANTS, opening), full_book(MERCHANTS, opening)
    at_once = decide(together, *commands)
    one_by_one = [decide(apart, command) for command in commands]
    assert [o.refusal is None for o in at_once.outcomes[0] if o] == [p.outcomes[0][0].refusal is None for p in one_by_one]
    assert [wallet(together, m) for m in MERCHANTS] == [wallet(apart, m) for m in MERCHANTS]


@given(batches, openings)
def test_an_atomic_group_posts_all_or_nothing(commands: list[object], opening: list[int]) -> None:
    book = full_book(MERCHANTS, opening)
    before = {k: (a.sequence, a.balance_minor, a.last_hash) for k, a in book.accounts.items()}
    planned = plan([Group(commands, atomic=True)], book)
    if any(o is None or o.refusal is not None for o in planned.outcomes[0]):
        assert (planned.transfers, planned.entries) == ([], [])
        assert before == {k: (a.sequence, a.balance_minor, a.last_hash) for k, a in book.accounts.items()}
    else:
        assert len(planned.transfers) == len(commands)


@given(batches, openings, st.integers(-(10**6), 10**6))
def test_time_never_runs_backwards_whatever_the_clock_says(commands: list[object], opening: list[int], skew_us: int) -> None:
    book = full_book(MERCHANTS, opening, now=NOW + timedelta(microseconds=skew_us))
    last = {a.id: (a.last_at, UUID(int=0)) for a in book.accounts.values()}
    planned = decide(book, *commands)
    for entry in planned.entries:
        at, transfer_id = last[entry.account.id]
        if entry.transfer.id != transfer_id:
            assert entry.transfer.created_at > at
            assert entry.transfer.id > transfer_id
        last[entry.account.id] = entry.transfer.created_at, entry.transfer.id


def test_an_account_that_is_ahead_of_the_clock_is_refused_alone() -> None:
    ahead = full_book(MERCHANTS, [1000, 1000, 1000, 0])
    wallet = ahead.accounts[AccountKey(ANN.id.int, "USD", AccountKind.WALLET)]
    wallet.last_at = NOW + timedelta(seconds=6)
    planned = decide(ahead, move(BEN, CLEO, 1), move(BEN, ANN, 1), move(ANN, BEN, 1), move(CLEO, BEN, 1))
    assert [type(outcome.refusal) for outcome in planned.outcomes[0] if outcome] == [
        type(None),
        AccountAheadOfClock,
        AccountAheadOfClock,
        type(None),
    ]
    assert all(transfer.created_at < NOW + timedelta(seconds=1) for transfer in planned.transfers)


def test_an_account_that_is_ahead_within_the_tolerance_counts_on() -> None:
    ahead = full_book(MERCHANTS, [1000, 0, 0, 0])
    wallet = ahead.accounts[AccountKey(ANN.id.int, "USD", AccountKind.WALLET)]
    wallet.last_at = NOW + timedelta(seconds=4)
    planned = decide(ahead, move(ANN, BEN, 1))
    assert [transfer.created_at for transfer in planned.transfers] == [wallet.last_at]
    assert wallet.last_at == NOW + timedelta(seconds=4, microseconds=1)


def refusal(planned: Plan, index: int = 0) -> object:
    outcome = planned.outcomes[0][index]
    assert outcome is not None
    return outcome.refusal


def test_the_order_in_a_batch_matters() -> None:
    spend_then_earn = decide(full_book(MERCHANTS, [0, 1000, 0, 0]), move(ANN, CLEO, 500), move(BEN, ANN, 600))
    earn_then_spend = decide(full_book(MERCHANTS, [0, 1000, 0, 0]), move(BEN, ANN, 600), move(ANN, CLEO, 500))
    assert isinstance(refusal(spend_then_earn), InsufficientFunds)
    assert [o.refusal for o in earn_then_spend.outcomes[0] if o] == [None, None]


def test_amount_and_fee_together_must_be_there() -> None:
    assert isinstance(refusal(decide(full_book(MERCHANTS, [504, 0, 0, 0]), move(ANN, BEN, 500))), InsufficientFunds)
    assert refusal(decide(full_book(MERCHANTS, [505, 0, 0, 0]), move(ANN, BEN, 500))) is None


def test_a_transfer_with_fee_writes_four_entries() -> None:
    planned = decide(full_book(MERCHANTS, [1000, 0, 0, 0]), move(ANN, BEN, 500))
    assert [(e.direction, e.type, e.amount_minor) for e in planned.entries] == [
        ("DEBIT", "transfer", 500),
        ("CREDIT", "transfer", 500),
        ("DEBIT", "fee", 5),
        ("CREDIT", "fee", 5),
    ]


def test_a_fee_of_zero_writes_no_fee_entries() -> None:
    assert len(decide(full_book(MERCHANTS, [1000, 0, 0, 0]), move(ANN, BEN, 10)).entries) == 2


def test_a_receiver_who_pays_gets_the_rest() -> None:
    book = full_book(MERCHANTS, [500, 0, 0, 0], schedules=[schedule(payer=Payer.RECEIVER)])
    planned = decide(book, move(ANN, BEN, 500))
    assert (wallet(book, ANN), wallet(book, BEN), planned.transfers[0].total_debit_minor) == (0, 495, 500)


def test_a_receiver_never_pays_more_than_they_get() -> None:
    book = full_book(MERCHANTS, [500, 0, 0, 0], schedules=[schedule(payer=Payer.RECEIVER, currency="USD", flat_minor=501)])
    assert isinstance(refusal(decide(book, move(ANN, BEN, 500))), FeeExceedsAmount)


def test_without_a_schedule_nothing_moves() -> None:
    assert isinstance(refusal(decide(full_book(MERCHANTS, [500, 0, 0, 0], schedules=[]), move(ANN, BEN, 5))), FeeNotConfigured)


def test_state_comes_before_currency_and_currency_before_funds() -> None:
    book = full_book(MERCHANTS, [0, 0, 0, 0])
    account = book.accounts[AccountKey(BEN.id.int, "USD", AccountKind.WALLET)]
    account.status = Status.FROZEN
    assert isinstance(refusal(decide(book, move(ANN, BEN, 5))), AccountFrozen)
    account.status = Status.CLOSED
    assert isinstance(refusal(decide(book, move(ANN, BEN, 5))), AccountClosed)
    account.status = Status.ACTIVE
    assert isinstance(refusal(decide(book, replace(move(ANN, BEN, 5), target_currency="EUR"))), CurrencyMismatch)


def test_an_external_reference_is_used_once_per_account_even_within_a_batch() -> None:
    planned = decide(
        full_book(MERCHANTS, [1000, 1000, 0, 0]),
        move(ANN, BEN, 5, external_reference="r"),
        move(ANN, CLEO, 5, external_reference="r"),
        move(BEN, CLEO, 5, external_reference="r"),
    )
    assert refusal(planned, 0) is None
    duplicate = refusal(planned, 1)
    assert isinstance(duplicate, DuplicateExternalReference)
    assert duplicate.transfer_id == planned.transfers[0].id
    assert refusal(planned, 2) is None


def test_a_balance_stops_at_its_limit() -> None:
    book = full_book(MERCHANTS, [0, MAX_BALANCE_MINOR, 0, 0])
    assert isinstance(refusal(decide(book, Deposit(BEN, USD, 1, Details()))), BalanceLimitExceeded)


def test_an_overdraft_limit_lets_a_wallet_go_that_far_and_no_further() -> None:
    book = full_book(MERCHANTS, [0, 0, 0, 0])
    book.accounts[AccountKey(ANN.id.int, "USD", AccountKind.WALLET)].overdraft_minor = 101
    assert isinstance(refusal(decide(book, move(ANN, BEN, 101))), InsufficientFunds)
    assert refusal(decide(book, move(ANN, BEN, 100))) is None
    assert wallet(book, ANN) == -101


def test_an_account_that_does_not_exist_is_opened_by_its_first_credit_only() -> None:
    book = full_book(MERCHANTS, [1000, 0, 0, 0])
    target = book.accounts[AccountKey(BEN.id.int, "USD", AccountKind.WALLET)]
    target.exists, target.sequence, target.id = False, 0, uuid4()
    assert decide(book, move(ANN, BEN, 5000)).opened == []
    assert [a.id for a in decide(book, move(ANN, BEN, 5)).opened] == [target.id]


def test_commands_with_moments_of_their_own_are_posted_at_them() -> None:
    ann, ben = MERCHANTS[:2]
    book = full_book(MERCHANTS, [1_000] * 4)
    moments = [NOW + timedelta(seconds=1), NOW + timedelta(seconds=2)]
    planned = plan([Group([move(ann, ben, 10), move(ben, ann, 5)], moments=moments), Group([move(ann, ben, 1)])], book)
    # What happens "now" comes after what its accounts have already seen.
    assert [transfer.created_at for transfer in planned.transfers] == [*moments, moments[-1] + timedelta(microseconds=1)]
    assert [transfer.id for transfer in planned.transfers] == sorted(transfer.id for transfer in planned.transfers)
