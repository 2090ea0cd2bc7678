"""The commands of the README and of the API guide are executed, and their answers compared."""

from __future__ import annotations

import io
import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.core.management import call_command

from ledger_project.database.readers import in_reader
from people.access.authentication import forget_credentials
from tests.environment import ROOT

EXAMPLE = re.compile(r"```sh\n((?:curl|[A-Z]+=)[^`]+)\n```\n(?:```json\n(.*?)\n```)?", re.DOTALL)
ASSIGNMENT = re.compile(r"([A-Z]+)=\$\((.*)\)", re.DOTALL)
VOLATILE = [
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z"), "<time>"),
]


def masked(text: str) -> object:
    for pattern, mask in VOLATILE:
        text = pattern.sub(mask, text)
    return json.loads(text)


class Shell:
    """Enough of a shell for the examples: curl, jq with a path, manage.py, and variables."""

    def __init__(self, api: httpx.AsyncClient) -> None:
        self.api, self.variables = api, dict[str, str]()

    async def run(self, script: str) -> str:
        """Execute the commands of a block, and return what the last one prints."""
        printed = ""
        for command in script.replace("\\\n", " ").splitlines():
            assigned = ASSIGNMENT.fullmatch(command)
            if assigned is None:
                printed = await self._execute(command)
            else:
                self.variables[assigned[1]] = (await self._execute(assigned[2])).strip()
        return printed

    async def _execute(self, command: str) -> str:
        words = [re.sub(r"\$([A-Z]+)", lambda name: self.variables[name[1]], word) for word in shlex.split(command)]
        if words[0] == "curl":
            end = words.index("|") if "|" in words else len(words)
            return selected((await self._request(words[1:end])).text, words[end + 1 :])
        assert words[:2] == [".venv/bin/python", "manage.py"]
        output = io.StringIO()
        await in_reader(lambda: call_command(*words[2:], stdout=output, stderr=io.StringIO()))
        return output.getvalue()

    async def _request(self, words: list[str]) -> httpx.Response:
        headers, content, url = {}, None, ""
        while words:
            word = words.pop(0)
            if word == "-H":
                name, _, value = words.pop(0).partition(": ")
                headers[name] = value
            elif word == "-d":
                content = words.pop(0)
            elif word.startswith("http"):
                url = word.removeprefix("http://127.0.0.1:8000")
        return await self.api.request("POST" if content is not None else "GET", url, headers=headers, content=content)


def selected(text: str, jq: list[str]) -> str:
    """Return what ``jq -r .a.b[0]`` picks of an answer; all of it without."""
    if not jq:
        return text
    assert jq[:2] == ["jq", "-r"]
    found: Any = json.loads(text)
    for step in re.findall(r"\w+", jq[2]):
        found = found[int(step) if step.isdecimal() else step]
    return str(found)


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    forget_credentials()


@pytest.mark.parametrize(("page", "answers"), [("README.md", 3), ("docs/api-guide.md", 10)])
async def test_the_commands_of_a_page_get_the_answers_that_it_shows(api: httpx.AsyncClient, page: str, answers: int) -> None:
    shell = Shell(api)
    examples = EXAMPLE.findall((ROOT / page).read_text())
    assert len([expected for _, expected in examples if expected]) == answers
    for script, expected in examples:
        printed = await shell.run(script)
        if expected:
            assert masked(printed) == masked(expected), script
        else:
            assert "code" not in json.loads(printed), script


async def test_with_a_merchants_key_another_merchants_balance_is_not_there(api: httpx.AsyncClient, settings: Any) -> None:
    for name in ("carol", "dave"):
        await api.post("/merchants", json={"merchant_name": name})
    settings.LEDGER_AUTH = "required"
    shell = Shell(api)
    script = next(script for script, _ in EXAMPLE.findall((ROOT / "README.md").read_text()) if script.startswith("KEY="))
    assert json.loads(await shell.run(script))["merchant_name"] == "carol"
    assert json.loads(await shell.run(script.replace("merchants/carol", "merchants/dave")))["code"] == "merchant_not_found"
    without = script.partition("\n")[2].partition(" -H")[0]
    assert json.loads(await shell.run(without))["code"] == "not_authenticated"


def test_the_readme_can_be_read_in_a_sitting() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 200
    headings = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    assert headings == ["Run", "Five minutes", "Picture", "Links"]
