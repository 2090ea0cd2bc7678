"""docs/configuration.md names every variable that the code reads, with its default; the README names the ones that matter."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.environment import ROOT

ROW = re.compile(r"^\| `([A-Z_]+)` \| (.*?) \|", re.MULTILINE)
ROOMS = ("ledger_project", "merchants", "people", "fees", "transfers", "approvals", "events", "console", "portal")

COMPUTED = {
    "SECRET_KEY", "LEDGER_SANDBOX", "LEDGER_SIGN_UP", "LEDGER_DATA_DIR", "LEDGER_HTTPS", "LEDGER_ADMIN_TOTP", "LEDGER_LOG_FORMAT",
    "STATIC_ROOT",
}  # fmt: skip
"""Settings whose default is made from others; what is written of them is read by people only."""

INTERNAL = {"DJANGO_SETTINGS_MODULE", "LEDGER_SUPERVISOR_PID"}
"""What processes of the service tell each other."""


def documented() -> dict[str, str]:
    return dict(ROW.findall((ROOT / "docs" / "configuration.md").read_text()))


def sources() -> Iterator[Path]:
    yield ROOT / "manage.py"
    for room in ROOMS:
        yield from (ROOT / room).rglob("*.py")


def read_variables() -> dict[str, ast.expr | None]:
    """Return each variable that the code reads from the environment, with its default."""
    found: dict[str, ast.expr | None] = {}
    for path in sources():
        tree = ast.parse(path.read_text())
        constants = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args and _reads_environment(node.func):
                name, default = _text(node.args[0], constants), node.args[1] if len(node.args) > 1 else None
            elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
                name, default = _text(node.slice, constants), None
            else:
                continue
            if name is not None and name not in INTERNAL:
                found[name] = found.get(name) or default
    return found


def _reads_environment(function: ast.expr) -> bool:
    name = ast.unparse(function)
    return name.startswith("env.") or name in {"os.environ.get", "os.environ.setdefault", "environment_secret", "environment_number"}


def _text(node: ast.expr, constants: dict[str, object]) -> str | None:
    if isinstance(node, ast.Constant):
        return str(node.value)
    known = constants.get(node.id) if isinstance(node, ast.Name) else None
    return known if isinstance(known, str) else None


def shown(default: ast.expr | None) -> str:
    """Return a default as the page writes it."""
    if isinstance(default, ast.IfExp):  # where credentials are required, and where they are not
        default = default.body
    value = None if default is None else eval(ast.unparse(default), {"__builtins__": {}})  # noqa: S307 - the service's own source
    if value in ("", [], None):
        return "–"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return f"`{','.join(value)}`"
    return f"{value:g}" if isinstance(value, float) else f"{value}" if isinstance(value, int) else f"`{value}`"


def test_every_variable_that_the_code_reads_is_explained() -> None:
    explained = set(documented()) - {"TEST_DATABASE_URL", "TEST_LANE", "TEST_LENGTH", "SECONDS", "PARTS", "ONLY", "GROWTH", "EXAMPLES"}
    assert set(read_variables()) == explained


def test_every_default_is_the_one_of_the_code() -> None:
    written = documented()
    wrong = {
        name: (written[name], shown(default))
        for name, default in read_variables().items()
        if name not in COMPUTED and written[name] != shown(default)
    }
    assert wrong == {}


def test_the_readme_and_the_guides_name_no_setting_that_is_not_there() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        named = set(re.findall(r"`(LEDGER_[A-Z_]+)`", page.read_text()))
        assert named <= set(documented()), page.name
