"""``manage.py verify_receipt``: a true receipt passes in every form, and no change of it does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from events.domain.receipts import canonical
from events.services.signing import load_signers, signers
from ledger_project.database.readers import in_reader
from tests.api.test_receipts import pair
from tests.api.test_tokens import private_pem
from tests.operations.test_commands import run
from tests.support.factories import transfer
from tests.support.own_servers import run_command

FORMS = ("application/json", "text/html", "application/pdf")


@dataclass
class Files:
    """A receipt in each form, and the keys."""

    folder: Path
    json: bytes
    account: str

    def write(self, content: bytes) -> str:
        path = self.folder / "receipt"
        path.write_bytes(content)
        return str(path)


@pytest.fixture
async def files(api: httpx.AsyncClient, tmp_path: Path) -> Files:
    source, target, from_wallet, _ = await pair(api)
    made = (await transfer(api, source, target, 1000, memo="Ünï \x1b[31m", metadata={"n": 1.5, "big": 2**70})).json()["id"]
    found: dict[str, bytes] = {}
    for form in FORMS:
        response = await api.get(f"/transfers/{made}/receipt", params={"account_id": from_wallet}, headers={"Accept": form})
        found[form] = response.content
        (tmp_path / form.replace("/", "-")).write_bytes(response.content)
    (tmp_path / "jwks.json").write_bytes((await api.get("/.well-known/jwks.json")).content)
    return Files(tmp_path, found["application/json"], from_wallet)


async def verified(path: object, *options: str) -> tuple[int, str]:
    return await in_reader(run, "verify_receipt", str(path), *options)


@pytest.mark.parametrize("form", FORMS)
async def test_a_true_receipt_passes(files: Files, form: str) -> None:
    path = files.folder / form.replace("/", "-")
    code, said = await verified(path)
    assert (code, "The journal says the same." in said) == (0, True), said
    assert files.account in said
    assert "\x1b" not in said
    code, said = await verified(path, "--offline", "--keys", str(files.folder / "jwks.json"))
    assert (code, "The journal was not asked." in said) == (0, True), said
    code, said = await verified(path, "--json")
    assert (code, json.loads(said)["findings"], json.loads(said)["receipt"]["party"]["account_id"]) == (0, [], files.account)


def _changed(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    def made(content: bytes) -> bytes:
        document = json.loads(content)
        change(document)
        return json.dumps(document).encode()

    return made


def _signed_by(other: bool, change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    """Return a receipt that was changed and signed again: by a stranger's key, or by ours, as a thief of the key would."""

    def made(content: bytes) -> bytes:
        document = json.loads(content)
        del document["signature"]
        change(document)
        keys = load_signers(private_pem(Ed25519PrivateKey.generate()), "") if other else signers()
        return json.dumps({**document, "signature": keys.sign(canonical(document))}).encode()

    return made


CHANGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "an amount": (_changed(lambda d: d["transfer"].update(amount="99.00")), "the file has another transfer than was signed"),
    "a party": (_changed(lambda d: d["party"].update(merchant_name="me")), "the file has another party than was signed"),
    "a member more": (_changed(lambda d: d.update(paid_twice=True)), "another paid_twice"),
    "a member less": (_changed(lambda d: d.pop("party")), "another party"),
    "no signature": (_changed(lambda d: d.update(signature=None)), "no signature"),
    "half a signature": (_changed(lambda d: d.update(signature=d["signature"][:-8])), "not right"),
    "a member twice": (lambda content: content[:-1] + b',"number":"1"}', "twice"),
    "a stranger's key": (_signed_by(True, lambda d: None), "no key with the id"),
    "a stolen key and an amount": (_signed_by(False, lambda d: d["transfer"].update(amount="99.00")), "the journal has another transfer"),
    "a stolen key and a hash": (_signed_by(False, lambda d: d["party"].update(entry_hash="00" * 32)), "the journal has another party"),
    "a stolen key and no transfer": (
        _signed_by(False, lambda d: d["transfer"].update(id="01900000-0000-7000-8000-000000000000")),
        "this ledger has no transfer",
    ),
    "a stolen key and another account": (
        _signed_by(False, lambda d: d["party"].update(account_id="01900000-0000-7000-8000-000000000000")),
        "no party of transfer",
    ),
    "a stolen key and no receipt": (_signed_by(False, lambda d: d.pop("transfer")), "no receipt"),
    "two signatures": (lambda content: b"<p>" + json.loads(content)["signature"].encode() + b" eyJa.eyJb." + b"A" * 86, "2 signatures"),
    "nothing": (lambda content: b"", "no signature"),
    "a list": (lambda content: b"[" + content + b"]", "no receipt"),
    "deep": (lambda content: b"[" * 100_000, "no signature"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_receipt_that_was_changed_does_not_pass(files: Files, change: str) -> None:
    make, said = CHANGES[change]
    code, output = await verified(files.write(make(files.json)))
    assert code == 1, output
    assert said in output


def test_without_a_database_a_receipt_is_checked_by_a_copy_of_the_keys(files: Files) -> None:
    nowhere = "postgresql://nobody@db.invalid/none"
    command = ["verify_receipt", "--offline", "--keys"]
    for form in FORMS:
        done = run_command(nowhere, *command, str(files.folder / "jwks.json"), str(files.folder / form.replace("/", "-")))
        assert (done.code, done.err) == (0, "")
    strange = run_command(nowhere, *command, str(files.folder / "application-json"), str(files.folder / "text-html"))
    assert (strange.code, "no JWK set" in strange.err) == (2, True)
    missing = run_command(nowhere, *command, str(files.folder / "jwks.json"), "/nowhere")
    assert (missing.code, "Traceback" in missing.err) == (2, False)
