"""The rules of the house that no other tool keeps: its numbers, its drawing of errors, its one writer, its layers."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger_project.kernel import errors
from ledger_project.kernel.errors import LedgerError
from tests.environment import ROOT
from tests.house.sources import APPS, Module, modules, silenced, sources, uses

MOST_LINES = 300
MOST_LINES_OF_A_FUNCTION = 40
MOST_LINES_OF_A_LIST_OF_GUARDS = 70
MOST_POSITIONAL_PARAMETERS = 6
MOST_COLUMNS_OF_PROSE = 100
LINES_FOR_A_SILENCED_CHECK = 750
LARGEST_ROOM_PERCENT = 40

LISTS_OF_GUARDS: dict[str, str] = {}
"""Functions that are a flat list of checks, by module and name, with what they check."""

USED_BY_FRAMEWORKS = {
    "ledger_project/settings.py": "Django and its apps look settings up by name",
    "ledger_project/urls.py": "Django looks urlpatterns and the handlers up by name",
    "console/formats/en/formats.py": "Django looks formats up by name",
}
"""Modules whose names somebody else looks up."""

AWAITED = {"actor_of_member", "list_memberships", "get_membership", "activate_user", "invited_user", "invite_member"}
"""What the pages of people will call."""

FOR_TESTS = {"read_page", "read_feed_now", "close_own_connections", "forget_credentials", "release_attempts"}
"""Functions that let tests begin without what this process remembers."""


def _listed(offenders: Iterator[str]) -> str:
    return "\n".join(sorted(offenders))


def test_no_module_is_long() -> None:
    assert not _listed(f"{m.name}: {len(m.lines)} lines" for m in modules() if len(m.lines) > MOST_LINES)


def test_no_function_is_long() -> None:
    def long_functions() -> Iterator[str]:
        for module in modules():
            for function in module.functions():
                lines = (function.end_lineno or 0) - function.lineno + 1
                is_list = f"{module.name}:{function.name}" in LISTS_OF_GUARDS
                if lines > (MOST_LINES_OF_A_LIST_OF_GUARDS if is_list else MOST_LINES_OF_A_FUNCTION):
                    yield f"{module.name}: {function.name} has {lines} lines"

    assert not _listed(long_functions())


def test_no_function_has_many_positional_parameters() -> None:
    def overloaded() -> Iterator[str]:
        for module in modules():
            for function in module.functions():
                names = [a.arg for a in (*function.args.posonlyargs, *function.args.args) if a.arg not in {"self", "cls"}]
                if len(names) > MOST_POSITIONAL_PARAMETERS:
                    yield f"{module.name}: {function.name} has {len(names)}"

    assert not _listed(overloaded())


def test_prose_is_narrow() -> None:
    def wide() -> Iterator[str]:
        for module in modules():
            if max(map(len, module.lines), default=0) <= MOST_COLUMNS_OF_PROSE:
                continue
            for number, line in module.prose():
                if len(line) > MOST_COLUMNS_OF_PROSE:
                    yield f"{module.name}:{number}: {len(line)} columns"

    assert not _listed(wide())


def test_every_public_name_is_used() -> None:
    """By the service, its commands or the benchmarks; tests do not count."""
    total: Counter[str] = Counter()
    for module in (*modules(migrations=True), *sources("benchmarks")):
        total.update(uses(module.tree))

    def unused() -> Iterator[str]:
        for module in modules():
            if module.name in USED_BY_FRAMEWORKS:
                continue
            for name, definition in module.public_names():
                if total[name] <= uses(definition)[name] and name not in FOR_TESTS | AWAITED and not _is_hook(module, name, definition):
                    yield f"{module.name}: {name}"

    assert not _listed(unused())


def _is_hook(module: Module, name: str, definition: ast.stmt) -> bool:
    """Whether Django finds it: an app's configuration, or what a decorator registers."""
    decorators = definition.decorator_list if isinstance(definition, ast.FunctionDef | ast.ClassDef) else []
    called = [decorator.func if isinstance(decorator, ast.Call) else decorator for decorator in decorators]
    names = {place.attr if isinstance(place, ast.Attribute) else getattr(place, "id", "") for place in called}
    return "register" in names or (module.path.name == "apps.py" and name.endswith("Config"))


