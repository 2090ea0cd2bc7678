"""Text in files that people open in a spreadsheet: a formula is made plain text.

See OWASP, "CSV Injection". Only columns of text are changed: ``-5.00`` in a column of amounts must
stay a number.
"""

import re

_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
"""Characters that begin a formula, with their full-width and small forms."""

_UNSEEN = "\\s\ufeff\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064"
"""Blanks and invisible characters: spreadsheets skip them before they look for a formula."""

_STARTS = re.compile(f"(?:\\A|(?<=[;\t\r\n]))(?=[{_UNSEEN}]*[{_SIGNS}])|\\A(?=[\t\r\n])")
# A cell begins with the text. Programs that separate by semicolons, tabs or lines begin further
# cells.


def neutralised(text: str) -> str:
    """Return the text with a ``'`` before each part that a spreadsheet could take for a formula.

    A formula begins with ``=``, ``+``, ``-`` or ``@``, perhaps after blanks. A leading tab or line
    break is marked too. All other text stays as it is, and so does a text that is neutralised
    already.
    """
    return _STARTS.sub("'", text)
