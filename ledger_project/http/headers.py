"""The meaning of a header that is sent twice, in one table (RFC 9110, section 5.3).

Only fields that are lists may be joined. Two lines of a single-valued header are refused, equal
ones too: a proxy may add a line, a server may join the two, and ``K,K`` is another idempotency key
than ``K``. No reader can tell which line was meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

from ledger_project.http.problems import BadRequest
from ledger_project.kernel.errors import IdempotencyKeyInvalid, LedgerError


class Twice(Enum):
    """The treatment of a header's second line."""

    REFUSED = "the header has one value: the request is 400"
    JOINED = "the header is a list: the lines are one list, in their order"
    COOKIES = "the header is a list of pairs that are parted by semicolons"
    IGNORED = "the header counts as not sent"


RULES: Mapping[bytes, Twice] = {
    # Ours.
    b"idempotency-key": Twice.REFUSED,  # an Item of RFC 8941; API.md, Idempotency
    b"x-api-key": Twice.REFUSED,
    b"x-request-id": Twice.REFUSED,
    # RFC 9110: the section says whether the field is a list.
    b"authorization": Twice.REFUSED,  # 11.6.2
    b"host": Twice.REFUSED,  # 7.2, and RFC 9112 section 3.2: must be answered with 400
    b"content-type": Twice.REFUSED,  # 8.3
    b"content-length": Twice.REFUSED,  # 8.6: equal ones may be taken for one; a body's length is nothing to be guessed
    b"content-encoding": Twice.JOINED,  # 8.4
    b"transfer-encoding": Twice.JOINED,  # RFC 9112 section 6.1
    b"connection": Twice.JOINED,  # 7.6.1
    b"upgrade": Twice.JOINED,  # 7.8
    b"accept": Twice.JOINED,  # 12.5.1
    b"accept-encoding": Twice.JOINED,  # 12.5.3
    b"if-none-match": Twice.JOINED,  # 13.1.2
    # What Django reads for the admin.
    b"origin": Twice.REFUSED,  # RFC 6454 section 7.3
    b"referer": Twice.REFUSED,  # 10.1.3
    b"x-csrftoken": Twice.REFUSED,
    b"cookie": Twice.COOKIES,  # RFC 6265 section 5.4; RFC 9113 section 8.2.3 tells how parts are put together
    # What proxies add.
    b"x-forwarded-for": Twice.JOINED,
    b"traceparent": Twice.IGNORED,  # W3C Trace Context: a new trace is begun. It is no reason to refuse a payment.
    b"tracestate": Twice.JOINED,
}
"""Every header that this service reads. The lines of any other header are joined."""


def joined(name: bytes, first: str, second: str) -> str:
    """Return the joined value of two lines."""
    return f"{first}; {second}" if RULES.get(name) is Twice.COOKIES else f"{first}, {second}"


def refusal_of_second(name: bytes) -> LedgerError | None:
    """Return the refusal of a second line; None if it is allowed."""
    if RULES.get(name) is not Twice.REFUSED:
        return None
    if name == b"idempotency-key":
        return IdempotencyKeyInvalid("The Idempotency-Key header is sent twice; send it in one line only, also if both say the same.")
    return BadRequest(f"The header {name.decode().title()} is sent twice; it has one value, so send it in one line only.")


def read_headers(lines: Iterable[tuple[bytes, bytes]]) -> tuple[dict[bytes, str], LedgerError | None]:
    """Return the headers' values by name, and the refusal of a header that is sent twice (None: no
    refusal).
    """
    values: dict[bytes, str] = {}
    refusal: LedgerError | None = None
    ignored: set[bytes] = set()
    for name, value in lines:
        text = value.decode("latin-1")
        if name in values:
            refusal = refusal or refusal_of_second(name)
            if RULES.get(name) is Twice.IGNORED:
                ignored.add(name)
            text = joined(name, values[name], text)
        values[name] = text
    return {name: text for name, text in values.items() if name not in ignored}, refusal
