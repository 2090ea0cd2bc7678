"""The form of an answer that a caller prefers: the Accept header (RFC 9110, section 12.5.1) with
parameters and weights.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from ledger_project.http.responses import JSON
from ledger_project.kernel.errors import NotAcceptable

JSON_ONLY = (JSON,)

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - of RFC 9110, no secret
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PIECE = re.compile(rf'{_QUOTED}?|[^,"]+|,')
_RANGE = re.compile(rf"({_TOKEN})/({_TOKEN})")
_PARAMETER = re.compile(rf";[ \t]*(?:({_TOKEN})[ \t]*=[ \t]*({_TOKEN}|{_QUOTED}))?[ \t]*")
_WEIGHT = re.compile(r"0(?:\.[0-9]*)?|\.[0-9]+|1(?:\.0*)?", re.ASCII)
_UTF_8 = frozenset({"utf-8", "utf8", "*"})

_LONGEST_REMEMBERED = 200

_Range = tuple[str, str, float]


def _elements(accept: str) -> list[str]:
    """Return the parts between commas outside quoted strings."""
    elements = [""]
    for piece in _PIECE.findall(accept):
        if piece == ",":
            elements.append("")
        else:
            elements[-1] += piece
    return [element.strip() for element in elements if element.strip()]


def _range(element: str) -> _Range | None:
    """Return a media range and its weight; None for a malformed one.

    A range with another character set than UTF-8 matches no form. Other parameters are ignored: our
    forms have none.
    """
    name, _, _ = element.partition(";")
    media = _RANGE.fullmatch("*/*" if name.strip() == "*" else name.strip())
    if media is None:
        return None
    kind, subtype, weight, position = media[1].lower(), media[2].lower(), 1.0, len(name)
    while position < len(element):
        parameter = _PARAMETER.match(element, position)
        if parameter is None:
            return None
        position = parameter.end()
        key, value = (parameter[1] or "").lower(), (parameter[2] or "").strip('"').lower()
        if key == "q":
            if not _WEIGHT.fullmatch(value):
                return None
            weight = float(value)
        elif key == "charset" and value not in _UTF_8:
            kind = subtype = ""
    return kind, subtype, weight


def _acceptable(accept: str, forms: Sequence[str]) -> tuple[str, ...]:
    ranges = [found for element in _elements(accept) if (found := _range(element)) is not None]
    if not ranges:
        return tuple(forms)
    weights = {form: _weight(form, ranges) for form in forms}
    return tuple(sorted((form for form in forms if weights[form] > 0), key=lambda form: -weights[form]))


def _weight(form: str, ranges: Sequence[_Range]) -> float:
    """Return the weight of a form: the weight of the most specific range that contains it."""
    kind, _, subtype = form.partition("/")
    for wanted in ((kind, subtype), (kind, "*"), ("*", "*")):
        found = [weight for *named, weight in ranges if tuple(named) == wanted]
        if found:
            return max(found)
    return 0.0


_remembered = lru_cache(maxsize=256)(_acceptable)


def negotiate(accept: str, forms: tuple[str, ...]) -> tuple[str, ...]:
    """Return the admitted forms, the preferred one first; of two equal ones the earlier of
    ``forms``.

    ``forms`` are media types without parameters. An empty or unreadable header admits all. Raises
    ``NotAcceptable`` if no form is left.
    """
    if accept in {"", "*/*"}:
        return forms
    found = (_remembered if len(accept) <= _LONGEST_REMEMBERED else _acceptable)(accept, forms)
    if not found:
        raise NotAcceptable(forms)
    return found
