"""A receipt as a page of HTML that needs nothing else: no script, no image, its own style.

The page may use the one style that is written here, by its hash. Text of callers is escaped, and
its direction ends with it.
"""

from __future__ import annotations

import base64
import hashlib

from django.utils.html import escape

from events.domain.receipts import Party
from events.receipts.lines import Line, receipt_lines
from ledger_project.documents.characters import is_seen, number_of
from transfers.selectors.transfers import StoredTransfer

_STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}"
    "th{text-align:left;font-weight:400;opacity:.7;padding-right:1.5rem;vertical-align:top;white-space:nowrap}"
    "td,pre{overflow-wrap:anywhere;white-space:pre-wrap}.bold{font-weight:700}pre{font-size:11px}@media print{details{display:none}}"
)

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What a browser may do with the page: show it."""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Receipt {number}</title><style>{style}</style></head>
<body><h1>Receipt</h1>
<table>
{rows}
</table>
{end}
</body></html>
"""

_SIGNED = """<p>This receipt is signed. Whoever has the keys of this service, <code>/.well-known/jwks.json</code>, can check it.</p>
<details><summary>Signature</summary><pre>{signature}</pre></details>"""

_UNSIGNED = "<p>This receipt is not signed: the service has no key for it.</p>"


def receipt_html(transfer: StoredTransfer, party: Party, signature: str | None) -> bytes:
    """Return the page of a party's receipt."""
    lines = receipt_lines(transfer, party)
    end = _UNSIGNED if signature is None else _SIGNED.format(signature=escape(signature))
    page = _PAGE.format(number=escape(lines[0].text), style=_STYLE, rows="\n".join(map(_row, lines)), end=end)
    return page.encode()


def _row(line: Line) -> str:
    style = ' class="bold"' if line.is_bold else ""
    text = "".join(character if is_seen(character) or character == "\n" else number_of(character) for character in line.text)
    return f'<tr><th scope="row">{line.label}</th><td dir="auto"{style}>{escape(text)}</td></tr>'
