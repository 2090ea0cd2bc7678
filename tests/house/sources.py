"""The source of the house as the tests of its rules see it: modules, functions, prose, public names."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path

from tests.environment import ROOT

APPS = ("ledger_project", "merchants", "people", "fees", "transfers", "approvals", "events", "console", "portal")


class Module:
    """One file of Python."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path.relative_to(ROOT))
        self.text = path.read_text()
        self.lines = self.text.splitlines()

    @property
    def dotted(self) -> str:
        """The name by which others import it."""
        return ".".join(self.path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node

    def prose(self) -> Iterator[tuple[int, str]]:
        """Yield the lines of docstrings, also of constants, and of comments that have a line of their own, with their numbers."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                for number in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                    yield number, self.lines[number - 1]
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT and not token.line[: token.start[1]].strip():
                yield token.start[0], token.line.rstrip("\n")

    def public_names(self) -> Iterator[tuple[str, ast.stmt]]:
        """Yield the public functions, classes and constants of the module, with the statements that define them."""
        for node in self.tree.body:
            for name in _defined(node):
                if not name.startswith("_"):
                    yield name, node


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    found = [name for target in targets for name in (target.elts if isinstance(target, ast.Tuple) else [target])]
    return [name.id for name in found if isinstance(name, ast.Name)]


@cache
def modules(*, migrations: bool = False) -> tuple[Module, ...]:
    """Return all modules of our apps, and manage.py."""
    paths = [path for app in APPS for path in sorted(Path(ROOT, app).rglob("*.py"))]
    return tuple(Module(path) for path in [*paths, Path(ROOT, "manage.py")] if migrations or "migrations" not in path.parts)


@cache
def sources(folder: str) -> tuple[Module, ...]:
    """Return all modules of another folder."""
    return tuple(Module(path) for path in sorted(Path(ROOT, folder).rglob("*.py")) if "node_modules" not in path.parts)


_SILENCED = re.compile(r"# ?(?:noqa(?:: [A-Z0-9, ]+)?|nosec|type: ?ignore(?:\[[\w, -]+\])?)(.*)")


def silenced(module: Module) -> Iterator[tuple[str, str]]:
    """Yield the place and the reason of each comment that silences a check."""
    if not _SILENCED.search(module.text):
        return
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        found = _SILENCED.search(token.string) if token.type == tokenize.COMMENT else None
        if found:
            yield f"{module.name}:{token.start[0]}", found[1].strip(" -#")


_DOTTED = re.compile(r"[\w.]+[.:](\w+)$")


def uses(node: ast.AST) -> Counter[str]:
    """Return how often each name is used in a piece of source: as a name, an attribute, an import, or the end of a dotted path."""
    found: Counter[str] = Counter()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            found[inner.id] += 1
        elif isinstance(inner, ast.Attribute):
            found[inner.attr] += 1
        elif isinstance(inner, ast.alias) and inner.asname is not None:
            found[inner.name] += 1
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            found.update(_in_text(inner.value))
    return found


def _in_text(text: str) -> list[str]:
    path = _DOTTED.fullmatch(text)
    if path:
        return [path[1]]
    # An annotation in quotes, a name in a cast.
    return re.findall(r"\w+", text) if len(text) < 80 and re.fullmatch(r"[\w\[\], .|]+", text) else []
