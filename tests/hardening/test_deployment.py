"""A production-like environment: checks are clean, headers are there, secrets stay out of the logs."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger_project.kernel.actors import Scope
from people.access.authentication import forget_credentials
from people.credentials import create_key
from tests.api.test_tokens import private_pem
from tests.environment import ROOT
from tests.support.factories import unique
from tests.support.log_secrets import PLANTED as PLANTED_KEY
from tests.support.log_secrets import check_logs
from tests.support.servers import Service


def clean(**environment: str) -> dict[str, str]:
    """Return this process's environment without the service's settings, and these."""
    names = ("LEDGER_", "EMAIL_", "SECRET_KEY", "DATABASE_URL", "DJANGO_", "DEBUG", "ALLOWED_HOSTS")
    return {name: value for name, value in os.environ.items() if not name.startswith(names)} | environment


def production(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a service in production, its secrets in files."""
    (tmp_path / "secret_key").write_text(secrets.token_urlsafe(60))
    (tmp_path / "database_url").write_text("postgresql://ledger:planted-password@db.invalid/ledger")
    return clean(
        SECRET_KEY_FILE=str(tmp_path / "secret_key"),
        DATABASE_URL_FILE=str(tmp_path / "database_url"),
        LEDGER_RECEIPT_SIGNING_KEY=SIGNING_KEY,
        LEDGER_PUBLIC_URL="https://ledger.example",
        EMAIL_URL="submission://ledger:planted-password@mail.invalid:587",
        ALLOWED_HOSTS="ledger.example",
        LEDGER_DATA_DIR=str(tmp_path),
    )


