"""Access and refresh tokens: JWTs of djangorestframework-simplejwt, signed with EdDSA (Ed25519) or
RS256.

Keys come from the environment or from files, in PEM. The id of a key (``kid``) is its RFC 7638
thumbprint, so operators need not name keys. A signature is checked with that key and that key's own
algorithm only. To rotate: make the new key the signing key, and keep the public half of the old one
among the verifying keys until its last token has expired.

An access token has exactly one of two claims: ``platform`` (true) or ``merchant`` (a merchant's
id). ``scope`` lists scopes, separated by spaces.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import jwt
import structlog
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from django.conf import settings
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError
from rest_framework_simplejwt.tokens import Token

from ledger_project.kernel.actors import MERCHANT_SCOPES, Actor, Credential, InvalidToken, Scope
from ledger_project.kernel.configuration import ConfigurationError
from ledger_project.process.private_files import kept_value

log = structlog.get_logger(__name__)

_SIGNATURE_ONLY: Any = {f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")}
"""The library checks the signature. Claims of any JSON type are checked here, so that the log names
the wrong one."""

_MAX_SUBJECT = 200
_LAST_SECOND = 253_402_300_799
"""The last second of the year 9999."""

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_MIN_RSA_BITS = 2048
_END = "-----END PUBLIC KEY-----"


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key and the one algorithm that it is used with."""

    key: Ed25519PublicKey | RSAPublicKey
    algorithm: str

    @property
    def kid(self) -> str:
        """The key's id: its thumbprint (RFC 7638), a SHA-256 over the required members of its JWK
        in order.
        """
        if isinstance(self.key, RSAPublicKey):
            jwk, names = RSAAlgorithm.to_jwk(self.key, as_dict=True), ("e", "kty", "n")
        else:
            jwk, names = OKPAlgorithm.to_jwk(self.key, as_dict=True), ("crv", "kty", "x")
        members = {name: jwk[name] for name in names}
        digest = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The signing key (None: this service issues no tokens), and the trusted public keys by their
    ids.
    """

    signing: Ed25519PrivateKey | RSAPrivateKey | None
    kid: str | None
    verifying: Mapping[str, VerifyingKey]


def _verifying(key: object) -> VerifyingKey:
    if isinstance(key, Ed25519PublicKey):
        return VerifyingKey(key, "EdDSA")
    if isinstance(key, RSAPublicKey) and key.key_size >= _MIN_RSA_BITS:
        return VerifyingKey(key, "RS256")
    raise ConfigurationError(f"a key for tokens is an Ed25519 key, or an RSA key of {_MIN_RSA_BITS} bits or more")


def load_ring(signing_pem: str, verifying_pem: str) -> KeyRing:
    """Return the keys of a private key in PEM and of any number of public ones.

    Raises ``ConfigurationError``.
    """
    try:
        signing = pem.load_pem_private_key(signing_pem.encode(), password=None) if signing_pem.strip() else None
        blocks = [block + _END for block in verifying_pem.split(_END) if block.strip()]
        public = [pem.load_pem_public_key(block.strip().encode()) for block in blocks]
    except (ValueError, TypeError):
        # The reason is left out: it may quote the key.
        raise ConfigurationError("LEDGER_JWT_SIGNING_KEY or LEDGER_JWT_VERIFYING_KEYS is not a key in PEM") from None
    own = None if signing is None else _verifying(signing.public_key())
    verifying = {found.kid: found for found in [*map(_verifying, public), *([own] if own else [])]}
    return KeyRing(signing, own.kid if own else None, verifying)  # type: ignore[arg-type]  # _verifying has seen its kind


@cache
def ring() -> KeyRing:
    """Return this service's keys.

    The embedded database or DEBUG without a configured key makes one, and keeps it in the data
    folder.
    """
    signing_pem = settings.LEDGER_JWT_SIGNING_KEY
    if not signing_pem and not settings.LEDGER_JWT_VERIFYING_KEYS and (settings.LEDGER_EMBEDDED or settings.DEBUG):
        new = Ed25519PrivateKey.generate().private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())
        signing_pem = kept_value(settings.LEDGER_DATA_DIR / "jwt_signing_key.pem", new.decode())
    return load_ring(signing_pem, settings.LEDGER_JWT_VERIFYING_KEYS)


class ClaimRefused(TokenBackendError):
    """A token is refused.

    ``claim`` names the reason (``signature``: none of our keys signed it).
    """

    def __init__(self, claim: str) -> None:
        super().__init__(f"the token's {claim} is not right")
        self.claim = claim


class RingBackend(TokenBackend):
    """simplejwt's signing and checking, with several keys."""

    def __init__(self) -> None:
        super().__init__("EdDSA", audience=settings.LEDGER_JWT_AUDIENCE, issuer=settings.LEDGER_JWT_ISSUER)

    def encode(self, payload: dict[str, Any]) -> str:
        """Return a signed token."""
        keys = ring()
        if keys.signing is None or keys.kid is None:
            raise TokenBackendError("this service issues no tokens")
        claims = {**payload, "aud": self.audience, "iss": self.issuer}
        return jwt.encode(claims, keys.signing, algorithm=keys.verifying[keys.kid].algorithm, headers={"kid": keys.kid})

    def decode(self, token: str, verify: bool = True) -> dict[str, Any]:  # type: ignore[override]  # its stubs say Token, its code str
        """Return the claims of a token with the right signature, times, issuer and audience.

        Raises ``ClaimRefused``.
        """
        del verify  # an unchecked token is of no use to anybody here
        claims = _signed(token)
        _check(claims, "iss", lambda value: isinstance(value, str) and value == self.issuer)
        _check(claims, "aud", lambda value: self.audience in ([value] if isinstance(value, str) else _texts(value)))
        # A principal is written to logs and stored with transfers: no lone surrogates, NUL or line
        # breaks.
        _check(claims, "sub", lambda value: isinstance(value, str) and 0 < len(value) <= _MAX_SUBJECT and value.isprintable())
        _check(claims, "jti", lambda value: isinstance(value, str) and value != "")
        now = time.time()
        _check(claims, "exp", lambda value: _is_time(value) and value > now)
        for name in ("iat", "nbf") if "nbf" in claims else ("iat",):
            _check(claims, name, lambda value: _is_time(value) and value <= now + settings.LEDGER_JWT_LEEWAY)
        return claims


