"""JSON out, exact: integers of any size, text as it is, no blanks.

The standard library's writer, since amounts in minor units pass 2^64 and the faster writers refuse or round those.
"""

import json
from collections.abc import Mapping

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def dumps_text(value: object) -> str:
    """Return JSON as text."""
    if isinstance(value, Mapping) and not value:
        return "{}"
    return _encode(value)


def dumps(value: object) -> bytes:
    """Return JSON as UTF-8."""
    return _encode(value).encode()
