"""Signatures of receipts: compact JWS (RFC 7515) with Ed25519 keys.

The key comes from a setting, in PEM. Its id (``kid``) is its RFC 7638 thumbprint, so operators need
not name keys. To rotate: make the new key the signing key, and keep the public half of the old one
among the former keys for good, because receipts are kept for good.

The header says ``EdDSA`` (RFC 8037). RFC 9864 has renamed that to ``Ed25519``, which few libraries
know yet: receipts are for everybody, so they have the name that everybody's library reads. Both
names are the same signature, and both are verified here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry, deserialize_compact, extract_compact, serialize_compact

from ledger_project.kernel.configuration import ConfigurationError
from ledger_project.process.private_files import kept_value

ALGORITHM = "EdDSA"
_NAMES = (ALGORITHM, "Ed25519")
_END = "-----END PUBLIC KEY-----"


class _Registry(JWSRegistry):
    """The one algorithm under its two names. joserfc's own registry warns of the older name."""

    def get_alg(self, name: str) -> Any:  # its type is private in joserfc
        """Return the algorithm. Any other name is refused."""
        return self.algorithms[name] if name in _NAMES else super().get_alg(name)


_REGISTRY = _Registry(algorithms=_NAMES)


class BadSignature(Exception):
    """A text is no signature of a known key; the message says why."""


@dataclass(frozen=True, slots=True)
class Signers:
    """The signing key (None: receipts are not signed), and all public keys by their ids."""

    signing: OKPKey | None
    public: Mapping[str, OKPKey]

    def sign(self, payload: bytes) -> str | None:
        """Return the compact JWS of a payload; None without a key."""
        if self.signing is None:
            return None
        return serialize_compact({"alg": ALGORITHM, "kid": self.signing.thumbprint()}, payload, self.signing, registry=_REGISTRY)

    def verified(self, signature: str) -> bytes:
        """Return the payload of a compact JWS that one of the keys has signed.

        Raises ``BadSignature``.
        """
        try:
            kid = extract_compact(signature.encode(), registry=_REGISTRY).headers().get("kid")
            key = self.public.get(str(kid))
            if key is None:
                raise BadSignature(f"no key with the id {kid!r} is known")
            return deserialize_compact(signature, key, registry=_REGISTRY).payload
        except (JoseError, ValueError) as error:
            raise BadSignature(f"the signature is not right ({type(error).__name__})") from None

    def jwks(self) -> dict[str, object]:
        """Return the public keys as a JWK set (RFC 7517), the signing key's first."""
        return {"keys": [_public_members(kid, key) for kid, key in self.public.items()]}


def _public_members(kid: str, key: OKPKey) -> dict[str, object]:
    members = key.as_dict(private=False)
    return {"kty": members["kty"], "crv": members["crv"], "x": members["x"], "kid": kid, "use": "sig", "alg": ALGORITHM}


def _ed25519(key: object) -> OKPKey:
    if not isinstance(key, Ed25519PrivateKey | Ed25519PublicKey):
        raise ConfigurationError("a key for receipts is an Ed25519 key")
    return OKPKey.import_key(key)


def load_signers(signing_pem: str, former_pem: str) -> Signers:
    """Return the keys of a private key in PEM and of any number of public ones.

    Raises ``ConfigurationError``, which never quotes a key.
    """
    try:
        signing = _ed25519(pem.load_pem_private_key(signing_pem.encode(), password=None)) if signing_pem.strip() else None
        blocks = [block + _END for block in former_pem.split(_END) if block.strip()]
        former = [_ed25519(pem.load_pem_public_key(block.strip().encode())) for block in blocks]
    except (ValueError, TypeError):
        raise ConfigurationError("LEDGER_RECEIPT_SIGNING_KEY or LEDGER_RECEIPT_FORMER_KEYS is not a key in PEM") from None
    return Signers(signing, {key.thumbprint(): key for key in [*([signing] if signing else []), *former]})


def read_jwks(members: Sequence[Mapping[str, str]]) -> Signers:
    """Return the public keys of a JWK set's ``keys``; keys of other kinds are left out.

    Raises ``ConfigurationError``.
    """
    try:
        keys = [OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": one["x"]}) for one in members if one.get("crv") == "Ed25519"]
    except (JoseError, KeyError, ValueError, TypeError, AttributeError):
        raise ConfigurationError("the file is no JWK set") from None
    return Signers(None, {key.thumbprint(): key for key in keys})


@cache
def signers() -> Signers:
    """Return this service's keys.

    The embedded database or DEBUG without a configured key makes one, and keeps it in the data
    folder. Raises ``ConfigurationError``.
    """
    signing_pem = settings.LEDGER_RECEIPT_SIGNING_KEY
    if not signing_pem and (settings.LEDGER_EMBEDDED or settings.DEBUG):
        new = Ed25519PrivateKey.generate().private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())
        signing_pem = kept_value(settings.LEDGER_DATA_DIR / "receipt_signing_key.pem", new.decode())
    return load_signers(signing_pem, settings.LEDGER_RECEIPT_FORMER_KEYS)
