"""Random commands of all kinds, against the real services on the real database and against a model; after each step both agree.

A thousand steps in a normal run, always the same ones. ``make soak SECONDS=n`` goes on with new ones for that long and says which seed each
round had; ``SOAK_SEED=n`` repeats a round.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Iterator

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, get_state_machine_test, initialize, invariant, rule

from merchants.domain import TREASURY, Status
from merchants.services import set_account_status, set_merchant_status
from tests.support.ledger_commands import CURRENCIES, Ask
from tests.support.ledger_driver import Driver, outcomes
from tests.support.ledger_model import MINIMUM_SEVEN, NOTHING, RECEIVER_PAYS, SMALL_IS_DEAR
from tests.support.lengths import length

STEPS = length(short=500, long=5_000)
STEPS_A_RUN = 50
ROUNDS = length(short=20, long=100)
KINDS = 17
PEOPLE = st.integers(0, 5)  # the last one is not registered at the start
UNITS = st.sampled_from(sorted(CURRENCIES))
SIZES = st.tuples(st.sampled_from(["small", "share", "all", "over", "huge"]), st.integers(1, 999))
REFERENCES = st.sampled_from([None, None, None, "r1", "r2", "r3"])
OLD = st.integers(0, 63)
KEYS = st.integers(0, 11)  # a few of them stand for an earlier key: Driver.key
EXPIRY = st.sampled_from([0, 3600, 3600])  # a hold of no time has run out when the next command comes

steps: Counter[str] = Counter()


class LedgerMachine(RuleBasedStateMachine):
    """Six merchants, five currencies of 0, 2, 3, 8 and 18 decimals, and every command that there is."""

    loop: asyncio.AbstractEventLoop

    @initialize()
    def a_few_merchants(self) -> None:
        self.driver = Driver(self.loop, TREASURY)
        for index, (currency, opening) in enumerate([("USD", 1_000_00), ("BTC", 10**8), ("ETH", 10**19), ("USD", 50_00), ("KWD", 9_000)]):
            self.driver.post(self.driver.registering(index, currency, opening), self.driver.key(None))
        self.driver.charge(1, RECEIVER_PAYS, rate="0.025", rounding="up", payer="receiver")
        self.driver.charge(0, MINIMUM_SEVEN, "USD", rate="0.003", rounding="half_up", minimum_minor=7)
        self.driver.charge(2, NOTHING, rate="0")
        tiers = [{"up_to_minor": 10_000, "rate": "0.1"}, {"up_to_minor": None, "rate": "0.01"}]
        self.driver.charge(3, SMALL_IS_DEAR, "USD", tier_mode="volume", tiers=tiers)

    def step(self, name: str, asked: Ask | None, key: int) -> None:
        steps[name] += 1
        if asked is not None:
            self.driver.post(asked, self.driver.key(key))

    @rule(who=PEOPLE, currency=st.one_of(st.none(), UNITS), size=SIZES, key=KEYS)
    def register(self, who: int, currency: str | None, size: tuple[str, int], key: int) -> None:
        self.step("register", self.driver.registering(who, currency, size[1] if currency else 0), key)

    @rule(who=PEOPLE, currency=UNITS, key=KEYS)
    def open_account(self, who: int, currency: str, key: int) -> None:
        self.step("open account", self.driver.opening(who, currency), key)

    @rule(wallet=OLD, size=SIZES, reference=REFERENCES, key=KEYS)
    def deposit(self, wallet: int, size: tuple[str, int], reference: str | None, key: int) -> None:
        self.step("deposit", self.driver.crossing("deposit", wallet, size, reference), key)

    @rule(wallet=OLD, size=SIZES, reference=REFERENCES, key=KEYS)
    def withdraw(self, wallet: int, size: tuple[str, int], reference: str | None, key: int) -> None:
        self.step("withdraw", self.driver.crossing("withdrawal", wallet, size, reference), key)

    @rule(wallet=OLD, payee=PEOPLE, size=SIZES, reference=REFERENCES, key=KEYS)
    def transfer(self, wallet: int, payee: int, size: tuple[str, int], reference: str | None, key: int) -> None:
        self.step("transfer", self.driver.transferring(wallet, payee, size, reference), key)

    @rule(wallet=OLD, payee=PEOPLE, size=SIZES, expires_in_s=EXPIRY, key=KEYS)
    def place_hold(self, wallet: int, payee: int, size: tuple[str, int], expires_in_s: int, key: int) -> None:
        self.step("hold", self.driver.holding(wallet, payee, size, expires_in_s), key)

    @rule(hold=OLD, share=st.one_of(st.none(), st.integers(1, 110)), key=KEYS)
    def capture(self, hold: int, share: int | None, key: int) -> None:
        self.step("capture", self.driver.capturing(hold, share), key)

    @rule(hold=OLD, key=KEYS)
    def void(self, hold: int, key: int) -> None:
        self.step("void", self.driver.voiding(hold), key)

    @rule()
    def expire(self) -> None:
        steps["expire"] += 1
        self.driver.expire()

    @rule(sent=OLD, share=st.one_of(st.none(), st.integers(1, 110)), refund=st.booleans(), key=KEYS)
    def reverse(self, sent: int, share: int | None, refund: bool, key: int) -> None:
        self.step("reverse", self.driver.reversing(sent, share, refund), key)

    @rule(items=st.lists(st.tuples(OLD, PEOPLE, SIZES, REFERENCES, KEYS), min_size=1, max_size=6), atomic=st.booleans())
    def batch(self, items: list[tuple[int, int, tuple[str, int], str | None, int]], atomic: bool) -> None:
        steps["atomic batch" if atomic else "batch"] += 1
        self.driver.batch([(self.driver.transferring(*item[:4]), item[4]) for item in items], atomic=atomic)

    @rule(items=st.lists(st.tuples(OLD, PEOPLE, SIZES, REFERENCES), min_size=2, max_size=5))
    def at_once(self, items: list[tuple[int, int, tuple[str, int], str | None]]) -> None:
        steps["at once"] += 1
        self.driver.at_once([self.driver.transferring(*item) for item in items])

    @rule(which=OLD)
    def replay(self, which: int) -> None:
        steps["replay"] += 1
        self.driver.replay(which)

    @rule(who=PEOPLE, currency=st.one_of(st.none(), UNITS))
    def freeze_or_unfreeze(self, who: int, currency: str | None) -> None:
        steps["freeze or unfreeze"] += 1
        driver = self.driver
        name = driver.name(who)
        scope = name, currency
        if name not in driver.model.names or (currency is not None and scope not in driver.model.wallets):
            return
        if len(driver.model.frozen) > 1:  # or soon nothing would move any more
            name, currency = scope = max(driver.model.frozen, key=str)
        thaw = scope in driver.model.frozen
        status = Status.ACTIVE if thaw else Status.FROZEN
        if currency is None:
            set_merchant_status(driver.merchant_id(name), status)
        else:
            set_account_status(driver.wallet_id(name, currency), status)
        driver.model.frozen ^= {scope}

    @rule(wallet=OLD)
    def settle_fees(self, wallet: int) -> None:
        steps["settle fees"] += 1
        self.driver.settle_fees(wallet)

    @rule(wallet=OLD, first=st.integers(0, 99), last=st.integers(0, 99))
    def look_back(self, wallet: int, first: int, last: int) -> None:
        steps["look back"] += 1
        self.driver.look_back(wallet, first, last)

    @rule(dice=st.randoms(use_true_random=True))
    def busy_time(self, dice: random.Random) -> None:
        """Ten commands that mostly succeed: Hypothesis alone likes the corners so much that money hardly moves."""

        def size() -> tuple[str, int]:
            return dice.choices(["small", "share", "all", "over"], [4, 8, 1, 1])[0], dice.randint(1, 999)

        def which() -> int:
            return dice.randint(0, 63)

        def share() -> int | None:
            return dice.choice([None, dice.randint(1, 110)])

        def key() -> int:
            return dice.randint(0, 40)

        for _ in range(10):
            (command,) = dice.choices(
                [
                    lambda: self.deposit(wallet=which(), size=size(), reference=dice.choice([None, "r1", "r4"]), key=key()),
                    lambda: self.withdraw(wallet=which(), size=size(), reference=None, key=key()),
                    lambda: self.transfer(wallet=which(), payee=dice.randint(0, 4), size=size(), reference=None, key=key()),
                    lambda: self.place_hold(
                        wallet=which(), payee=dice.randint(0, 4), size=size(), expires_in_s=dice.choice([0, 60, 60]), key=key()
                    ),
                    lambda: self.capture(hold=which(), share=share(), key=key()),
                    lambda: self.void(hold=which(), key=key()),
                    lambda: self.reverse(sent=which(), share=share(), refund=dice.random() < 0.5, key=key()),
                    lambda: self.settle_fees(wallet=which()),
                    self.expire,
                    lambda: self.freeze_or_unfreeze(who=dice.randint(0, 4), currency=dice.choice([None, *CURRENCIES])),
                    lambda: self.replay(which=which()),
                ],
                [3, 2, 8, 6, 5, 1, 5, 1, 1, 1, 1],
            )
            command()
            self.driver.compare()

    @invariant()
    def both_agree(self) -> None:
        if hasattr(self, "driver"):
            self.driver.compare()


def run(runs: int, seed: int) -> None:
    """Run the machine so many times."""
    test = get_state_machine_test(
        LedgerMachine,
        settings=settings(
            max_examples=runs,
            stateful_step_count=STEPS_A_RUN,
            database=None,
            deadline=None,
            print_blob=True,
            report_multiple_bugs=False,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
    hypothesis.seed(seed)(test)()


@pytest.fixture
def loop() -> Iterator[None]:
    """An event loop, and so a posting engine, for the machine: Hypothesis is synchronous."""
    from transfers.posting.engine import drain_engine

    LedgerMachine.loop = asyncio.new_event_loop()
    yield
    LedgerMachine.loop.run_until_complete(drain_engine())
    LedgerMachine.loop.close()


def hardly_posted() -> list[str]:
    """Return the commands of which hardly any was posted until now."""
    commands = ("transfer", "deposit", "withdrawal", "hold", "capture", "void", "reverse")
    return [command for command in commands if outcomes[command, "posted"] < 5]


@pytest.mark.slow
@pytest.mark.usefixtures("loop")
def test_random_commands_agree_with_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    steps.clear()
    soak_s = os.environ.get("SOAK_SECONDS")
    if soak_s is None:
        outcomes.clear()
        for seed in range(1, ROUNDS + 1):
            if steps.total() < STEPS or len(steps) < KINDS or hardly_posted():
                run(runs=6, seed=seed)
        print(f"{steps.total()} steps: {dict(steps)}; {dict(outcomes)}")
        assert steps.total() >= STEPS, steps
        assert len(steps) == KINDS, f"a kind of command never came: {steps}"
        assert hardly_posted() == [], outcomes
        return
    dice = random.Random(int(os.environ["SOAK_SEED"]) if "SOAK_SEED" in os.environ else None)
    deadline = time.monotonic() + float(soak_s)
    while time.monotonic() < deadline:
        seed = int(os.environ.get("SOAK_SEED") or dice.getrandbits(32))
        with capsys.disabled():
            print(f"soak: {steps.total()} steps so far; next seed {seed}", flush=True)
        run(runs=6, seed=seed)
    with capsys.disabled():
        print(f"soak: {steps.total()} steps in {soak_s} s agree with the model: {dict(steps.most_common())}", flush=True)
    assert steps.total() > 0, "SECONDS is too short: not a single step was made"
