"""Open mode only at home, and nobody too often."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from django.core import checks

from ledger_project.kernel.actors import RateLimited
from people.access import rate_limits as throttling
from people.access.authentication import forget_credentials
from tests.api.test_authorization import bearer, new_key
from tests.environment import ROOT
from tests.support.servers import Service


@pytest.fixture
def limited(settings: Any) -> Iterator[Any]:
    settings.LEDGER_AUTH = "required"
    throttling.release_all()
    forget_credentials()
    yield settings
    throttling.release_all()
    forget_credentials()


async def refused(api: httpx.AsyncClient, headers: dict[str, str], times: int) -> list[int]:
    statuses = []
    for _ in range(times):
        response = await api.get("/merchants/nobody-here", headers=headers)
        statuses.append(response.status_code)
        if response.status_code == 429:
            assert response.json()["code"] == "rate_limited"
            assert int(response.headers["retry-after"]) >= 1
    return statuses


async def test_a_credential_has_its_own_limit(api: httpx.AsyncClient, limited: Any) -> None:
    limited.LEDGER_RATE_CREDENTIAL = 2.0
    one, other = bearer((await new_key()).secret), bearer((await new_key()).secret)
    assert await refused(api, one, 6) == [404] * 4 + [429] * 2
    assert await refused(api, other, 1) == [404]


async def test_an_address_has_its_own_limit_for_callers_who_got_in(api: httpx.AsyncClient, limited: Any) -> None:
    limited.LEDGER_RATE_ADDRESS = 1.0
    one, other = bearer((await new_key()).secret), bearer((await new_key()).secret)
    assert await refused(api, one, 1) + await refused(api, other, 1) + await refused(api, one, 1) == [404, 404, 429]
    assert (await api.get("/healthz")).status_code == 200


async def test_who_guesses_at_credentials_has_to_wait(api: httpx.AsyncClient, limited: Any) -> None:
    limited.LEDGER_RATE_FAILURES = 1.0
    assert await refused(api, bearer("lk_AAAAAAAA_" + "A" * 43), 4) == [401, 401, 429, 429]
    assert await refused(api, bearer("nonsense"), 1) == [429]


BAD = {
    "a key that nobody has": lambda number: bearer(f"lk_AAAAAAAA_{number:043d}"),
    "what is no credential": lambda number: bearer(f"nonsense-{number}"),
    "no credential": lambda number: {"X-Number": str(number)},
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
async def test_a_stranger_at_the_same_address_slows_down_nobody(api: httpx.AsyncClient, limited: Any, bad: Callable[[int], Any]) -> None:
    limited.LEDGER_RATE_FAILURES, limited.LEDGER_RATE_ADDRESS, limited.LEDGER_CREDENTIAL_CACHE = 1.0, 20.0, 0.001
    known = bearer((await new_key()).secret)
    assert await refused(api, known, 1) == [404]
    for number in range(10):
        await refused(api, bad(number), 1)
    assert await refused(api, bearer((await new_key()).secret), 1) == [404], "a good key that this process sees for the first time"
    for number in range(10, 80):
        await refused(api, bad(number), 1)
    assert await refused(api, known, 20) == [404] * 20, "a good key that this process has seen, when strangers are not even looked at"


def test_a_bucket_fills_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(throttling.time, "monotonic", lambda: now[0])
    brake = throttling.Brake()
    for _ in range(20):
        brake.take("a", rate=10)
    with pytest.raises(RateLimited) as caught:
        brake.take("a", rate=10)
    assert caught.value.retry_after_s == 1
    now[0] += 0.1
    brake.take("a", rate=10)
    with pytest.raises(RateLimited):
        brake.take("a", rate=10)
    now[0] += 3600
    for _ in range(20):
        brake.take("a", rate=10)


def test_an_ipv6_network_is_one_address() -> None:
    from django.test import RequestFactory

    def of(address: str) -> str:
        return throttling.address_of(RequestFactory().get("/", REMOTE_ADDR=address))

    assert of("2001:db8:1:2:3:4:5:6") == of("2001:db8:1:2:ffff:4:5:7") != of("2001:db8:1:3:3:4:5:6")
    assert of("192.0.2.1") != of("192.0.2.2")


# --- open mode --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("auth", "bind", "debug", "problem"),
    [
        ("open", "", False, "ledger.E005"),
        ("open", "", True, None),
        ("open", "127.0.0.1", False, None),
        ("open", "::1", False, None),
        ("open", "localhost", False, None),
        ("open", "0.0.0.0", False, "ledger.E004"),
        ("open", "0.0.0.0", True, "ledger.E004"),
        ("open", "::", True, "ledger.E004"),
        ("open", "192.0.2.1", True, "ledger.E004"),
        ("required", "0.0.0.0", False, None),
        ("required", "", False, None),
    ],
)
def test_open_mode_is_refused_where_others_could_come_in(settings: Any, auth: str, bind: str, debug: bool, problem: str | None) -> None:
    settings.LEDGER_AUTH, settings.LEDGER_BIND, settings.DEBUG = auth, bind, debug
    found = [message.id for message in checks.run_checks() if message.id in {"ledger.E004", "ledger.E005"}]
    assert found == ([problem] if problem else [])


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**inherited, "LEDGER_DATA_DIR": os.environ["LEDGER_DATA_DIR"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_default_is_that_credentials_are_required() -> None:
    program = "from django.conf import settings; from django.core.management import call_command; call_command('check'); print(settings.LEDGER_AUTH)"
    shown = manage("shell", "--no-imports", "-c", program)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.strip().splitlines()[-1] == "required"
    refused = manage("check", LEDGER_AUTH="open")
    assert refused.returncode != 0
    assert "ledger.E005" in refused.stderr
    assert "LEDGER_AUTH" in manage("check", LEDGER_AUTH="maybe").stderr


async def test_open_mode_answers_on_loopback_only_whatever_was_checked(api: httpx.AsyncClient) -> None:
    from ledger_project.asgi import application

    async def status(server: str) -> int:
        sent: list[dict[str, Any]] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = {
            "type": "http", "method": "GET", "path": "/merchants", "raw_path": b"/merchants", "query_string": b"", "headers": [],
            "scheme": "http", "server": (server, 8000), "client": ("192.0.2.7", 5), "http_version": "1.1", "root_path": "",
        }  # fmt: skip
        await application(scope, receive, send)
        code: int = sent[0]["status"]
        return code

    assert await status("127.0.0.1") == 200
    assert await status("::1") == 200
    assert await status("192.0.2.1") == 403


def test_a_real_server_asks_for_a_credential_unless_it_is_told_not_to(serve: Callable[..., Service]) -> None:
    service = serve(env={"LEDGER_AUTH": "required", "LEDGER_BIND": ""})
    for path, status in (("/healthz", 200), ("/readyz", 200), ("/docs", 200), ("/openapi.json", 200), ("/merchants", 401)):
        assert httpx.get(service.base_url + path, timeout=30).status_code == status


@pytest.mark.parametrize("name", ["testserver", "localhost:8000", "127.0.0.1:8000", "[::1]:8000"])
async def test_open_mode_answers_to_its_own_names(api: httpx.AsyncClient, name: str) -> None:
    assert (await api.get("/merchants", headers={"Host": name})).status_code == 200


@pytest.mark.parametrize("name", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example:8000", "@", ":"])
async def test_open_mode_does_not_answer_to_another_name_for_loopback(api: httpx.AsyncClient, name: str) -> None:
    """DNS rebinding: a web page whose name resolves to 127.0.0.1 is kept out by the name that the browser sends."""
    for _ in range(2):
        answer = await api.get("/merchants", headers={"Host": name})
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
