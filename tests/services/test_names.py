"""One rule for names: ASCII letters regardless of case, everything else as it is, whatever locale the database has."""

from __future__ import annotations

import asyncio
import io
import os
import re
import secrets
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from ledger_project.database.lost_rows import forget_all
from ledger_project.database.readers import in_reader
from merchants.models import Account, Merchant, NameField
from tests.environment import ROOT
from tests.support.factories import balance_minor, key, merchant, unique
from tests.support.foreign_databases import LATIN, TURKISH, connect, foreign_database
from tests.support.own_servers import manage
from tests.support.servers import Service
from tests.unit.test_names import DOTLESS, DOTTED, KELVIN, lookalikes
from transfers.selectors.merchant_lists import list_merchants


async def test_what_only_looks_like_a_name_finds_nobody_by_the_api(api: httpx.AsyncClient) -> None:
    name, payer = unique("k").replace("-", "") + "i", await merchant(api, "100")
    assert (await api.post("/merchants", json={"merchant_name": name.upper(), "currency": "USD"})).status_code == 201
    forget_all()
    for warm in (False, True):
        for text in lookalikes(name):
            body = {"from_merchant": payer, "to_merchant": text, "currency": "USD", "amount": "1.00"}
            sent = await api.post("/transfers", json=body, headers=key())
            assert sent.status_code in {404, 422}, text
            held = await api.post("/holds", json=body, headers=key())
            assert held.status_code in {404, 422}, text
            if text and text != name + "/":
                assert (await api.get(f"/merchants/{quote(text, safe='')}")).status_code == 404, text
            found = await api.get("/transfers", params={"to": text})
            assert found.status_code == 422 or not text or found.json()["items"] == [], text
        if not warm:
            assert (await api.get(f"/merchants/{name}/balance")).status_code == 200
    assert await balance_minor(api, name) == 0


async def test_what_only_looks_like_a_name_finds_nobody_in_a_file_or_a_command(api: httpx.AsyncClient, tmp_path: Path) -> None:
    name, payer = unique("k").replace("-", "") + "i", await merchant(api, "100")
    await api.post("/merchants", json={"merchant_name": name.upper(), "currency": "USD"})
    texts = [text for text in lookalikes(name) if text and "\x00" not in text and "\n" not in text]
    path = tmp_path / "names.csv"
    lines = [f"{secrets.token_hex(8)},{payer},{text},USD,1.00" for text in texts]
    path.write_text("\n".join(["key,from,to,currency,amount", *lines, ""]), encoding="utf-8")

    def command(*arguments: str) -> str:
        out = io.StringIO()
        call_command(*arguments, stdout=out, stderr=out)
        return out.getvalue()

    with pytest.raises(CommandError, match=f"{len(texts)} of {len(texts)} lines failed"):
        await in_reader(command, "import_transfers", str(path))
    assert await balance_minor(api, name) == 0
    for text in lookalikes(name):
        for arguments in (
            ("api_key", "create", "x", "--merchant", text),
            ("api_key", "list", "--merchant", text),
            ("export_statement", text, "--currency", "USD"),
        ):
            with pytest.raises(CommandError):
                await in_reader(command, *arguments)
    assert "key,from" not in await in_reader(command, "api_key", "list", "--merchant", name)


def found_merchants(search: str) -> list[str]:
    page = asyncio.run(list_merchants(search=search, status=None, before=None, limit=5))
    return [rows[0][1] for rows in page.merchants]


def test_searching_folds_as_finding_does(ledger: None) -> None:
    del ledger
    name = unique("Kari").replace("-", "")
    Merchant.objects.create(name=name)
    assert found_merchants(name.upper()) == [name]
    for text in (KELVIN + name[1:], name.replace("i", DOTLESS), name.replace("i", DOTTED), name.replace("i", "%"), name.replace("i", "_")):
        assert found_merchants(text) == [], text
        for lookup in ("iexact", "icontains", "istartswith"):
            assert not Merchant.objects.filter(**{f"name__{lookup}": text}).exists(), (text, lookup)
            assert not Account.objects.filter(**{f"merchant__name__{lookup}": text}).exists()
    for lookup in ("iexact", "icontains", "istartswith"):
        assert Merchant.objects.filter(**{f"name__{lookup}": name.swapcase()}).exists()


