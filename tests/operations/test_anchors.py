"""Signed anchors: who can write to the database and to the file can still not make one that fits."""

from __future__ import annotations

import hashlib
import json
import subprocess
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.operations.stories import tell


def reconcile(*arguments: object) -> int:
    try:
        call_command("reconcile", *map(str, arguments), stdout=StringIO())
    except SystemExit as end:
        return int(str(end.code))
    return 0


def refusal(*arguments: object) -> str:
    with pytest.raises(CommandError) as refused:
        reconcile(*arguments)
    assert refused.value.returncode == 2
    return str(refused.value)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    private = tmp_path / "key"
    call_command("make_anchor_key", str(private), stdout=StringIO())
    return private


def public(key: Path) -> Path:
    return key.with_name(key.name + ".pub")


@pytest.fixture
def anchor(ledger: None, key: Path, tmp_path: Path) -> Path:
    del ledger
    tell()
    file = tmp_path / "anchor"
    assert reconcile("--renew-heads", "--anchor", file, "--sign", key) == 0
    return file


def rewritten(file: Path, change: tuple[str, str]) -> None:
    """Change a file and make its checksum fit again: everybody can do that."""
    lines = file.read_text().replace(*change).splitlines(keepends=True)
    end = json.loads(lines[-1]) | {"sha256": hashlib.sha256("".join(lines[:-1]).encode()).hexdigest()}
    file.write_text("".join(lines[:-1]) + json.dumps(end) + "\n")


def test_what_is_signed_is_verified_and_advanced(anchor: Path, key: Path) -> None:
    first = anchor.read_text()
    assert reconcile("--anchor", anchor, "--verify-key", public(key)) == 0
    tell()
    assert reconcile("--incremental", "--anchor", anchor, "--verify-key", public(key), "--advance", "--sign", key) == 0
    assert len(anchor.read_text()) > len(first)
    assert reconcile("--anchor", anchor, "--verify-key", public(key)) == 0
    assert reconcile("--anchor", anchor) == 0, "who has no key still sees whether the file is whole"


def test_a_file_that_is_not_what_was_signed_is_refused(anchor: Path, key: Path) -> None:
    whole = anchor.read_text()
    rewritten(anchor, ('"kind": "wallet"', '"kind": "fees"'))
    assert "is not signed by the key" in refusal("--anchor", anchor, "--verify-key", public(key))
    anchor.write_text("".join(whole.splitlines(keepends=True)[:-1]))
    assert "is not whole" in refusal("--anchor", anchor, "--verify-key", public(key))
    anchor.write_text(whole[: len(whole) // 2])
    assert "cannot be read as an anchor" in refusal("--anchor", anchor, "--verify-key", public(key))
    for signature in ("00" * 64, "", "no hexadecimal", 5):
        end = json.loads(whole.splitlines()[-1]) | {"signature": signature}
        anchor.write_text("".join(whole.splitlines(keepends=True)[:-1]) + json.dumps(end) + "\n")
        assert "is not signed by the key" in refusal("--anchor", anchor, "--verify-key", public(key))


def test_another_key_no_signature_and_no_file_are_refused(anchor: Path, key: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    call_command("make_anchor_key", str(other), stdout=StringIO())
    assert "is not signed by the key" in refusal("--anchor", anchor, "--verify-key", public(other))
    unsigned = tmp_path / "unsigned"
    assert reconcile("--anchor", unsigned) == 0
    assert "is not signed, and a key" in refusal("--anchor", unsigned, "--verify-key", public(key))
    missing = tmp_path / "missing"
    assert "No such file" in refusal("--anchor", missing, "--verify-key", public(key))
    assert not missing.exists(), "it is not made anew where one is to be verified"


def test_what_is_no_key_is_refused(anchor: Path, key: Path, tmp_path: Path) -> None:
    assert "is not a public key" in refusal("--anchor", anchor, "--verify-key", key)
    assert "is not a private key" in refusal("--anchor", anchor, "--sign", public(key))
    assert "No such file" in refusal("--anchor", anchor, "--sign", tmp_path / "none")
    elliptic, encrypted = tmp_path / "elliptic", tmp_path / "encrypted"
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", elliptic], check=True)
    assert "not of Ed25519" in refusal("--anchor", anchor, "--sign", elliptic)
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:word", "-out", encrypted], check=True, capture_output=True
    )
    assert "unencrypted" in refusal("--anchor", anchor, "--sign", encrypted)
    for option, file in (("--sign", key), ("--verify-key", public(key))):
        assert f"{option} needs --anchor FILE" in refusal(option, file)


def test_a_key_pair_is_openssl_s_and_never_overwritten(key: Path, tmp_path: Path) -> None:
    assert key.stat().st_mode & 0o777 == 0o600
    made = subprocess.run(["openssl", "pkey", "-in", key, "-pubout"], capture_output=True, text=True, check=True).stdout
    assert made == public(key).read_text()
    with pytest.raises(CommandError, match="exists") as refused:
        call_command("make_anchor_key", str(key))
    assert refused.value.returncode == 2
    other = tmp_path / "other"
    public(other).write_text("somebody else's")
    with pytest.raises(CommandError, match="exists"):
        call_command("make_anchor_key", str(other))
    assert not other.exists()


def test_a_file_lists_accounts_in_their_order_and_ends_with_its_signature(anchor: Path) -> None:
    lines = [json.loads(line) for line in anchor.read_text().splitlines()]
    accounts = [line["account"] for line in lines[1:-1]]
    assert accounts == sorted(accounts)
    assert set(lines[-1]) == {"sha256", "signature"}
