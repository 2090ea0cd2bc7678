"""Access tokens: issued to users, checked by issuer, audience, time, key and kind, and rotated without a break."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from django.contrib.auth.models import Permission

from ledger_project.checks import check_settings
from ledger_project.configuration import environment_secret
from ledger_project.database.readers import in_reader
from ledger_project.kernel.actors import Scope
from ledger_project.kernel.configuration import ConfigurationError
from merchants.selectors import identify
from people.access import tokens
from people.access.authentication import forget_credentials
from people.models import User
from people.views.tokens import release_attempts
from tests.support.factories import key, merchant, transfer, unique
from transfers.models import Transfer

PASSWORD = "correct horse battery staple"


def private_pem(private: Ed25519PrivateKey | RSAPrivateKey) -> str:
    return private.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption()).decode()


def public_pem(private: Ed25519PrivateKey | RSAPrivateKey) -> str:
    return private.public_key().public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture
def required(settings: Any) -> Iterator[Any]:
    """Credentials are required, and one fresh key signs."""
    settings.LEDGER_AUTH = "required"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # its slowness is not what is tested
    use(settings, Ed25519PrivateKey.generate())
    release_attempts()
    yield settings
    tokens.ring.cache_clear()
    forget_credentials()


def use(settings: Any, signing: Ed25519PrivateKey | RSAPrivateKey, *others: Ed25519PrivateKey | RSAPrivateKey) -> None:
    settings.LEDGER_JWT_SIGNING_KEY = private_pem(signing)
    settings.LEDGER_JWT_VERIFYING_KEYS = "\n".join(public_pem(other) for other in others)
    tokens.ring.cache_clear()
    forget_credentials()


def minted(private: Ed25519PrivateKey | RSAPrivateKey, *, kid: str | None = None, algorithm: str = "EdDSA", **changes: Any) -> str:
    """Return a token of another issuer's making: good, but for the changes; a claim changed to None is left out."""
    now = datetime.now(UTC)
    claims: dict[str, Any] = {
        "sub": "till-7", "platform": True, "scope": "merchants:read transfers:read", "iss": "ledger", "aud": "ledger", "jti": unique(),
        "token_type": "access", "iat": now, "exp": now + timedelta(minutes=5),
    }  # fmt: skip
    claims = {name: value for name, value in (claims | changes).items() if value is not None}
    header = {"kid": tokens._verifying(private.public_key()).kid if kid is None else kid}
    return jwt.encode(claims, private, algorithm=algorithm, headers=header)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def user(*permissions: str, **extra: Any) -> str:
    """Make a user with these permissions and return its name."""
    name = unique("user")

    def make() -> None:
        made = User.objects.create_user(name, password=PASSWORD, **{"is_staff": True} | extra)
        made.user_permissions.set(Permission.objects.filter(codename__in=permissions))

    await in_reader(make)
    return name


async def log_in(api: httpx.AsyncClient, name: str, password: str = PASSWORD) -> httpx.Response:
    return await api.post("/auth/token", json={"username": name, "password": password})


async def test_a_user_gets_a_token_with_the_scopes_of_their_permissions(api: httpx.AsyncClient, required: Any) -> None:
    answer = (await log_in(api, await user("view_merchant"))).json()
    assert (answer["scope"], answer["token_type"], answer["expires_in"]) == ("merchants:read", "Bearer", 300)
    assert (await api.get("/merchants", headers=bearer(answer["access"]))).status_code == 200
    denied = await api.get("/transfers", headers=bearer(answer["access"]))
    assert (denied.status_code, denied.json()["required_scope"]) == (403, "transfers:read")
    assert 'scope="transfers:read"' in denied.headers["www-authenticate"]


async def test_who_may_decide_in_the_admin_may_decide_by_the_api(api: httpx.AsyncClient, required: Any) -> None:
    answer = (await log_in(api, await user("decide_approval"))).json()
    assert answer["scope"] == "approvals:write"
    assert (await api.get("/approvals", headers=bearer(answer["access"]))).status_code == 200


