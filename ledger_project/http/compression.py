"""Static files are sent compressed, each compressed once in a process.

Answers with data are not: their length would tell an attacker, who can put words of his own into
them, whether the words are a secret that stands beside them (BREACH).
"""

from __future__ import annotations

import gzip
import re
from functools import lru_cache
from pathlib import Path

from django.http import FileResponse, HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

_TEXTS = ("text/", "application/javascript", "image/svg+xml", "application/json")
_ACCEPTED = re.compile(r"(?:^|,)\s*gzip\s*(?:;\s*q=(?:1|0?\.[0-9]*[1-9])[0-9.]*\s*)?(?:,|$)", re.IGNORECASE)
MOST_BYTES = 2 * 1024 * 1024
"""The largest file that is compressed. Larger ones are sent as they are."""


def compressed(request: HttpRequest, found: FileResponse) -> FileResponse | HttpResponse:
    """Return a static file in gzip, if it is a text and the caller takes gzip, else as it is."""
    name = getattr(found.file_to_stream, "name", None)
    if not str(found["Content-Type"]).startswith(_TEXTS) or not isinstance(name, str):
        return found
    patch_vary_headers(found, ["Accept-Encoding"])
    path = Path(name)
    stat = path.stat()
    if stat.st_size > MOST_BYTES or _ACCEPTED.search(request.headers.get("Accept-Encoding", "")) is None:
        return found
    content = _gzipped(path, stat.st_mtime_ns)
    found.close()
    headers = {key: value for key, value in found.items() if key.lower() != "content-length"}
    return HttpResponse(content, headers=headers | {"Content-Encoding": "gzip"})


@lru_cache(maxsize=256)
def _gzipped(path: Path, _changed_ns: int) -> bytes:
    """Return the content of a file, compressed. A changed file is another one."""
    return gzip.compress(path.read_bytes(), 9, mtime=0)
