"""The examples in the OpenAPI document, for bodies, answers, refusals, paths and headers.

In open mode the requests name existing merchants and accounts, so that the first *Execute* of the
browsable page succeeds. Where credentials are required, the document shows nothing of what exists
(documentation.py).
"""

from __future__ import annotations

import json
import re
from typing import Any

from ledger_project.http.example_values import OTHER_FORMS, Things, answers, parameters, problem, request_bodies


def add_examples(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Add the examples, and say whether each body may be left out. A hook of drf-spectacular."""
    del kwargs
    _ask_about(result, Things())
    shown = answers(Things())
    for calls in result["paths"].values():
        for call in calls.values():
            if "requestBody" in call:
                (media,) = call["requestBody"]["content"].values()
                call["requestBody"]["required"] = _must_be_sent(result, media["schema"])
            for answer in call["responses"].values():
                for name, media in answer.get("content", {}).items():
                    _show(name, media, answer["description"], shown)
    return result


def about(document: bytes, things: Things) -> bytes:
    """Return the document with requests about other merchants and accounts."""
    result = json.loads(document)
    _ask_about(result, things)
    return json.dumps(result, ensure_ascii=False, separators=(",", ":")).encode()


def _ask_about(result: dict[str, Any], things: Things) -> None:
    bodies = request_bodies(things)
    for calls in result["paths"].values():
        for call in calls.values():
            needed = parameters(things, call["operationId"])
            for parameter in call.get("parameters", []):
                name = f"?{parameter['name']}" if parameter["in"] == "query" else parameter["name"]
                if name in needed:
                    parameter["example"] = needed[name]
            if "requestBody" in call:
                (media,) = call["requestBody"]["content"].values()
                media["example"] = bodies[call["operationId"]]


def _must_be_sent(result: dict[str, Any], schema: dict[str, Any]) -> bool:
    """Whether an empty body would be refused."""
    found = result["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return not {"required", "oneOf", "allOf"}.isdisjoint(found)


def _show(name: str, media: dict[str, Any], description: str, shown: dict[str, object]) -> None:
    if name == "application/problem+json":
        media["examples"] = {code: {"value": problem(code)} for code in re.findall(r"`(\w+)`", description)}
    elif "$ref" in media["schema"]:
        media["example"] = shown[media["schema"]["$ref"].rpartition("/")[2]]
    else:
        media["example"] = OTHER_FORMS[name]
