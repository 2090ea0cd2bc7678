"""``python -m tests.examples.error_document``: write docs/errors.md again, from the errors of the code."""

from __future__ import annotations

from textwrap import fill

from tests.environment import ROOT

FILE = ROOT / "docs" / "errors.md"

HEAD = """# Errors

<!-- Made by `make docs` from the error classes and `ledger_project/http/error_catalogue.py`. -->

Every refusal is a problem document (RFC 9457, `application/problem+json`). Programs decide by
`code`; `detail` is a sentence for people, and other members carry the numbers of the case. A
running service shows each error at `/errors/<code>`, as JSON or as a page. The `type` of a problem
document is `LEDGER_ERROR_BASE_URL` and the code: set it to the public address of `/errors/`.

"The key" below is the `Idempotency-Key`. Where an error says so, the key keeps the answer: the same
request gets it again, and a corrected request needs a new key. All other errors leave the key free.
"""


def text() -> str:
    """Return what docs/errors.md has to say."""
    import ledger_project.asgi
    import ledger_project.urls  # all errors are known then
    from ledger_project.http.error_catalogue import error_cases

    del ledger_project
    parts = [HEAD]
    for case in error_cases().values():
        when, remedy = (fill(f"*{name}:* {words}", 100) for name, words in (("When", case.when), ("What to do", case.remedy)))
        kept = ". The key keeps this answer." if case.is_kept else ""
        parts.append(f"\n## {case.code}\n\n{case.status} {case.title}{kept}\n\n{when}\n\n{remedy}\n")
    return "".join(parts)


if __name__ == "__main__":
    FILE.write_text(text())
