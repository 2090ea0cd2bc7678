"""Signatures of anchors, by Ed25519 (RFC 8032).

The private key is a PEM file (PKCS #8), the public one too, as ``openssl genpkey -algorithm
ed25519`` makes them. Whoever owns the database must not have the private key: then nobody who can
rewrite history can make an anchor that fits it.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)


class KeyUnusable(ValueError):
    """The file has no key of the kind that is needed."""


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """Return the key in a file. Raises ``KeyUnusable`` and ``OSError``."""
    content = path.read_bytes()
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it is encrypted
        raise KeyUnusable(f"{path} is not a private key in an unencrypted PEM file") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnusable(f"{path} is a private key, but not of Ed25519")
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Return the key in a file. Raises ``KeyUnusable`` and ``OSError``."""
    content = path.read_bytes()
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyUnusable(f"{path} is not a public key in a PEM file") from None
    if not isinstance(key, Ed25519PublicKey):
        raise KeyUnusable(f"{path} is a public key, but not of Ed25519")
    return key


def is_signed_by(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    """Whether the private half of the key has signed this message."""
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def make_key_pair(private: Path, public: Path) -> None:
    """Make a key pair in two new files; only their owner can read the private one.

    Raises ``FileExistsError`` if there is such a file: a key is never overwritten.
    """
    if public.exists():
        raise FileExistsError(f"{public} exists already")
    key = Ed25519PrivateKey.generate()
    descriptor = os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with public.open("xb") as file:
        file.write(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
