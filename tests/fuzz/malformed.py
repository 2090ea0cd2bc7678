"""Requests that are none: seeded mutations of valid ones, each the same for the same seed and number.

A mutation may happen to leave its request valid, so the requests to begin with are such that their answer is a refusal in any case: about
things that are not there, or money that is not there. Only what is *smuggled* is a transfer that would succeed: behind a request whose
length is told in two ways, it must never be read as one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from tests.support.log_secrets import PLANTED


@dataclass(frozen=True, slots=True)
class Request:
    """A request in its parts."""

    method: bytes
    target: bytes
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    version: bytes = b"HTTP/1.1"
    length: bytes | None = None
    """What Content-Length says; None: the truth."""

    def raw(self) -> bytes:
        """Return the bytes."""
        length = str(len(self.body)).encode() if self.length is None else self.length
        headers = [(b"Host", b"127.0.0.1"), *self.headers]
        if length and (self.body or self.length):
            headers.append((b"Content-Length", length))
        lines = [b" ".join((self.method, self.target, self.version)), *(name + b": " + value for name, value in headers)]
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body

    def with_header(self, name: bytes, value: bytes) -> Request:
        """Return it with a header more."""
        return replace(self, headers=(*self.headers, (name, value)))


@dataclass(frozen=True, slots=True)
class Attack:
    """What is sent over one connection, in these parts, and how the connection ends."""

    name: str
    parts: list[bytes]
    pause_s: float = 0.0
    abort: bool = False
    """Whether the connection is reset without waiting for an answer."""


@dataclass(slots=True)
class Forge:
    """Makes attacks on a service with a merchant that has nothing (``poor``), one that receives, and one with money (``rich``)."""

    poor: str
    rich: str
    payee: str
    seed: int
    account: str = "0199c0de-0000-7000-8000-000000000000"
    _kinds: list[Callable[[Random], Attack]] = field(init=False)

    def __post_init__(self) -> None:
        self._kinds = [
            self._odd_line, self._odd_header, self._odd_length, self._odd_chunks, self._smuggled, self._odd_body, self._huge_head,
            self._flipped, self._truncated, self._garbage, self._pipelined,
        ]  # fmt: skip

    def attack(self, number: int) -> Attack:
        """Return the attack of that number."""
        random = Random(f"{self.seed}/{number}")
        made = random.choice(self._kinds)(random)
        delivery = random.random()
        if delivery < 0.08 and len(made.parts) == 1:  # slowly, in pieces that end anywhere
            raw = made.parts[0]
            cuts = sorted(random.sample(range(len(raw) + 1), min(len(raw), random.randint(1, 12))))
            parts = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
            return replace(made, parts=parts, pause_s=random.choice((0.0, 0.001, 0.01)))
        return replace(made, abort=True) if delivery < 0.16 else made

    def _transfer(self, source: str, random: Random) -> Request:
        body = json.dumps({"from_merchant": source, "to_merchant": self.payee, "currency": "USD", "amount_minor": 100}).encode()
        headers = ((b"Content-Type", b"application/json"), (b"Idempotency-Key", PLANTED.encode() + b"%032x" % random.getrandbits(128)))
        return Request(b"POST", b"/transfers", body, headers)

    def valid(self, random: Random) -> Request:
        """Return a request that is valid, and is refused."""
        account = self.account.encode()
        movement = self._transfer(self.poor, random)
        single = json.loads(movement.body)
        batch = {"atomic": True, "transfers": [{**single, "idempotency_key": f"{random.getrandbits(64):x}"}]}
        choices = [
            movement,
            movement,
            replace(movement, target=b"/holds"),
            replace(movement, target=b"/transfers/batch", body=json.dumps(batch).encode()),
            replace(movement, target=b"/accounts/" + account + b"/deposit", body=b'{"amount": "1.00"}'),
            Request(b"GET", b"/accounts/" + account),
            Request(b"GET", b"/accounts/" + account + b"/statement?limit=5&from=2026-01-01T00:00:00Z", headers=((b"Accept", b"text/csv"),)),
            Request(b"GET", b"/accounts/" + account + b"/statement?cursor=abc:def", headers=((b"Authorization", b"Bearer lk_abc"),)),
        ]
        return random.choice(choices)

    def _odd_line(self, random: Random) -> Attack:
        request = self.valid(random)
        which = random.randrange(3)
        if which == 0:
            methods = (
                b"",
                b"get",
                b"G\x00T",
                b"POST POST",
                b"BREW",
                b"\xff\xfe",
                b"TRACE",
                b"CONNECT",
                b"PRI",
                b"A" * 5000,
                b"DELETE",
                b"PUT",
            )
            request = replace(request, method=random.choice(methods))
        elif which == 1:
            targets = (
                b"", b"*", b"//", b"http://", b"http://[::1", b"/accounts/%00", b"/accounts/%zz", b"/accounts/\xff\xfe", b"/accounts/a b",
                b"/accounts/../../etc/passwd", b"/accounts/%2e%2e%2f", b"/accounts/" + b"x" * 20_000, b"/accounts/x?" + b"a&" * 2000,
                b"/accounts/x/statement?from=%FF%FE", b"/accounts/x/statement?cursor=%00", b"?", b"/nothing#fragment", b"\x00", b"/\r\n",
                b"http://127.0.0.1:99999999/accounts/x", b"/accounts/" + b"%" * 500, b"/static/%00", b"/static/../../manage.py",
                b"/merchants/%00/accounts", b"/merchants/%ED%A0%80/balance?at=\xff", b"/transfers?kind=\xff\xfe&kind=%", b"/holds?status=%zz",
                b"/transfers?created_from=9999-12-31T23:59:59.999999-14:00", b"/healthz?" + b"x" * 30_000,
            )  # fmt: skip
            request = replace(request, target=random.choice(targets))
        else:
            versions = (
                b"",
                b"HTTP/0.9",
                b"HTTP/9.9",
                b"HTTP/1.1 x",
                b"HTTP/1.",
                b"HTPP/1.1",
                b"http/1.1",
                b"HTTP/1.1\x00",
                b"HTTP/2.0",
                b"\xff",
            )
            request = replace(request, version=random.choice(versions))
        return Attack("odd line", [request.raw()])

    def _odd_header(self, random: Random) -> Attack:
        text = random.choice(
            (b"\x00", b"\xff\xfe", b"a\x0bb", b"a\rb", b"a\nb", b"\x7f", b"'\"", b"\xc3\xa9", b"", b" ", b";" * 200, b"x" * 9000)
        )
        known = (
            b"Content-Type", b"Accept", b"Authorization", b"X-Api-Key", b"Idempotency-Key", b"Host", b"Cookie", b"Expect", b"Connection",
            b"Upgrade", b"X-Request-Id", b"X-Forwarded-For", b"Accept-Encoding", b"Range", b"Content-Encoding", b"Origin", b"traceparent",
        )  # fmt: skip
        values = (
            text, b"a/b; q*=no-such'x'y", b"Bearer " + text, b"application/json; charset=" + text, b"100-continue", b"websocket", b"upgrade",
            b"text/csv;q=nan", b"*/*;q=" + b"9" * 400, b'"' + text + b'"', b"bytes=0-" + b"9" * 50, b"gzip", b"close, " * 50,
        )  # fmt: skip
        names = (b"", b" x", b"x y", b"x\x00", b"\xff", b"x:", b"X" * 70_000, b"Content_Length", b"(x)")
        request = self.valid(random)
        if random.random() < 0.3:
            return Attack("odd name", [request.with_header(random.choice(names), text).raw()])
        for _ in range(random.randint(1, 4)):
            request = request.with_header(random.choice(known), random.choice(values))
        raw = request.raw()
        if random.random() < 0.2:
            raw = raw.replace(b"\r\n", random.choice((b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n ")), random.randint(1, 3))
        return Attack("odd header", [raw])

    def _odd_length(self, random: Random) -> Attack:
        lengths = (
            b"-1",
            b"+5",
            b"0x10",
            b"1e3",
            b"9" * 40,
            b"18446744073709551616",
            b"5 5",
            b"5,5",
            b"\xb2",
            b"0",
            b"1",
            b"1048577",
            b"99999999",
            b"",
        )
        request = self._transfer(self.poor, random)
        request = replace(request, length=random.choice(lengths))
        if random.random() < 0.3:
            request = request.with_header(b"Content-Length", random.choice(lengths))
        return Attack("odd length", [request.raw()])

    def _odd_chunks(self, random: Random) -> Attack:
        body = self._transfer(self.poor, random).body
        size = b"%x" % len(body)
        chunks = (
            b"-1\r\n" + body, b"zz\r\n" + body, b"f" * 40 + b"\r\n" + body, size + b"\r\n" + body, size + b"\r\n" + body + b"\r\n",
            size + b"\n" + body + b"\n0\n\n", size + b";" + b"x" * 9000 + b"\r\n" + body + b"\r\n0\r\n\r\n", b"\r\n", b"0\r\n",
            size + b"\r\n" + body + b"X\r\n0\r\n\r\n", b" " + size + b"\r\n" + body + b"\r\n0\r\n\r\n", b"0\r\nX: " + b"y" * 9000 + b"\r\n\r\n",
            b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\nContent-Length: 5\r\n\r\n", b"100001\r\n" + b" " * 0x100001 + b"\r\n0\r\n\r\n",
        )  # fmt: skip
        request = replace(self._transfer(self.poor, random), body=b"").with_header(b"Transfer-Encoding", b"chunked")
        return Attack("odd chunks", [request.raw() + random.choice(chunks)])

    def _smuggled(self, random: Random) -> Attack:
        hidden = self._transfer(self.rich, random).raw()
        encodings = (
            b"chunked", b"chunked, chunked", b"identity, chunked", b"xchunked", b"chunked\x0b", b"\x00chunked", b"chunked;x", b"gzip", b"CHUNKED,",
            b"chunked, identity", b'"chunked"', b"chunk ed",
        )  # fmt: skip
        outer = self._transfer(self.poor, random)
        which = random.randrange(5)
        if which == 4:  # a body that was lost behind an upgrade was read as the next request when it came in a packet of its own
            upgrade = replace(outer, body=hidden).with_header(b"Upgrade", random.choice((b"h2c", b"websocket", b"x")))
            head = upgrade.with_header(b"Connection", random.choice((b"upgrade", b"close, Upgrade"))).raw().removesuffix(hidden)
            return Attack("smuggled behind an upgrade", [head, hidden], pause_s=0.01)
        if which == 0:  # CL and TE: what ends first by one of them is followed by a transfer
            raw = replace(outer, body=b"0\r\n\r\n" + hidden, length=random.choice((None, b"5", b"0"))).with_header(
                random.choice((b"Transfer-Encoding", b"transfer-encoding", b"TRANSFER-ENCODING")), random.choice(encodings)
            )
            return Attack("smuggled by CL and TE", [raw.raw()])
        if which == 1:  # two lengths
            other = replace(outer, body=outer.body + hidden, length=str(len(outer.body)).encode())
            return Attack("smuggled by two lengths", [other.with_header(b"Content-Length", str(len(other.body)).encode()).raw()])
        if which == 2:  # an encoding that is none, without a length
            bare = replace(outer, body=b"").with_header(b"Transfer-Encoding", random.choice(encodings[3:]))
            return Attack("smuggled by an odd encoding", [bare.raw() + b"0\r\n\r\n" + hidden])
        broken = random.choice(
            (b"GET\r\n\r\n", b"\x00\r\n\r\n", b"POST /transfers HTTP/1.1\r\nHost\r\n\r\n", b"GET / HTTP/1.1\r\n: x\r\n\r\n")
        )
        return Attack("a transfer behind a broken request", [broken + hidden])

    def _odd_body(self, random: Random) -> Attack:
        request = self._transfer(self.poor, random)
        good = request.body
        bodies = (
            b"", b"\x00", b"\xff\xfe{}", b"\xef\xbb\xbf" + good, good[:-1], good + b"x", good + good, b"[" * 100_000, b'{"a":' * 5000, b"null", b"NaN",
            good.replace(b"100", b"NaN"), good.replace(b"100", b"Infinity"), good.replace(b"100", b"1e999"), good.replace(b"100", b"9" * 5000),
            good.replace(b"100", b"100.0"), good.replace(b"100", b"-0"), good.replace(b"100", b"0100"), good.replace(b"100", b"true"),
            good[:-1] + b', "amount_minor": 100, "amount_minor": 100}', good[:-1] + b', "__proto__": {}}', good[:-1] + b', "memo": "\\ud800"}',
            good[:-1] + b', "memo": "\\u0000"}', good[:-1] + b', "memo": "\x01"}', good[:-1] + b', "memo": "\xed\xa0\x80"}',
            good[:-1] + b', "metadata": {"a": "' + b"x" * 17_000 + b'"}}', good[:-1] + b', "metadata": ' + b'{"a":' * 14 + b"1" + b"}" * 14 + b"}",
            good[:-1] + b', "metadata": ' + b'{"a":' * 40 + b"1" + b"}" * 40 + b"}", b"{" + b'"a":1,' * 20_000 + b'"b":1}', b" " * 1_048_577,
            good.decode().encode("utf-16"), good[:-1] + b', "external_reference": ""}', b"{'a': 1}", b'{"a": 1,}', b"\x1f\x8b\x08" + good,
        )  # fmt: skip
        paths = (
            b"/transfers",
            b"/transfers",
            b"/merchants/x/accounts",
            b"/holds",
            b"/transfers/batch",
            b"/accounts/x/withdraw",
            b"/holds/x/capture",
            b"/auth/token",
        )
        return Attack("odd body", [replace(request, target=random.choice(paths), body=random.choice(bodies)).raw()])

    def _huge_head(self, random: Random) -> Attack:
        request = self.valid(random)
        if random.random() < 0.5:
            request = request.with_header(b"X-Long", b"a" * random.choice((66_000, 140_000, 300_000)))
        else:
            request = replace(request, headers=request.headers + ((b"X-Many", b"b" * 40),) * random.choice((500, 3000, 6000)))
        return Attack("huge head", [request.raw()])

    def _flipped(self, random: Random) -> Attack:
        raw = bytearray(self.valid(random).raw())
        for _ in range(random.randint(1, 6)):
            place, which = random.randrange(len(raw)), random.randrange(3)
            if which == 0:
                raw[place] = random.randrange(256)
            elif which == 1:
                raw[place:place] = random.randbytes(random.randint(1, 4))
            else:
                del raw[place : place + random.randint(1, 4)]
        return Attack("flipped", [bytes(raw)])

    def _truncated(self, random: Random) -> Attack:
        raw = self.valid(random).raw()
        return Attack("truncated", [raw[: random.randrange(1, len(raw))]])

    def _garbage(self, random: Random) -> Attack:
        openings = (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"SSH-2.0-x\r\n", b"\x00" * 50, b"\r\n" * 100,
            b"GET /accounts/x\r\n", b"\x05\x01\x00", b"*1\r\n$4\r\nPING\r\n", b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n", b"",
        )  # fmt: skip
        return Attack("garbage", [random.choice(openings) + random.randbytes(random.randint(1, 300))])

    def _pipelined(self, random: Random) -> Attack:
        requests = [self.valid(random).raw() for _ in range(random.randint(2, 12))]
        if random.random() < 0.7:
            requests.insert(
                random.randrange(len(requests)), random.choice((self._flipped, self._odd_line, self._odd_length))(random).parts[0]
            )
        return Attack("pipelined", [b"".join(requests)])
