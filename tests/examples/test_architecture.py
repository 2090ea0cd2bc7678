"""docs/architecture.md leads to places that exist."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache

from tests.environment import ROOT


@cache
def section(title: str) -> str:
    document = (ROOT / "docs" / "architecture.md").read_text()
    return document.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """Return the cells of a section's table, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def names_in(path: str) -> set[str]:
    """Return what a file defines at its top: functions, classes and constants, or the functions of its SQL."""
    text = (ROOT / path).read_text()
    if path.endswith(".sql"):
        return set(re.findall(r"CREATE FUNCTION (\w+)", text))
    found: set[str] = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def test_the_picture_shows_every_room_in_the_order_of_the_import_rules() -> None:
    picture = section("Picture")
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    rooms = {module.rpartition(".")[2] for layer in layers for module in re.findall(r"(?<![(\w.])[\w.]+", layer)}
    assert {room for room in rooms if not re.search(rf"\b{room}\b", picture)} == set()
    apps = [re.findall(r"(?<![(\w.])(\w+)", layer)[:1] for layer in layers[2:]]
    labels = [app[0] for app in apps if app] + ["kernel"]
    places = [picture.index(f"\n {label} ") for label in ["composition", "faces", *dict.fromkeys(labels)]]
    assert places == sorted(places)


def test_thirty_things_and_more_are_where_the_table_says() -> None:
    found = rows("Where do I find")
    assert len(found) >= 30
    missing = [(path, name) for _, path, name in found if name.strip("`") not in names_in(path.strip("`"))]
    assert missing == []


def test_every_guarantee_names_a_place_and_a_test() -> None:
    guards = names_in("transfers/sql/guards.sql") | names_in("merchants/sql/guards.sql")
    for guarantee, place, guard, attack in rows("Guarantees"):
        assert place == "–" or (ROOT / place.strip("`")).is_file(), guarantee
        assert set(re.findall(r"`(ledger_\w+)`", guard)) <= guards, guarantee
        assert (place, guard) != ("–", "–"), guarantee
        path, _, name = attack.strip("`").partition("::")
        assert name in names_in(path), guarantee


def test_the_glossary_can_be_read_in_a_minute() -> None:
    assert 25 <= len(rows("Glossary")) <= 30


def test_the_way_of_a_transfer_is_short_and_leads_through_what_is_there() -> None:
    way = section("The way of `POST /transfers`")
    stays = re.findall(r"^\d+\. `([\w/]+)/\w+\.py`", way, re.MULTILINE)
    assert len(stays) == len(re.findall(r"^\d+\. ", way, re.MULTILINE)) <= 12
    assert len(set(stays)) <= 6
    for path, name in re.findall(r"`([\w/]+\.py)`\s+`(\w+)`", way):
        assert name in names_in(path), (path, name)
    for name, path in re.findall(r"`(\w+)` in\s+`([\w/]+\.py)`", way):
        assert name in names_in(path), (path, name)
