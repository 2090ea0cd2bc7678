"""The codes of the second factor: each counts once, wrong ones make all wait, and none can be calculated."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.db import connections

from people.access import second_factor
from people.access.second_factor import accepts, code_at, step_of
from people.models import User
from portal.sign_in.adapters import SecondFactorAdapter
from tests.support.factories import unique
from tests.support.second_factors import code_of, end_wait, enrol

RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.fixture
def user(ledger: None) -> User:
    del ledger
    return User.objects.create_user(unique("somebody"), password="x")


def recovery(user: User) -> list[str]:
    """Make recovery codes for a user and return them."""
    codes: list[str] = RecoveryCodes.activate(user).generate_codes()
    return codes


def at_once(calls: int, call: Callable[[], Any]) -> list[Any]:
    barrier = threading.Barrier(calls)

    def one(_: int) -> Any:
        try:
            barrier.wait(10)
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(calls) as pool:
        return list(pool.map(one, range(calls)))


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    """Appendix B has them with eight digits; an app shows the last six."""
    assert code_at(RFC_SECRET, seconds // 30) == code
    assert step_of(RFC_SECRET, code, now_s=seconds + 30) == seconds // 30
    assert step_of(RFC_SECRET, code, now_s=seconds + 60) is None


@pytest.mark.parametrize("code", ["", "28708", "2870822", "٢٨٧٠٨٢", "28708a", "²87082"])
def test_what_is_no_code_fits_no_step(code: str) -> None:
    assert step_of(RFC_SECRET, code, now_s=59) is None


def test_a_code_counts_once_and_ends_the_ones_before_it(user: User) -> None:
    device = enrol(user)
    before, now = code_of(device, -1), code_of(device)
    assert accepts(user, now) == device
    assert accepts(user, now) is None
    end_wait(device)
    assert accepts(user, before) is None


def test_of_eight_who_show_one_code_at_once_one_gets_in(user: User) -> None:
    code = code_of(enrol(user))
    assert sum(found is not None for found in at_once(8, lambda: accepts(user, code))) == 1


def test_of_eight_who_show_one_recovery_code_at_once_one_gets_in(user: User) -> None:
    enrol(user)
    code = recovery(user)[3]
    assert sum(found is not None for found in at_once(8, lambda: accepts(user, code, or_recovery=True))) == 1


def test_a_recovery_code_counts_once_where_it_is_allowed(user: User) -> None:
    device = enrol(user)
    first, second = recovery(user)[:2]
    assert accepts(user, first) is None
    end_wait(device)
    assert accepts(user, first, or_recovery=True) == device
    assert accepts(user, first, or_recovery=True) is None
    end_wait(device)
    assert accepts(user, second, or_recovery=True) == device


def test_recovery_codes_alone_let_nobody_in(user: User) -> None:
    code = recovery(user)[0]
    assert accepts(user, code, or_recovery=True) is None


def test_the_wait_doubles_and_ends(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    device, now = enrol(user), time.time()

    def later(seconds: float) -> None:
        monkeypatch.setattr(second_factor.time, "time", lambda: now + seconds)

    later(0)
    assert accepts(user, "000000") is None
    later(1)
    assert accepts(user, "000000") is None
    later(2.9)
    assert accepts(user, code_at(second_factor.unsealed(device.data["secret"]), int(now + 2.9) // 30)) is None
    later(3)
    assert accepts(user, code_at(second_factor.unsealed(device.data["secret"]), int(now + 3) // 30)) is not None
    device.refresh_from_db()
    device.data |= {"failures": 400, "failed_at_s": now}
    device.save()
    later(second_factor.LONGEST_WAIT_S)
    assert accepts(user, code_at(second_factor.unsealed(device.data["secret"]), int(now + 900) // 30)) is not None


def test_what_is_stored_is_not_the_secret_and_another_key_opens_nothing(user: User, settings: Any) -> None:
    device = enrol(user)
    secret, codes, code = second_factor.unsealed(device.data["secret"]), recovery(user), code_of(device)
    rows = " ".join(str(row.data) for row in Authenticator.objects.filter(user=user))
    assert secret not in rows
    assert not any(found in rows for found in codes)
    former, settings.SECRET_KEY = settings.SECRET_KEY, "another"
    assert accepts(user, code) is None
    stored = Authenticator.objects.get(user=user, type="recovery_codes").data["seed"]
    assert SecondFactorAdapter().decrypt(stored) != SecondFactorAdapter().decrypt(stored)  # or its codes could be calculated
    settings.SECRET_KEY_FALLBACKS = [former]
    end_wait(device)
    assert accepts(user, code) == device
    assert accepts(user, codes[0], or_recovery=True) == device


def test_a_reset_ends_what_rests_on_the_app(user: User) -> None:
    device = enrol(user)
    recovery(user)
    assert second_factor.is_device_of(user, device.pk)
    assert second_factor.reset(user) == 2
    assert not second_factor.is_device_of(user, device.pk)
    assert second_factor.is_missing({second_factor.SESSION_KEY: device.pk}, user) is False
    again = enrol(user)
    assert again.pk != device.pk
    assert second_factor.is_missing({second_factor.SESSION_KEY: device.pk}, user) is True
