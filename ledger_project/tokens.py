"""Access and refresh tokens: JWTs of djangorestframework-simplejwt, signed with EdDSA (Ed25519) or RS256.

Keys come from the environment or from files, in PEM. A key's id (``kid``) is its RFC 7638 thumbprint, so nobody has to name keys, and
the signature is checked with that key and that key's own algorithm only, whatever the token says. To rotate: make the new key the
signing key and put the public half of the old one among the verifying keys, until the last token that it signed has expired.

An access token says whose it is by one of two claims: ``platform`` (true) or ``merchant`` (a merchant's id); one with neither or both is
no good. ``scope`` lists scopes, separated by spaces.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from django.conf import settings
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenError
from rest_framework_simplejwt.tokens import Token

from ledger_project.configuration import ConfigurationError, kept_value
from ledger_project.kernel.access import MERCHANT_SCOPES, Actor, Credential, InvalidToken, Scope

_REQUIRED = ["exp", "iat", "sub", "jti", "aud", "iss"]
_MIN_RSA_BITS = 2048
_END = "-----END PUBLIC KEY-----"


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key and the one algorithm that it is used with."""

    key: Ed25519PublicKey | RSAPublicKey
    algorithm: str

    @property
    def kid(self) -> str:
        """The key's id: its thumbprint (RFC 7638), SHA-256 over the required members of its JWK in order."""
        if isinstance(self.key, RSAPublicKey):
            jwk, names = RSAAlgorithm.to_jwk(self.key, as_dict=True), ("e", "kty", "n")
        else:
            jwk, names = OKPAlgorithm.to_jwk(self.key, as_dict=True), ("crv", "kty", "x")
        members = {name: jwk[name] for name in names}
        digest = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The key that signs (None: this service issues no tokens) and the public ones that are believed, by their ids."""

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
    """Return the keys of a private key in PEM, and of any number of public ones one after the other. Raises ``ConfigurationError``."""
    try:
        signing = pem.load_pem_private_key(signing_pem.encode(), password=None) if signing_pem.strip() else None
        blocks = [block + _END for block in verifying_pem.split(_END) if block.strip()]
        public = [pem.load_pem_public_key(block.strip().encode()) for block in blocks]
    except (ValueError, TypeError):
        # Not the reason, which may quote the key.
        raise ConfigurationError("LEDGER_JWT_SIGNING_KEY or LEDGER_JWT_VERIFYING_KEYS is not a key in PEM") from None
    own = None if signing is None else _verifying(signing.public_key())
    verifying = {found.kid: found for found in [*map(_verifying, public), *([own] if own else [])]}
    return KeyRing(signing, own.kid if own else None, verifying)  # type: ignore[arg-type]  # _verifying has seen its kind


@cache
def ring() -> KeyRing:
    """Return this service's keys. With the embedded database or DEBUG and none configured, one is made and kept in the data folder."""
    signing_pem = settings.LEDGER_JWT_SIGNING_KEY
    if not signing_pem and not settings.LEDGER_JWT_VERIFYING_KEYS and (settings.LEDGER_EMBEDDED or settings.DEBUG):
        new = Ed25519PrivateKey.generate().private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())
        signing_pem = kept_value(settings.LEDGER_DATA_DIR / "jwt_signing_key.pem", new.decode())
    return load_ring(signing_pem, settings.LEDGER_JWT_VERIFYING_KEYS)


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
        """Return the claims of a token whose signature, times, issuer and audience are right. Raises ``TokenBackendError``."""
        del verify  # an unchecked token is of no use to anybody here
        try:
            found = ring().verifying[jwt.get_unverified_header(token)["kid"]]
            claims: dict[str, Any] = jwt.decode(
                token,
                found.key,
                algorithms=[found.algorithm],
                audience=self.audience,
                issuer=self.issuer,
                options={"require": _REQUIRED},
            )
        except (jwt.InvalidTokenError, KeyError, TypeError):
            raise TokenBackendError("the token is not valid") from None
        return claims


class _LedgerToken(Token):
    def __init__(self, text: str | None = None) -> None:
        super().__init__(text)  # type: ignore[arg-type]  # its stubs say Token, its code str

    def get_token_backend(self) -> RingBackend:
        """Sign and check with our keys."""
        return RingBackend()


class LedgerAccessToken(_LedgerToken):
    """What a caller shows with each request; lives for minutes, cannot be taken back."""

    token_type = "access"  # noqa: S105 - a kind of token, not a token  # nosec B105
    lifetime = timedelta(seconds=settings.LEDGER_JWT_ACCESS_LIFETIME)


class LedgerRefreshToken(_LedgerToken):
    """What gets a new access token: only while the user is active and has the password that they had."""

    token_type = "refresh"  # noqa: S105 - a kind of token, not a token  # nosec B105
    lifetime = timedelta(seconds=settings.LEDGER_JWT_REFRESH_LIFETIME)


def check_access_token(text: str) -> Credential:
    """Return whose an access token is. CPU only. Raises ``InvalidToken``."""
    try:
        token = LedgerAccessToken(text)
        actor = _actor(token.payload)
    except (TokenError, ValueError, KeyError, TypeError, AttributeError):
        raise InvalidToken from None
    return Credential(actor, datetime.fromtimestamp(token["exp"], UTC))


def _actor(claims: Mapping[str, Any]) -> Actor:
    known = {scope.value for scope in Scope}
    scopes = frozenset(Scope(text) for text in claims["scope"].split() if text in known)
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= 200:
        raise ValueError
    if claims.get("platform") is True and "merchant" not in claims:
        return Actor(f"jwt:{subject}", None, scopes)
    if "platform" in claims:
        raise ValueError
    return Actor(f"jwt:{subject}", UUID(claims["merchant"]), scopes & MERCHANT_SCOPES)
