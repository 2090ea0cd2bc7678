"""Text in files that people open in a spreadsheet: what the spreadsheet would run as a formula is made plain text.

See OWASP, "CSV Injection". Only text is treated so: a column of amounts holds numbers, and ``-5.00`` must stay one.
"""

import re

_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
"""What a formula begins with, and its full-width and small forms, which some spreadsheets take for the same."""

_UNSEEN = "\\s\ufeff\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064"
"""Blanks and characters without a shape: spreadsheets skip them before they look for a formula."""

_STARTS = re.compile(f"(?:\\A|(?<=[;\t\r\n]))(?=[{_UNSEEN}]*[{_SIGNS}])|\\A(?=[\t\r\n])")
# A cell begins with the text, and where a program that separates by semicolons, by tabs or by lines alone would begin another one.


def neutralised(text: str) -> str:
    """Return the text so that no spreadsheet takes a part of it for a formula: a ``'`` is put before what could be one.

    Formulas begin with ``=``, ``+``, ``-`` or ``@`` (full-width forms too), perhaps after blanks; a leading tab or line break is marked
    as well. All other text comes back as it is, and doing it twice is doing it once.
    """
    return _STARTS.sub("'", text)