def _signed(token: str) -> dict[str, Any]:
    """Return the claims of a token that one of our keys has signed. Raises ``ClaimRefused``."""
    try:
        found = ring().verifying[jwt.get_unverified_header(token)["kid"]]
        claims: dict[str, Any] = jwt.decode(token, found.key, algorithms=[found.algorithm], options=_SIGNATURE_ONLY)
    # RecursionError: nested brackets in the token's header, which anybody can write.
    except (jwt.InvalidTokenError, KeyError, TypeError, RecursionError):
        raise ClaimRefused("signature") from None
    return claims


def _check(claims: Mapping[str, Any], name: str, is_right: Callable[[Any], bool]) -> None:
    """Raise ``ClaimRefused`` unless a claim exists and is right. Claims may be JSON of any type."""
    if name not in claims or not is_right(claims[name]):
        raise ClaimRefused(name)


def _is_time(value: object) -> bool:
    """Whether a claim is a NumericDate (RFC 7519, section 2) up to the year 9999.

    NaN and infinity are none.
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LAST_SECOND


def _texts(value: object) -> list[str]:
    """Return a list of text; an empty one for anything else."""
    return value if isinstance(value, list) and all(isinstance(item, str) for item in value) else []


class _LedgerToken(Token):
    def __init__(self, text: str | None = None) -> None:
        super().__init__(text)  # type: ignore[arg-type]  # its stubs say Token, its code str

    def get_token_backend(self) -> RingBackend:
        """Sign and check with our keys."""
        return RingBackend()


class LedgerAccessToken(_LedgerToken):
    """The token of a request. It lives for minutes and cannot be revoked."""

    token_type = "access"  # noqa: S105 - a kind of token, not a token
    lifetime = timedelta(seconds=settings.LEDGER_JWT_ACCESS_LIFETIME)


class LedgerRefreshToken(_LedgerToken):
    """The token that gets a new access token, while the user is active and keeps the password."""

    token_type = "refresh"  # noqa: S105 - a kind of token, not a token
    lifetime = timedelta(seconds=settings.LEDGER_JWT_REFRESH_LIFETIME)


def read_claims(kind: type[_LedgerToken], text: str) -> dict[str, Any]:
    """Return the claims of a token of this kind.

    Raises ``InvalidToken``; the log names the wrong claim. CPU only.
    """
    try:
        claims = RingBackend().decode(text)
        _check(claims, "token_type", lambda value: isinstance(value, str) and value == kind.token_type)
        if kind is LedgerAccessToken:
            _check_access(claims)
    except ClaimRefused as refused:
        log.info("token.refused", kind=kind.token_type, claim=refused.claim)
        raise InvalidToken from None
    return claims


def check_access_token(text: str) -> Credential:
    """Return the caller of an access token. CPU only. Raises ``InvalidToken``."""
    claims = read_claims(LedgerAccessToken, text)
    known = {scope.value for scope in Scope}
    scopes = frozenset(Scope(scope) for scope in claims["scope"].split() if scope in known)
    merchant_id = UUID(claims["merchant"]) if "merchant" in claims else None
    actor = Actor(f"jwt:{claims['sub']}", merchant_id, scopes if merchant_id is None else scopes & MERCHANT_SCOPES)
    return Credential(actor, datetime.fromtimestamp(claims["exp"], UTC))


def _check_access(claims: Mapping[str, Any]) -> None:
    """Check the claims of access tokens: scopes, and the platform or one merchant."""
    _check(claims, "scope", lambda value: isinstance(value, str))
    if "merchant" in claims:
        _check(claims, "merchant", lambda value: isinstance(value, str) and _UUID.fullmatch(value) is not None)
        if "platform" in claims:
            raise ClaimRefused("platform")
    else:
        _check(claims, "platform", lambda value: value is True)