async def test_a_superuser_may_do_everything_and_signs_their_transfers(api: httpx.AsyncClient, required: Any) -> None:
    name = await user(is_superuser=True)
    answer = (await log_in(api, name)).json()
    assert set(answer["scope"].split()) == set(Scope)
    api.headers.update(bearer(answer["access"]))
    try:
        made = await transfer(api, await merchant(api, "10.00"), await merchant(api), 100)
    finally:
        del api.headers["Authorization"]
    stored = await in_reader(Transfer.objects.get, id=made.json()["id"])
    number = (await in_reader(User.objects.get, username=name)).pk
    assert stored.principal == f"jwt:user-{number}"


async def test_a_wrong_password_an_unknown_or_inactive_user_get_the_same_answer(api: httpx.AsyncClient, required: Any) -> None:
    name, gone = await user(), await user(is_active=False)
    answers = [await log_in(api, name, "wrong"), await log_in(api, "nobody-here"), await log_in(api, gone)]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.json()["detail"] for answer in answers}) == 1


async def test_attempts_at_one_user_from_one_address_are_few(api: httpx.AsyncClient, required: Any) -> None:
    name = await user("view_merchant")
    for _ in range(10):
        await log_in(api, name, "wrong")
    response = await log_in(api, name)
    assert (response.status_code, response.json()["code"]) == (429, "rate_limited")
    assert int(response.headers["retry-after"]) > 0
    release_attempts()


