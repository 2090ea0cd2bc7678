"""Is there an order in which these operations could have happened one at a time, each at a moment between its call and its return?

That is linearizability (Herlihy and Wing, 1990); the search is the one of Wing and Gong (1993) with the memory of Lowe (2017): two paths
that have placed the same set of operations have reached the same balances, so the set alone is remembered. An operation without a
return (its caller never learnt what became of it) may have happened at any moment after its call, or never.

It is exponential in how many operations overlap, not in the length of the history, so it serves some thousands of operations of a
handful of clients.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Balances = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """What a caller did and was told. Amounts in minor units; ``call`` and ``end`` in seconds of one monotonic clock.

    ``effects`` are what it adds to accounts; ``seen`` the balances that it says accounts had at its moment; ``needs`` more than the
    account had: a refusal for lack of funds.
    """

    client: int
    call: float
    end: float | None
    effects: Mapping[str, int] = field(default_factory=dict)
    seen: Mapping[str, int] = field(default_factory=dict)
    needs: Mapping[str, int] = field(default_factory=dict)

    def on(self, account: str) -> Operation | None:
        """Return what of this is about one account; None if nothing is."""
        parts = [{account: part[account]} if account in part else {} for part in (self.effects, self.seen, self.needs)]
        return Operation(self.client, self.call, self.end, *parts) if any(parts) else None

    def is_possible(self, balances: Mapping[str, int]) -> bool:
        """Whether it can happen when accounts have these balances: what it saw is so, what it was refused is not there, nothing ends
        below zero."""
        return (
            all(balances[account] == value for account, value in self.seen.items())
            and all(balances[account] < value for account, value in self.needs.items())
            and all(balances[account] + change >= 0 for account, change in self.effects.items())
        )


@dataclass(frozen=True, slots=True)
class Violation:
    """No order explains the history: after the ``placed`` operations of the best attempt none of ``stuck`` could have come next."""

    balances: Mapping[str, int]
    placed: int
    stuck: tuple[Operation, ...]

    def __str__(self) -> str:
        return "\n".join([f"after {self.placed} operations, with {dict(self.balances)}, none of these is possible:", *map(str, self.stuck)])


def check(history: Iterable[Operation], opening: Mapping[str, int]) -> Violation | None:
    """Return None if the history is linearizable as a whole, all accounts together; else the best attempt's end."""
    operations = sorted(history, key=lambda operation: operation.call)
    required = sum(1 << i for i, operation in enumerate(operations) if operation.end is not None)
    best: tuple[int, Mapping[str, int], tuple[Operation, ...]] = (-1, opening, ())
    reached: set[int] = set()
    # Each step: the set of operations placed so far, and the balances after them. The newest is looked at first.
    paths: list[tuple[int, Mapping[str, int]]] = [(0, opening)]
    while paths:
        placed, balances = paths.pop()
        if placed & required == required:
            return None
        candidates = _candidates(operations, placed)
        possible = [i for i in candidates if operations[i].is_possible(balances)]
        count = placed.bit_count()
        if count > best[0]:
            best = (count, balances, tuple(operations[i] for i in candidates))
        # What returned first is tried first: it is most likely the order in which it happened.
        for i in sorted(possible, key=lambda i: operations[i].end or float("inf"), reverse=True):
            following = placed | 1 << i
            if following not in reached:
                reached.add(following)
                paths.append((following, _after(balances, operations[i])))
    return Violation(best[1], best[0], best[2])


def check_each(history: Iterable[Operation], opening: Mapping[str, int]) -> dict[str, Violation]:
    """Return the violation of each account whose own history is not linearizable."""
    operations = list(history)
    found = {}
    for account, balance in opening.items():
        own = [part for operation in operations if (part := operation.on(account)) is not None]
        violation = check(own, {account: balance})
        if violation is not None:
            found[account] = violation
    return found


def _candidates(operations: list[Operation], placed: int) -> list[int]:
    """Return which operations may come next: those that nothing unplaced had returned before the call of."""
    found: list[int] = []
    first_end = float("inf")
    for i in range(_first_unplaced(placed), len(operations)):
        if placed >> i & 1:
            continue
        operation = operations[i]
        if operation.call > first_end:
            break
        found.append(i)
        if operation.end is not None:
            first_end = min(first_end, operation.end)
    return [i for i in found if operations[i].call <= first_end]


def _first_unplaced(placed: int) -> int:
    """Return the index of the lowest bit that is not set."""
    return (~placed & (placed + 1)).bit_length() - 1


def _after(balances: Mapping[str, int], operation: Operation) -> Mapping[str, int]:
    return {**balances, **{account: balances[account] + change for account, change in operation.effects.items()}}
