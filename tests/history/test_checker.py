"""The checker itself: on histories made by hand, good and bad, and against trying every order."""

from __future__ import annotations

from itertools import combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.history.checker import Operation, check, check_each

OPENING = {"a": 100, "b": 0}


def move(call: float, end: float | None, amount: int = 60, *, source: str = "a", target: str = "b") -> Operation:
    return Operation(0, call, end, {source: -amount, target: amount})


def read(call: float, end: float | None, account: str, value: int) -> Operation:
    return Operation(1, call, end, seen={account: value})


def refused(call: float, end: float | None, account: str, needed: int, had: int) -> Operation:
    return Operation(2, call, end, seen={account: had}, needs={account: needed})


GOOD = {
    "nothing at all": [],
    "one after the other": [move(1, 2), read(3, 4, "b", 60), read(5, 6, "a", 40)],
    "a read beside a move may see the old": [move(1, 4), read(2, 3, "a", 100)],
    "a read beside a move may see the new": [move(1, 4), read(2, 3, "a", 40)],
    "new, then new": [move(1, 9), read(2, 3, "a", 40), read(4, 5, "b", 60)],
    "a refusal where there is too little": [move(1, 2), refused(3, 4, "a", 61, 40)],
    "a refusal beside the move that left too little": [move(1, 5), refused(2, 3, "a", 61, 40)],
    "one that never returned may have happened": [move(1, None), read(9, 10, "b", 60)],
    "one that never returned may have happened late": [move(1, None), read(5, 6, "b", 0), read(9, 10, "b", 60)],
    "one that never returned may never have happened": [move(1, None), read(9, 10, "b", 0)],
    "money that came in can be spent by who overlaps": [move(1, 9), move(2, 8, 50, source="b", target="a")],
}

BAD = {
    "a stale read": [move(1, 2), read(3, 4, "a", 100)],
    "a read of the future": [read(1, 2, "b", 60), move(3, 4)],
    "new, then old": [move(1, 9), read(2, 3, "a", 40), read(4, 5, "a", 100)],
    "new, then old, of one that never returned": [move(1, None), read(2, 3, "a", 40), read(4, 5, "a", 100)],
    "a lost update": [move(1, 4, 10), move(2, 5, 10), read(6, 7, "a", 90)],
    "the same money spent twice": [move(1, 4), move(2, 5)],
    "applied twice": [move(1, 2, 10), read(3, 4, "a", 80)],
    "refused although there was enough": [refused(1, 2, "a", 60, 100)],
    "refused with a balance that never was": [move(1, 4), refused(2, 3, "a", 101, 70)],
    "spent before it came": [move(1, 2, 50, source="b", target="a"), move(3, 4)],
    "money from nowhere": [read(1, 2, "b", 1)],
}


@pytest.mark.parametrize("name", GOOD)
def test_what_could_have_happened_passes(name: str) -> None:
    assert check(GOOD[name], OPENING) is None
    assert check_each(GOOD[name], OPENING) == {}


@pytest.mark.parametrize("name", BAD)
def test_what_could_not_have_happened_is_found(name: str) -> None:
    violation = check(BAD[name], OPENING)
    assert violation is not None
    assert violation.stuck
    assert "none of these is possible" in str(violation)
    assert check_each(BAD[name], OPENING)


def test_each_account_alone_is_less_than_all_together() -> None:
    """Two reads that disagree on which of two moves came first: fine for each account, impossible for the whole."""
    out, back = Operation(0, 1, 9, {"a": -10}), Operation(1, 1, 9, {"b": 10})
    told = [Operation(2, 2, 3, seen={"a": 90, "b": 0}), Operation(3, 2, 3, seen={"a": 100, "b": 10})]
    assert check_each([out, back, *told], OPENING) == {}
    assert check([out, back, *told], OPENING) is not None


def brute(history: list[Operation], opening: dict[str, int]) -> bool:
    """Try every order of everything that returned, with any of what did not."""
    returned = [operation for operation in history if operation.end is not None]
    open_ended = [operation for operation in history if operation.end is None]
    for count in range(len(open_ended) + 1):
        for some in combinations(open_ended, count):
            for order in permutations([*returned, *some]):
                if _explains(order, opening):
                    return True
    return False


def _explains(order: tuple[Operation, ...], opening: dict[str, int]) -> bool:
    balances = dict(opening)
    for i, operation in enumerate(order):
        if any(later.end is not None and later.end < operation.call for later in order[i + 1 :]) or not operation.is_possible(balances):
            return False
        for account, change in operation.effects.items():
            balances[account] += change
    return True


@st.composite
def operations(draw: st.DrawFn) -> Operation:
    call = draw(st.integers(0, 6))
    end = draw(st.one_of(st.none(), st.integers(call + 1, 9)))
    amount = draw(st.integers(1, 2))
    kind = draw(st.sampled_from(["there", "back", "read", "refused"]))
    if kind in {"there", "back"}:
        source, target = ("a", "b") if kind == "there" else ("b", "a")
        return move(call, end, amount, source=source, target=target)
    account = draw(st.sampled_from("ab"))
    value = draw(st.integers(0, 3))
    return read(call, end, account, value) if kind == "read" else refused(call, end, account, amount, value)


@given(st.lists(operations(), max_size=5))
def test_it_agrees_with_trying_every_order(history: list[Operation]) -> None:
    opening = {"a": 2, "b": 0}
    assert (check(history, opening) is None) == brute(history, opening)
