"""What the documents name is there: files, tests, functions, links. And their lines can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.environment import ROOT

FILE = re.compile(r"(?<![\w/.<>*-])((?:[\w.-]+/)*[\w.-]+\.(?:py|sql|md|sh|toml|yml|ini))(?:::(\w+))?(?![\w/])")
FURTHER_TEST = re.compile(r"`::(\w+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")

DOCUMENTS = sorted(str(path.relative_to(ROOT)) for folder in (ROOT, ROOT / "docs") for path in folder.glob("*.md"))


@cache
def source(name: str) -> str:
    return (ROOT / name).read_text()


def prose(text: str) -> Iterator[str]:
    """Yield the lines that are neither a table's nor code."""
    inside = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            inside = not inside
        elif not inside and not line.startswith("|"):
            yield line


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_a_document_names_is_there(document: str) -> None:
    folder = Path(document).parent
    missing = [name for name, _ in FILE.findall(source(document)) if not (ROOT / name).is_file() and not (ROOT / folder / name).is_file()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_test_that_a_document_names_is_there(document: str) -> None:
    missing, last = [], ""
    for found in re.finditer(f"{FILE.pattern}|{FURTHER_TEST.pattern}", source(document)):
        name, function, further = found.groups()
        last = name or last
        wanted = function or further
        if wanted and not re.search(rf"def {wanted}\b", source(last)):
            missing.append(f"{last}::{wanted}")
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    for link in LINK.findall(source(document)):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / document).parent / name if name else ROOT / document
        assert target.is_file(), link
        headings = {
            re.sub(r"[^\w -]", "", line.lstrip("# ")).strip().lower().replace(" ", "-")
            for line in prose(target.read_text())
            if line.startswith("#")
        }
        assert not anchor or anchor in headings, link


@pytest.mark.parametrize("document", DOCUMENTS)
def test_lines_of_prose_have_at_most_a_hundred_columns(document: str) -> None:
    assert [line for line in prose(source(document)) if len(line) > 100 and " " in line.strip()] == []


def test_the_hooks_run_what_make_check_runs() -> None:
    hooks = yaml.safe_load(source(".pre-commit-config.yaml"))["repos"][0]["hooks"]
    programs = {hook["entry"].split()[0].removeprefix(".venv/bin/") for hook in hooks}
    assert programs == {"ruff", "mypy", "lint-imports"}
    assert all(f"$(BIN)/{program} " in source("Makefile") for program in programs)


def test_ci_does_what_the_project_says_and_nothing_else() -> None:
    steps = yaml.safe_load(source(".github/workflows/ci.yml"))["jobs"]["test"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]
    assert "make test" in source(".ci/run")
