"""The README's requests are executed, and their answers compared."""

from __future__ import annotations

import json
import re
import shlex

import httpx

from tests.environment import ROOT

EXAMPLE = re.compile(r"```sh\n(curl [^\n]+)\n```\n```json\n(.*?)\n```", re.DOTALL)
VOLATILE = [
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z"), "<time>"),
]


def masked(text: str) -> object:
    for pattern, mask in VOLATILE:
        text = pattern.sub(mask, text)
    return json.loads(text)


async def execute(api: httpx.AsyncClient, command: str) -> httpx.Response:
    words = shlex.split(command)[1:]
    headers, data, url = {}, None, ""
    while words:
        word = words.pop(0)
        if word == "-H":
            name, _, value = words.pop(0).partition(": ")
            headers[name] = value
        elif word == "-d":
            data = words.pop(0)
        elif word.startswith("http"):
            url = word.removeprefix("http://127.0.0.1:8000")
    return await api.request("POST" if data is not None else "GET", url, headers=headers, content=data)


async def test_the_readmes_requests_get_the_readmes_answers(api: httpx.AsyncClient) -> None:
    examples = EXAMPLE.findall((ROOT / "README.md").read_text())
    assert len(examples) == 6
    for command, expected in examples:
        answer = await execute(api, command)
        assert masked(answer.text) == masked(expected), command


async def test_every_setting_of_the_readme_exists(api: httpx.AsyncClient) -> None:
    documented = set(re.findall(r"`(LEDGER_[A-Z_]+)`", (ROOT / "README.md").read_text()))
    sources = "".join(path.read_text() for path in (ROOT / "ledger_project").rglob("*.py"))
    assert documented
    assert not [name for name in documented if name not in sources]