async def test_a_stranger_who_guesses_at_the_same_address_is_in_nobodys_way(api: httpx.AsyncClient, required: Any, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    old, new = await user("view_merchant"), await user("view_merchant")
    known = (await log_in(api, old)).json()
    guesses = [(await api.post("/auth/token/refresh", json={"refresh": f"x{number}"})).status_code for number in range(12)]
    assert guesses == [401] * 10 + [429] * 2
    for number in range(10):
        await log_in(api, f"somebody-{number}", "wrong")
    assert (await log_in(api, new)).status_code == 200
    crowd = [(await log_in(api, f"anybody-{number}", "wrong")).status_code for number in range(60)]
    assert crowd[-1] == 429, "the CPU for passwords is bounded for each address"
    assert (await log_in(api, old)).status_code == 200
    assert (await api.post("/auth/token/refresh", json={"refresh": known["refresh"]})).status_code == 200
    release_attempts()


async def test_a_refresh_token_gets_access_until_the_password_changes(api: httpx.AsyncClient, required: Any) -> None:
    name = await user("view_merchant")
    first = (await log_in(api, name)).json()
    again = await api.post("/auth/token/refresh", json={"refresh": first["refresh"]})
    assert again.status_code == 200
    assert (await api.get("/merchants", headers=bearer(again.json()["access"]))).status_code == 200
    assert (await api.get("/merchants", headers=bearer(first["refresh"]))).status_code == 401
    assert (await api.post("/auth/token/refresh", json={"refresh": first["access"]})).status_code == 401

    def change() -> None:
        changed = User.objects.get(username=name)
        changed.set_password("something else entirely")
        changed.save()

    await in_reader(change)
    assert (await api.post("/auth/token/refresh", json={"refresh": first["refresh"]})).status_code == 401


async def test_a_merchants_token_sees_its_merchant_only(api: httpx.AsyncClient, settings: Any) -> None:
    mine, other = await merchant(api, "10.00"), await merchant(api)
    identity = (await identify(names=[mine])).merchant(mine)
    assert identity is not None
    settings.LEDGER_AUTH = "required"
    issuer = Ed25519PrivateKey.generate()
    use(settings, Ed25519PrivateKey.generate(), issuer)
    headers = bearer(minted(issuer, platform=None, merchant=str(identity.id), scope="merchants:read operations:read unknown:scope"))
    assert (await api.get(f"/merchants/{mine}", headers=headers)).status_code == 200
    assert (await api.get(f"/merchants/{other}", headers=headers)).status_code == 404
    assert (await api.post("/transfers", json={}, headers={**headers, **key()})).status_code == 403
    tokens.ring.cache_clear()


async def test_keys_rotate_without_a_break(api: httpx.AsyncClient, required: Any) -> None:
    old, new, retired = Ed25519PrivateKey.generate(), generate_private_key(65537, 2048), Ed25519PrivateKey.generate()
    use(required, old)
    name = await user("view_merchant")
    before = (await log_in(api, name)).json()["access"]
    use(required, new, old)
    after = (await log_in(api, name)).json()["access"]
    assert jwt.get_unverified_header(before)["alg"] == "EdDSA"
    assert jwt.get_unverified_header(after)["alg"] == "RS256"
    assert jwt.get_unverified_header(before)["kid"] != jwt.get_unverified_header(after)["kid"]
    for token, status in ((before, 200), (after, 200), (minted(retired), 401)):
        assert (await api.get("/merchants", headers=bearer(token))).status_code == status
    use(required, new)
    assert (await api.get("/merchants", headers=bearer(before))).status_code == 401


NOW = datetime(2026, 1, 1, tzinfo=UTC)
WRONG = {
    "expired": {"exp": NOW},
    "without an end": {"exp": None},
    "of another issuer": {"iss": "somebody"},
    "without an issuer": {"iss": None},
    "for another audience": {"aud": "warehouse"},
    "without an audience": {"aud": None},
    "without a subject": {"sub": None},
    "with an empty subject": {"sub": ""},
    "without an id": {"jti": None},
    "of another kind": {"token_type": "refresh"},
    "of no kind": {"token_type": None},
    "of nobody": {"platform": None},
    "of a platform that is not quite": {"platform": 1},
    "of both": {"merchant": "01900000-0000-7000-8000-000000000000"},
    "of a merchant that is no id": {"platform": None, "merchant": "alice"},
    "without scopes": {"scope": None},
    "with scopes as a list": {"scope": ["merchants:read"]},
    "not yet valid": {"nbf": datetime(2100, 1, 1, tzinfo=UTC)},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG.keys())
async def test_a_token_that_is_wrong_in_one_way_is_no_token(api: httpx.AsyncClient, required: Any, changes: dict[str, Any]) -> None:
    private = Ed25519PrivateKey.generate()
    use(required, private)
    assert (await api.get("/merchants", headers=bearer(minted(private)))).status_code == 200
    response = await api.get("/merchants", headers=bearer(minted(private, **changes)))
    assert (response.status_code, response.json()["code"]) == (401, "invalid_token")


async def test_a_token_cannot_choose_how_it_is_checked(api: httpx.AsyncClient, required: Any) -> None:
    private = Ed25519PrivateKey.generate()
    use(required, private)
    good = minted(private)
    kid = jwt.get_unverified_header(good)["kid"]
    claims = jwt.decode(good, options={"verify_signature": False})
    forged = [
        jwt.encode(claims, "", algorithm="none", headers={"kid": kid}),
        jwt.encode(claims, "x" * 64, algorithm="HS256", headers={"kid": kid}),
        minted(Ed25519PrivateKey.generate(), kid=kid),
        minted(private, kid="unknown"),
        minted(generate_private_key(65537, 2048), kid=kid, algorithm="RS256"),
        good[:-4] + "AAAA",
        good.rpartition(".")[0] + ".",
        "a.b.c",
        "..",
        "é",
    ]
    for token in forged:
        response = await api.get("/merchants", headers={"Authorization": f"Bearer {token}".encode("latin-1")})
        assert (response.status_code, response.json()["code"]) == (401, "invalid_token"), token


# JSON of every type, for every claim.
ODD: list[Any] = [
    None, True, False, 0, 1, -1, 10**18, -(10**18), 10**1000, 1.5, 1e300, float("nan"), float("inf"), float("-inf"), "", "1", "now",
    "\x00", "\ud800", "a\nb", "x" * 300, [], [None], ["ledger", 1], [["ledger"]], [[[[]]]], {}, {"ledger": "ledger"},
]  # fmt: skip
RIGHT: dict[str, Callable[[Any], bool]] = {
    "platform": lambda value: value is True,
    "scope": lambda value: isinstance(value, str),
    "jti": lambda value: isinstance(value, str) and value != "",
    "sub": lambda value: value in ("1", "now"),
    "iat": lambda value: type(value) in {int, float} and 0 <= value < 2,
    "nbf": lambda value: type(value) in {int, float} and 0 <= value < 2,
}
"""Which of them is right for a claim; for the others none is."""

CLAIMS = ("iss", "aud", "sub", "jti", "exp", "iat", "nbf", "token_type", "scope", "platform", "merchant")


def signed(private: Ed25519PrivateKey, payload: bytes | str, **header: Any) -> str:
    """Return a token with any payload, JSON or not."""
    header = {"kid": tokens._verifying(private.public_key()).kid, **header}
    content = payload.encode("utf-8", "surrogatepass") if isinstance(payload, str) else payload
    return jwt.PyJWS().encode(content, private, algorithm="EdDSA", headers=header)


def claims_with(**changes: Any) -> str:
    now = int(datetime.now(UTC).timestamp())
    claims = {
        "sub": "till-7", "platform": True, "scope": "merchants:read", "iss": "ledger", "aud": "ledger", "jti": unique(),
        "token_type": "access", "iat": now, "exp": now + 300,
    }  # fmt: skip
    return json.dumps(claims | changes)


@pytest.fixture
def refusals() -> Iterator[list[str]]:
    """What the log says of tokens that are refused: the claim of each."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.msg["claim"])

    logger, listener = logging.getLogger("people.access.tokens"), Listener()
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(listener)
    yield said
    logger.removeHandler(listener)
    logger.setLevel(level)


@pytest.mark.parametrize("claim", CLAIMS)
async def test_a_claim_of_any_type_is_refused_and_named_in_the_log(
    api: httpx.AsyncClient, required: Any, refusals: list[str], claim: str
) -> None:
    private = Ed25519PrivateKey.generate()
    use(required, private)
    for value in ODD:
        if RIGHT.get(claim, lambda _value: False)(value):
            continue
        refusals.clear()
        token = signed(private, claims_with(**{claim: value}))
        response = await api.get("/merchants", headers=bearer(token))
        assert (response.status_code, response.json()["code"]) == (401, "invalid_token"), (claim, value)
        assert refusals == [claim], (claim, value)


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if claim not in {"nbf", "merchant"}])
async def test_a_claim_that_is_missing_is_named_in_the_log(api: httpx.AsyncClient, required: Any, refusals: list[str], claim: str) -> None:
    private = Ed25519PrivateKey.generate()
    use(required, private)
    assert (await api.get("/merchants", headers=bearer(minted(private, **{claim: None})))).status_code == 401
    assert refusals == [claim]


async def test_a_clock_that_is_a_little_ahead_is_forgiven(api: httpx.AsyncClient, required: Any, refusals: list[str]) -> None:
    private = Ed25519PrivateKey.generate()
    use(required, private)
    required.LEDGER_JWT_LEEWAY = 10
    now = int(datetime.now(UTC).timestamp())
    for name in ("iat", "nbf"):
        for ahead, status in ((1, 200), (8, 200), (60, 401)):
            token = signed(private, claims_with(**{name: now + ahead}))
            assert (await api.get("/merchants", headers=bearer(token))).status_code == status, (name, ahead)
    required.LEDGER_JWT_LEEWAY = 0
    assert (await api.get("/merchants", headers=bearer(signed(private, claims_with(iat=now + 5))))).status_code == 401
    assert (await api.get("/merchants", headers=bearer(signed(private, claims_with(exp=now - 1))))).status_code == 401
    assert refusals == ["iat", "nbf", "iat", "exp"]


async def test_times_with_a_fraction_and_the_last_ones_are_times(api: httpx.AsyncClient, required: Any) -> None:
    private = Ed25519PrivateKey.generate()
    use(required, private)
    now = datetime.now(UTC).timestamp()
    for changes in ({"exp": now + 60.5}, {"iat": now - 0.5}, {"exp": 253_402_300_799}, {"nbf": 0}):
        assert (await api.get("/merchants", headers=bearer(signed(private, claims_with(**changes))))).status_code == 200
    assert (await api.get("/merchants", headers=bearer(signed(private, claims_with(exp=253_402_300_800))))).status_code == 401


async def test_what_is_no_token_at_all_is_no_server_fault(api: httpx.AsyncClient, required: Any, refusals: list[str]) -> None:
    private = Ed25519PrivateKey.generate()
    use(required, private)

    def part(text: str) -> str:
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    deep = "[" * 2000
    headers = [deep, '{"kid":' + deep, "[]", "1", "null", '{"alg":"EdDSA"}']
    headers += [json.dumps({"alg": alg, "kid": kid}) for alg in (None, 1, [], {}, "EdDSA") for kid in ODD if kid != 10**1000]
    sent = [f"{part(header)}.{part('{}')}.{part('x')}" for header in headers]
    sent += [signed(private, payload) for payload in (deep, "[]", "1", "null", b"\xff\xfe", "")]
    sent.append(signed(private, "{}", crit=["b64"], b64=False))
    for token in sent:
        response = await api.get("/merchants", headers=bearer(token))
        assert (response.status_code, response.json()["code"]) == (401, "invalid_token"), token[:100]
    assert set(refusals) == {"signature"}


async def test_a_refresh_token_with_odd_claims_is_none(api: httpx.AsyncClient, required: Any) -> None:
    private = Ed25519PrivateKey.generate()
    use(required, private)
    number = (await in_reader(User.objects.get, username=await user("view_merchant"))).pk
    odd = [
        {"sub": sub}
        for sub in (
            "user-1",
            f"user-{UUID(int=0)}",
            f"user-{number.hex}",
            f"user-{str(number).upper()}",
            f"user-{number} ",
            f"person-{number}",
        )
    ]
    odd += [{"stamp": stamp} for stamp in ODD] + [{}]
    for changes in odd:
        claims = claims_with(**{"sub": f"user-{number}", "token_type": "refresh", **changes})
        response = await api.post("/auth/token/refresh", json={"refresh": signed(private, claims)})
        assert (response.status_code, response.json()["code"]) == (401, "invalid_token"), changes
        release_attempts()


def test_a_leeway_that_would_believe_any_clock_is_refused_at_start(settings: Any) -> None:
    for seconds, wanted in ((0, []), (10, []), (300, []), (-1, ["ledger.E006"]), (301, ["ledger.E006"]), (float("nan"), ["ledger.E006"])):
        settings.LEDGER_JWT_LEEWAY = seconds
        assert [error.id for error in check_settings(None)] == wanted


async def test_without_a_signing_key_no_tokens_are_issued(api: httpx.AsyncClient, required: Any) -> None:
    required.LEDGER_JWT_SIGNING_KEY, required.LEDGER_JWT_VERIFYING_KEYS = "", public_pem(Ed25519PrivateKey.generate())
    tokens.ring.cache_clear()
    assert (await log_in(api, "anybody")).status_code == 404


@pytest.mark.parametrize("text", ["nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_key_that_is_none_is_told_without_being_quoted(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        tokens.load_ring(text, "")
    assert "AAAA" not in str(caught.value)


def test_a_weak_rsa_key_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="2048"):
        tokens.load_ring(private_pem(generate_private_key(65537, 1024)), "")  # noqa: S505 - it is the point


def test_secrets_come_from_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    file.write_text("from a file\n")
    monkeypatch.setenv("LEDGER_TEST_SECRET_FILE", str(file))
    assert environment_secret("LEDGER_TEST_SECRET") == "from a file"
    monkeypatch.setenv("LEDGER_TEST_SECRET", "both")
    with pytest.raises(ConfigurationError):
        environment_secret("LEDGER_TEST_SECRET")
    monkeypatch.delenv("LEDGER_TEST_SECRET")
    monkeypatch.setenv("LEDGER_TEST_SECRET_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError):
        environment_secret("LEDGER_TEST_SECRET")