def check(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip


def test_check_deploy_is_clean_in_production(tmp_path: Path) -> None:
    found = check(production(tmp_path))
    assert found.returncode == 0, found.stderr
    assert "no issues" in found.stdout


@pytest.mark.parametrize("change", [{"LEDGER_AUTH": "open"}, {"LEDGER_AUTH": "open", "LEDGER_BIND": "0.0.0.0"}, {"LEDGER_HTTPS": "0"}])
def test_check_deploy_tells_what_is_not_for_production(tmp_path: Path, change: dict[str, str]) -> None:
    assert check(production(tmp_path) | change).returncode != 0


def test_a_wrong_secret_file_is_told_without_its_content(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("planted-not-a-key")
    environment = production(tmp_path) | {"LEDGER_JWT_SIGNING_KEY_FILE": str(tmp_path / "key.pem")}
    found = subprocess.run(
        [sys.executable, "-c", "import django; django.setup(); from people.access.tokens import ring; ring()"],
        cwd=ROOT, env=environment | {"DJANGO_SETTINGS_MODULE": "ledger_project.settings"}, capture_output=True, text=True,
        timeout=180, check=False,
    )  # fmt: skip
    assert found.returncode != 0
    assert "LEDGER_JWT_SIGNING_KEY" in found.stderr
    assert "planted" not in found.stderr.replace(str(tmp_path), "")


async def test_answers_of_the_api_say_that_they_are_no_pages(api: httpx.AsyncClient, settings: Any) -> None:
    settings.LEDGER_HTTPS = True
    for path in ("/healthz", "/nothing", "/merchants"):
        headers = (await api.get(path)).headers
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["strict-transport-security"].startswith("max-age=31536000")
    assert "script-src 'self';" in (await api.get("/docs")).headers["content-security-policy"]


@pytest.fixture
def logged(ledger: None) -> Iterator[tuple[Service, Path]]:
    """A service that asks for credentials and logs everything to a file."""
    del ledger
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        environment = {
            "LEDGER_AUTH": "required",
            "LEDGER_LOG_LEVEL": "DEBUG",
            "LEDGER_LOG_FORMAT": "json",
            "SECRET_KEY": PLANTED["secret key"],
            "LEDGER_JWT_SIGNING_KEY": SIGNING_KEY,
        }
        service = Service(env=environment)
        with log.open("wb") as file:
            service.spawn(stderr=file)
        try:
            service.wait_ready()
            yield service, log
        finally:
            service.stop()


SIGNING_KEY = private_pem(Ed25519PrivateKey.generate())
PLANTED = {
    name: f"planted-{name.replace(' ', '-')}-{secrets.token_hex(8)}"
    for name in (
        "secret key",
        "password",
        "memo",
        "metadata",
        "idempotency key",
        "query",
        "token",
        "cookie",
        "reference",
        "username",
        "invitation",
        "reset",
    )
}


def test_no_secret_finds_its_way_into_the_log(logged: tuple[Service, Path]) -> None:
    service, log = logged
    key = create_key(name="till", merchant=None, scopes=list(Scope))
    good = {"Authorization": f"Bearer {key.secret}"}
    body = {
        "from_merchant": "x", "to_merchant": "y", "currency": "USD", "amount": "1", "memo": PLANTED["memo"],
        "metadata": {"card": PLANTED["metadata"]}, "external_reference": PLANTED["reference"],
    }  # fmt: skip
    with httpx.Client(base_url=service.base_url, cookies={"sessionid": PLANTED["cookie"]}, timeout=30) as client:
        for headers in (good, {"Authorization": f"Bearer {PLANTED['token']}"}, {"X-Api-Key": "lk_" + PLANTED["token"]}):
            client.post("/transfers", json=body, headers={**headers, "Idempotency-Key": PLANTED["idempotency key"]})
            client.post("/transfers", content=PLANTED["memo"], headers={**headers, "Content-Type": "application/json"})
            client.get("/merchants", params={"search": PLANTED["query"], "cursor": PLANTED["query"]}, headers=headers)
        credentials = {"username": PLANTED["username"], "password": PLANTED["password"]}
        assert client.post("/auth/token", json=credentials).status_code == 401
        client.post("/auth/token/refresh", json={"refresh": PLANTED["token"]})
        page = client.get("/app/login/")
        client.post(
            "/app/login/", data={**credentials, "login": credentials["username"], "csrfmiddlewaretoken": page.cookies.get("csrftoken", "")}
        )
        client.get(f"/admin/?q={PLANTED['query']}")
        client.get(f"/app/activate/{PLANTED['invitation']}/")
        client.get(f"/app/password/reset/key/1-{PLANTED['reset']}/")
    service.stop()
    text = log.read_text()
    assert '"path":"/transfers"' in text.replace(" ", "")
    secret_part = key.secret.removeprefix(key.prefix)
    secret_values = {**PLANTED, "api key": secret_part, "signing key": SIGNING_KEY.splitlines()[1]}
    leaked = [name for name, value in secret_values.items() if value in text]
    assert not leaked, leaked


@pytest.mark.parametrize(
    "secret", [f"{PLANTED_KEY}1", "lk_" + "a" * 8 + "_" + "b" * 43, "eyJhbGciOiJF.eyJzdWIiOiIx", SIGNING_KEY, "a-key-for-tests-only"]
)
def test_the_look_through_the_logs_of_a_run_finds_secrets(tmp_path: Path, secret: str) -> None:
    (tmp_path / "1.log").write_text('{"logger": "ledger.request", "path": "/transfers"}\n')
    check_logs(tmp_path)
    (tmp_path / "2.log").write_text(f'{{"event": "{secret}"}}\n')
    with pytest.raises(AssertionError, match=r"2\.log"):
        check_logs(tmp_path)


def test_a_head_without_end_is_refused(tmp_path: Path) -> None:
    del tmp_path
    from ledger_project.http.protocol import MAX_HEAD_BYTES

    service = Service()
    service.start()
    try:
        with socket.create_connection(("127.0.0.1", service.port), timeout=60) as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ")
            answer = b""
            try:
                for _ in range(64):
                    client.sendall(b"a" * (MAX_HEAD_BYTES // 8))
                answer = client.recv(4096)
            except (BrokenPipeError, ConnectionResetError):
                pass
            assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
        body = b'{"merchant_name": "%s", "metadata": {"x": "%s"}}' % (unique().encode(), b"y" * 15_000)
        with httpx.Client(base_url=service.base_url, timeout=30) as http:
            assert http.post("/merchants", content=body, headers={"Content-Type": "application/json"}).status_code == 201
            big = http.post("/merchants", content=b" " * 2**20, headers={"Content-Type": "application/json", "Expect": ""})
            assert big.status_code in {400, 422}
            assert http.get("/healthz", headers={"X-Long": "a" * 30_000}).status_code == 200
    finally:
        service.stop()
    forget_credentials()


def test_a_container_passes_on_which_proxies_are_believed() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert services["web"]["environment"]["FORWARDED_ALLOW_IPS"] == "${FORWARDED_ALLOW_IPS:-127.0.0.1}"
    image = (ROOT / "Dockerfile").read_text()
    assert '--forwarded-allow-ips \\"$FORWARDED_ALLOW_IPS\\"' in image
    assert image.index("manage.py check") < image.index("exec uvicorn"), "a proxy that is none is told before anything is served"


def test_callers_behind_a_named_proxy_are_told_apart(serve: Callable[..., Service]) -> None:
    environment = {"LEDGER_AUTH": "required", "LEDGER_RATE_FAILURES": "1", "FORWARDED_ALLOW_IPS": "127.0.0.0/8"}
    with httpx.Client(base_url=serve(env=environment).base_url, timeout=30) as http:

        def statuses(caller: str, times: int) -> list[int]:
            headers = {"Authorization": "Bearer nonsense", "X-Forwarded-For": caller}
            return [http.get("/merchants", headers=headers).status_code for _ in range(times)]

        assert statuses("192.0.2.1", 4) == [401, 401, 429, 429]
        assert statuses("192.0.2.2", 1) == [401]