def test_no_room_of_transfers_is_most_of_it() -> None:
    rooms: Counter[str] = Counter()
    for module in modules():
        if module.name.startswith("transfers/"):
            rooms[module.name.split("/")[1]] += len(module.lines)
    shares = {room: 100 * lines // rooms.total() for room, lines in rooms.items()}
    assert not {room: share for room, share in shares.items() if share > LARGEST_ROOM_PERCENT}


def test_few_checks_are_silenced_and_each_has_its_reason() -> None:
    everything = [*modules(migrations=True), *sources("tests"), *sources("benchmarks")]
    found = [comment for module in everything for comment in silenced(module)]
    assert not _listed(place for place, reason in found if not reason)
    assert len(found) <= sum(len(module.lines) for module in everything) / LINES_FOR_A_SILENCED_CHECK


_DRAWN = re.compile(r"^    ((?:│   |    )*)[├└]── ([A-Z]\w+(?:, [A-Z]\w+)*)")


def test_the_tree_of_errors_is_the_one_that_is_drawn(everything_is_imported: None) -> None:
    assert _drawn_tree() == dict(_tree(LedgerError, LedgerError))


@pytest.fixture
def everything_is_imported() -> None:
    import ledger_project.asgi
    import ledger_project.urls

    del ledger_project


def _drawn_tree() -> dict[str, str]:
    """Return each drawn error's parent."""
    parents: dict[str, str] = {}
    above = {0: LedgerError.__name__}
    for line in (errors.__doc__ or "").splitlines():
        found = _DRAWN.match(line)
        if found:
            depth, names = len(found[1]) // 4, found[2].split(", ")
            parents |= dict.fromkeys(names, above[depth])
            above[depth + 1] = names[-1]
    return parents


def _tree(kind: type[LedgerError], parent: type[LedgerError]) -> Iterator[tuple[str, str]]:
    """Yield each error with its parent. What two errors have in common (``_AccountState``) is not drawn."""
    for inner in kind.__subclasses__():
        if inner.__module__.split(".")[0] not in APPS:
            continue
        if inner.__name__.startswith("_"):
            yield from _tree(inner, parent)
        else:
            yield inner.__name__, parent.__name__
            yield from _tree(inner, inner)


_INSERTS = re.compile(r"INSERT\s+INTO\s+\"?(transfers_transfer|transfers_externalreference|transfers_ledgerentry)\b", re.IGNORECASE)


def test_the_journal_has_one_writer() -> None:
    writers = {f"{module.name}: {table}" for module in modules() for table in _INSERTS.findall(module.text)}
    assert writers == {
        f"transfers/posting/sql.py: {table}" for table in ("transfers_transfer", "transfers_externalreference", "transfers_ledgerentry")
    }


def _contracts() -> list[dict[str, list[str]]]:
    found: list[dict[str, list[str]]] = tomllib.loads(Path(ROOT, "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return found


def test_every_module_is_in_a_layer() -> None:
    """import-linter says nothing about a module that no layer names."""
    layers = {name.strip(" ()") for layer in _contracts()[0]["layers"] for name in layer.split(":")}
    outside = {module.dotted for module in modules() if not any(f"{module.dotted}.".startswith(f"{layer}.") for layer in layers)}
    assert outside <= {"manage", *APPS}


_DOORS = {"transfers.posting", "transfers.posting.engine", "transfers.posting.jobs", "transfers.posting.synchronous"}
"""What others may import of the room that posts."""


def test_every_module_of_posting_is_a_door_or_protected() -> None:
    (protected,) = (contract["protected_modules"] for contract in _contracts() if "protected_modules" in contract)
    assert {module.dotted for module in modules() if module.dotted.startswith("transfers.posting")} == _DOORS | set(protected)


def test_no_import_is_an_exception() -> None:
    assert not [contract for contract in _contracts() if "ignore_imports" in contract]
