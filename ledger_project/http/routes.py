"""The route of a path, by one look into a table.

Django tries one pattern after the other (15 µs and more for a path with a name in it). Our routes
are words and names between slashes, so their shapes are compared: the number of parts, the first
part, then the others. What is in no table goes to Django's resolver.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.urls import ResolverMatch, URLPattern, URLResolver, get_resolver

_PARAMETER = "<str:"


class _Route:
    """A pattern of words and names: its parts (None is a name), and Django's match of a path."""

    __slots__ = ("match", "names", "parts")

    def __init__(self, text: str) -> None:
        parts = text.split("/")
        self.parts = [None if part.startswith(_PARAMETER) else part for part in parts]
        self.names = [(index, part[len(_PARAMETER) : -1]) for index, part in enumerate(parts) if part.startswith(_PARAMETER)]
        self.match: ResolverMatch | None = None

    def fits(self, parts: list[str]) -> bool:
        """Whether a path of as many parts is of this route. A name is not empty."""
        return all(found == wanted if wanted is not None else found for wanted, found in zip(self.parts, parts, strict=True))


def _is_plain(text: str) -> bool:
    """Whether a pattern has words and names only, each a whole part of the path."""
    return all("<" not in part or (part.startswith(_PARAMETER) and part.endswith(">")) for part in text.split("/"))


def _leading_routes(patterns: Iterable[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    """Return the plain patterns that come before the first other one: Django's order counts."""
    for pattern in patterns:
        text = prefix + str(pattern.pattern)
        if not _is_plain(text):
            return
        if isinstance(pattern, URLResolver):
            if text:
                return
            yield from _leading_routes(pattern.url_patterns, text)
        else:
            yield text


class Routes:
    """The routes of the service, by their number of parts and their first part."""

    def __init__(self) -> None:
        self._table: dict[tuple[int, str], list[_Route]] = {}
        for text in _leading_routes(get_resolver().url_patterns):
            route = _Route(text)
            if route.parts[0]:
                self._table.setdefault((len(route.parts), route.parts[0]), []).append(route)

    def resolve(self, path: str) -> ResolverMatch:
        """Return what Django's resolver would. Raises ``Resolver404``."""
        parts = path[1:].split("/")
        for route in self._table.get((len(parts), parts[0]), ()):
            if route.fits(parts):
                if route.match is None:
                    route.match = get_resolver().resolve(path)
                    return route.match
                if not route.names:
                    return route.match
                kwargs = {name: parts[index] for index, name in route.names}
                match = object.__new__(ResolverMatch)  # its constructor looks for names that stay the same
                match.__dict__.update(route.match.__dict__, kwargs=kwargs, captured_kwargs=kwargs)
                return match
        return get_resolver().resolve(path)