# --- nobody compares names in another way ---------------------------------------------------------------------------------------


def test_every_look_up_regardless_of_case_says_its_collation() -> None:
    field = Merchant._meta.get_field("name")
    assert isinstance(field, NameField)
    insensitive = [name for name in field.get_lookups() if name.startswith("i") and name not in {"in", "isnull"}]
    assert {"iexact", "icontains", "istartswith", "iendswith", "iregex"} <= set(insensitive)
    for lookup in insensitive:
        text = str(Merchant.objects.filter(**{f"name__{lookup}": "x"}).query)
        assert re.search(r'WHERE (LOWER\()?"merchants_merchant"."name" COLLATE "C"', text), text
        assert "UPPER" not in text


def test_every_index_and_function_of_names_says_its_collation(ledger: None) -> None:
    del ledger
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE tablename = 'merchants_merchant'")
        folded = [text for (text,) in cursor.fetchall() if "lower" in text or "upper" in text]
    assert len(folded) == 2
    assert all('COLLATE "C"' in text for text in folded), folded


def test_no_code_of_ours_lowers_a_name_by_another_rule() -> None:
    sql = re.compile(r"(?:lower|upper)\((?!TG_OP)(?![^()]*COLLATE \"C\")[^()]*name[^()]*\)|ILIKE|~\*", re.IGNORECASE)
    python = re.compile(r"merchant\w*(?:\.name)?\.(?:lower|casefold|upper)\(")
    for folder in ("merchants", "fees", "transfers"):
        for path in [*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.sql")]:
            if "migrations" in path.parts:
                continue
            text = path.read_text(encoding="utf-8")
            found = [match.group() for match in (*sql.finditer(text), *python.finditer(text)) if "Collate(" not in match.group()]
            assert not found, f"{path}: {found}"


# --- a database with rules of its own -------------------------------------------------------------------------------------------


def test_on_a_turkish_database_names_are_found_unique_and_nobody_else_s(ledger: None) -> None:
    del ledger
    with foreign_database(TURKISH) as url:
        with connect(url) as raw:
            assert raw.execute("SELECT lower(%s)", ["MIRA" + KELVIN]).fetchone() != ("mira" + KELVIN,), "it has no rules of its own"
        manage(url, "migrate", "-v", "0")
        service = Service(url=url)
        service.start()
        try:
            with httpx.Client(base_url=service.base_url, timeout=30) as client:
                _try_names(client)
        finally:
            service.stop()


def _try_names(client: httpx.Client) -> None:
    def register(name: str) -> int:
        body = {"merchant_name": name, "currency": "USD", "initial_balance": "10.00"}
        return client.post("/merchants", json=body).status_code

    def pay(source: str, target: str) -> int:
        body = {"from_merchant": source, "to_merchant": target, "currency": "USD", "amount": "1.00"}
        return client.post("/transfers", json=body, headers={"Idempotency-Key": secrets.token_hex(8)}).status_code

    assert [register(name) for name in ("MIRA", "mira", "ivan_shop", "IVAN_SHOP", "Karl")] == [201, 409, 201, 409, 201]
    assert [client.get(f"/merchants/{name}").status_code for name in ("MIRA", "mira", "Mira", "m\u0131ra", "M\u0130RA")] == [200] * 3 + [
        404
    ] * 2
    assert [pay("mira", "IVAN_SHOP"), pay("Ivan_Shop", "MIRA"), pay("\u212aarl", "mira"), pay("ivan_shop", "\u0131van_shop")] == [
        201,
        201,
        404,
        404,
    ]
    assert [len(client.get("/merchants", params={"search": text}).json()["items"]) for text in ("mIr", "VAN_S", "i", "I", "\u0131")] == [
        1,
        1,
        2,
        2,
        0,
    ]


def test_the_service_does_not_start_on_a_database_of_another_encoding(ledger: None) -> None:
    del ledger
    with foreign_database(LATIN) as url:
        env = {**os.environ, "DATABASE_URL": url}
        command = [sys.executable, "-m", "uvicorn", "ledger_project.asgi:application", "--lifespan", "on", "--port", "0"]
        done = subprocess.run(
            [*command, "--log-level", "error"], cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60
        )
    assert done.returncode != 0
    assert "the database has the encoding LATIN1; the ledger needs UTF8" in done.stderr
    assert "Traceback" not in done.stderr
