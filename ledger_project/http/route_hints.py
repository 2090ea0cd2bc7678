"""The path that a caller may have meant: for the answers to paths that lead nowhere.

Anybody may ask for any path, so the work is bounded: a path of at most 128 characters and six
parts, compared word by word with the words that stand at their place (at most some twenty), and
the newest answers are remembered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from functools import cache, lru_cache

from django.urls import URLPattern, URLResolver, get_resolver, get_script_prefix

_LONGEST_PATH = 128
_MOST_PARTS = 6
_LIKE_ENOUGH = 0.6
_NAME_COUNTS = 0.75
"""What a part that may be any name counts, beside 1.0 for a word that is the right one: of two
routes the one with the word is nearer."""

_PARAMETER = re.compile(r"<str:\w+>")
_NAME = re.compile(r"[\w.@~-]{1,64}")
_PREFIX = re.compile(r"api|rest|v[0-9]{1,2}")
"""Parts that other services have before their paths."""

_Route = tuple[str | None, ...]


def nearest_path(path: str) -> str | None:
    """Return the path of a route that is like this one, with the names that it has; None if no
    route is.
    """
    found = _nearest(path) if len(path) <= _LONGEST_PATH else None
    return None if found is None else get_script_prefix().rstrip("/") + found


@lru_cache(maxsize=256)
def _nearest(path: str) -> str | None:
    parts = [part for part in path.split("/") if part]
    while len(parts) > 1 and _PREFIX.fullmatch(parts[0].lower()):
        parts.pop(0)
    if len(parts) > _MOST_PARTS:
        return None
    while parts:
        found = _of_as_many_parts(parts)
        if found is not None:
            return None if found == path else found
        parts.pop()
    return None


def _of_as_many_parts(parts: list[str]) -> str | None:
    likeness = cache(_likeness)  # many routes have the same word at the same place
    best, best_score = None, 0.0
    for route in _routes().get(len(parts), ()):
        score = 0.0
        for wanted, part in zip(route, parts, strict=True):
            like = likeness(wanted, part)
            if not like:
                break
            score += like
        else:
            if score > best_score:
                best, best_score = route, score
    if best is None:
        return None
    return _written(best, parts)


def _likeness(wanted: str | None, part: str) -> float:
    """Return how like the word of a route a part is, from 0.6 to 1; 0 if it is another one."""
    if wanted is None:
        return _NAME_COUNTS if _NAME.fullmatch(part) else 0.0
    compared = SequenceMatcher(None, part.lower(), wanted.rstrip("/"))
    if compared.real_quick_ratio() < _LIKE_ENOUGH or compared.quick_ratio() < _LIKE_ENOUGH:
        return 0.0
    ratio = compared.ratio()
    return ratio if ratio >= _LIKE_ENOUGH else 0.0


def _written(route: _Route, parts: list[str]) -> str:
    return "".join(f"/{part if wanted is None else wanted}" for wanted, part in zip(route, parts, strict=True))


@cache
def _routes() -> dict[int, list[_Route]]:
    """Return the routes by their number of parts: words, and None for names."""
    found: dict[int, list[_Route]] = {}
    texts = set(_texts(get_resolver().url_patterns))
    for text in sorted(text for text in texts if f"{text}/" not in texts):
        parts = text.split("/")
        if parts[-1] == "":  # the slash at the end of a page belongs to its last word
            parts[-2:] = [f"{parts[-2]}/"]
        route: _Route = tuple(None if _PARAMETER.fullmatch(part) else part for part in parts)
        found.setdefault(len(route), []).append(route)
    return found


def _texts(patterns: Iterable[URLPattern | URLResolver]) -> Iterator[str]:
    """Yield the routes of the API, and the first pages of the faces, such as ``admin/``."""
    for pattern in patterns:
        text = str(pattern.pattern)
        if isinstance(pattern, URLResolver) and not text:
            yield from _texts(pattern.url_patterns)
        elif "<" not in _PARAMETER.sub("", text) and text:
            yield text
