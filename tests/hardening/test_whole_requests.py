"""A request that did not come whole moves nothing; one that asks for an upgrade is answered as if it had not asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.support.factories import unique
from tests.support.raw_http import Answer, answers_of, ask, chunked, connect, head
from tests.support.servers import Service

PART = b'{"amount": "1.00"}'
JSON = "Content-Type: application/json"

UPGRADES = {
    "curl --http2": ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"),
    "a web socket": ("connection: keep-alive, UPGRADE", "upgrade: websocket", "Sec-WebSocket-Version: 13"),
    "two protocols": ("Connection: Upgrade", "Upgrade: foo/1", "Upgrade: bar"),
    "two lines of options": ("Connection: keep-alive", "Connection: upgrade", "Upgrade: h2c"),
    "an upgrade that is no option": ("Upgrade: h2c",),
    "an option without an upgrade": ("Connection: upgrade",),
}


@pytest.fixture(scope="module")
def server(ledger: None) -> Iterator[Service]:
    """A server as ``manage.py serve`` runs it."""
    del ledger
    with Service(workers=1) as running:
        yield running


class Till:
    """A merchant with money, and calls whose missing amount means all of it."""

    def __init__(self, service: Service) -> None:
        self.http = httpx.Client(base_url=service.base_url, timeout=30)
        self.payer, self.payee = unique(), unique()
        for name, balance in ((self.payer, "100000.00"), (self.payee, "100000.00")):
            self._post("/merchants", {"merchant_name": name, "currency": "USD", "initial_balance": balance})

    def _post(self, path: str, body: dict[str, str]) -> str:
        answer = self.http.post(path, json=body, headers={"Idempotency-Key": unique()})
        assert answer.status_code == 201, answer.text
        identifier: str = answer.json()["id"]
        return identifier

    def _movement(self) -> dict[str, str]:
        return {"from_merchant": self.payer, "to_merchant": self.payee, "currency": "USD", "amount": "50.00"}

    def reverse(self) -> str:
        return f"/transfers/{self._post('/transfers', self._movement())}/reverse"

    def capture(self) -> str:
        return f"/holds/{self._post('/holds', self._movement())}/capture"

    def void(self) -> str:
        return f"/holds/{self._post('/holds', self._movement())}/void"

    def balances(self) -> list[tuple[str, str]]:
        found = [self.http.get(f"/merchants/{name}/balance?currency=USD").json()["balances"][0] for name in (self.payer, self.payee)]
        return [(balance["available"], balance["held"]) for balance in found]


@pytest.fixture(scope="module")
def till(server: Service) -> Iterator[Till]:
    made = Till(server)
    yield made
    made.http.close()


def post(path: str, *headers: str) -> bytes:
    return head(f"POST {path}", f"Idempotency-Key: {unique()}", JSON, *headers)


@pytest.mark.parametrize("call", [Till.reverse, Till.capture])
@pytest.mark.parametrize("upgrade", UPGRADES.values(), ids=UPGRADES)
def test_an_upgrade_is_ignored_and_the_body_is_read(
    server: Service, till: Till, upgrade: tuple[str, ...], call: Callable[[Till], str]
) -> None:
    length, chunks = f"Content-Length: {len(PART)}", "Transfer-Encoding: chunked"
    for headers, body in (((length,), PART), ((length, "Expect: 100-continue"), PART), ((chunks,), chunked(PART, 2))):
        top = post(call(till), *upgrade, *headers)
        assert ask(server, top, body[:3], body[3:])[0].outcome == (201, "1.00")
        assert ask(server, post(call(till), *upgrade, *headers) + body)[0].outcome == (201, "1.00")


def test_requests_behind_an_upgrade_are_answered_in_their_order(server: Service, till: Till) -> None:
    upgrade = UPGRADES["curl --http2"]
    lookup = head("GET /healthz", *upgrade)
    raw = b"".join(
        [
            lookup,
            post(till.reverse(), *upgrade, f"Content-Length: {len(PART)}") + PART,
            lookup,
            post(till.capture(), *upgrade, "Transfer-Encoding: chunked") + chunked(PART, 5),
            lookup,
        ]
    )
    found = ask(server, raw, count=5)
    assert [answer.status for answer in found] == [200, 201, 200, 201, 200]
    assert [answer.json().get("amount") for answer in found] == [None, "1.00", None, "1.00", None]


@pytest.mark.parametrize("upgrade", [(), *UPGRADES.values()], ids=["none", *UPGRADES])
@pytest.mark.parametrize("call", [Till.reverse, Till.capture, Till.void])
def test_a_body_that_was_announced_and_is_not_there_moves_nothing(
    server: Service, till: Till, upgrade: tuple[str, ...], call: Callable[[Till], str]
) -> None:
    path = call(till)
    before = till.balances()
    (empty,) = ask(server, post(path, *upgrade, "Transfer-Encoding: chunked") + chunked(b""))
    assert empty.outcome == (400, "malformed_json")
    for raw in (
        post(path, *upgrade, f"Content-Length: {len(PART)}"),
        post(path, *upgrade, f"Content-Length: {len(PART) + 1}") + PART,
        post(path, *upgrade, "Transfer-Encoding: chunked"),
        post(path, *upgrade, "Transfer-Encoding: chunked") + chunked(PART, 4)[:-2],
    ):
        assert [answer.outcome for answer in ask(server, raw, half_close=True)] == [(400, "malformed_json")], raw
    broken = post(path, *upgrade, "Transfer-Encoding: chunked") + chunked(PART, 4)[:9] + b"zz\r\n"
    assert ask(server, broken)[0].outcome == (400, "bad_request")
    assert till.balances() == before


@pytest.mark.parametrize("call", [Till.reverse, Till.capture, Till.void])
@pytest.mark.parametrize("lengths", [(), ("Content-Length: 0",), ("Content-Length: 000",)], ids=["none", "0", "000"])
def test_no_body_where_none_was_announced_is_all_of_it(
    server: Service, till: Till, call: Callable[[Till], str], lengths: tuple[str, ...]
) -> None:
    (answer,) = ask(server, post(call(till), *lengths))
    assert answer.json().get("amount") == "50.00", answer


@pytest.mark.parametrize("protocol", ["httptools", "h11"])
def test_another_protocol_of_uvicorn_moves_all_or_what_was_asked_for(ledger: None, protocol: str) -> None:
    """Started with another protocol than ours, the service has httptools lose bodies. Then it refuses; it takes none for all."""
    other = Service(workers=1)
    other.http = protocol
    other.start()
    till = Till(other)
    try:
        for call in (Till.reverse, Till.capture, Till.void):
            path = call(till)
            before = till.balances()
            assert ask(other, post(path, "Transfer-Encoding: chunked") + chunked(b""))[0].outcome == (400, "malformed_json")
            for raw in (post(path, "Content-Length: 90") + PART, post(path, "Transfer-Encoding: chunked") + chunked(PART)[:-2]):
                assert ask(other, raw, half_close=True) == []
            assert till.balances() == before
            for upgrade in list(UPGRADES.values())[:4] if protocol == "httptools" else ():
                sized = post(path, *upgrade, f"Content-Length: {len(PART)}") + PART
                in_chunks = post(path, *upgrade, "Transfer-Encoding: chunked") + chunked(PART)
                assert [ask(other, raw)[0].outcome for raw in (sized, in_chunks)] == [(400, "malformed_json")] * 2
            assert till.balances() == before
            assert ask(other, post(path, "Content-Length: 0"))[0].json()["amount"] == "50.00"
        for upgrade in UPGRADES.values() if protocol == "h11" else ():
            sized = post(till.reverse(), *upgrade, f"Content-Length: {len(PART)}") + PART
            assert ask(other, sized)[0].outcome == (201, "1.00")
    finally:
        till.http.close()
        other.stop()


LENGTHS = {
    "with a sign": ("Content-Length: +18",),
    "in two equal lines": ("Content-Length: 18", "Content-Length: 18"),
    "in two lines": ("Content-Length: 18", "Content-Length: 17"),
    "as a list": ("Content-Length: 18, 18",),
    "and chunks": ("Content-Length: 18", "Transfer-Encoding: chunked"),
    "in another coding": ("Transfer-Encoding: gzip, chunked",),
    "in another coding, in two lines": ("Transfer-Encoding: gzip", "Transfer-Encoding: chunked"),
}


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_a_length_that_is_told_in_an_odd_way_is_refused(server: Service, till: Till, lengths: tuple[str, ...]) -> None:
    path = till.reverse()
    body = chunked(PART) if "chunked" in lengths[-1] else PART
    before = till.balances()
    assert ask(server, post(path, *lengths) + body)[0].outcome == (400, "bad_request")
    assert till.balances() == before


def test_leading_zeros_of_a_length_are_none(server: Service, till: Till) -> None:
    (answer,) = ask(server, post(till.reverse(), f"Content-Length: {'0' * 5000}18") + PART)
    assert answer.outcome == (201, "1.00")


def test_a_request_that_is_followed_by_nonsense_gets_its_own_answer_first(server: Service, till: Till) -> None:
    """Bytes beyond the announced length are another request, not this one's: it has moved money, and says so."""
    found = ask(server, post(till.reverse(), f"Content-Length: {len(PART)}") + PART + b"}}\r\n\r\n", count=2)
    assert [answer.outcome for answer in found] == [(201, "1.00"), (400, "bad_request")]


def test_a_client_that_only_ends_its_own_side_gets_its_answers(server: Service, till: Till) -> None:
    raw = post(till.reverse(), f"Content-Length: {len(PART)}") + PART
    assert [answer.status for answer in ask(server, raw + head("GET /healthz"), count=2, half_close=True)] == [201, 200]


def test_a_client_that_goes_away_half_way_moves_nothing(server: Service, till: Till) -> None:
    path = till.reverse()
    before = till.balances()
    for raw in (post(path, f"Content-Length: {len(PART)}") + PART[:5], post(path, "Transfer-Encoding: chunked") + chunked(PART)[:9]):
        with connect(server) as client:
            client.sendall(raw)
    assert till.balances() == before


def test_http_1_0_is_answered_too(server: Service, till: Till) -> None:
    old = post(till.reverse(), "Connection: upgrade", "Upgrade: h2c", f"Content-Length: {len(PART)}").replace(b"HTTP/1.1", b"HTTP/1.0")
    (answer,) = ask(server, old + PART)
    assert answer.outcome == (201, "1.00")
    assert answer.headers["connection"] == "close"


def test_a_body_on_a_get_is_not_read_for_the_next_request(server: Service) -> None:
    lookup = head("GET /healthz", "Content-Length: 5") + b"GET /"
    found = ask(server, lookup + head("GET /nowhere"), count=2)
    assert [answer.status for answer in found] == [200, 404]


def test_what_is_no_request_gets_a_problem_document(server: Service) -> None:
    for raw in (b"\x16\x03\x01\r\n\r\n", head("CONNECT 127.0.0.1:80"), head("GET /" + "x" * 70_000), b"GET / HTTP/1.1\r\nX: \x00\r\n\r\n"):
        (answer,) = ask(server, raw)
        assert answer.outcome == (400, "bad_request"), answer
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["connection"] == "close"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_the_admin_gets_whole_requests_only(server: Service) -> None:
    """Django would take half a form for the form."""
    form = b"username=a&password=b"
    kind = "Content-Type: application/x-www-form-urlencoded"
    upgraded = head("POST /admin/login/", *UPGRADES["curl --http2"], kind, f"Content-Length: {len(form)}")
    (plain,) = ask(server, head("POST /admin/login/", kind, f"Content-Length: {len(form)}") + form)
    assert plain.status == 403  # Django's, for a form without its token
    assert ask(server, upgraded + form)[0].status == 403
    assert ask(server, head("POST /admin/login/", kind, "Transfer-Encoding: chunked") + chunked(b""))[0].outcome == (400, "malformed_json")
    (short,) = ask(server, head("POST /admin/login/", kind, "Content-Length: 90") + form, half_close=True)
    assert short.outcome == (400, "malformed_json")
    (large,) = ask(server, head("POST /admin/login/", kind, f"Content-Length: {2**30}"))
    assert large.outcome == (413, "payload_too_large")


def test_trailers_are_no_headers(server: Service, till: Till) -> None:
    """Whether they came in the same packet as the head must not decide what is paid."""
    path = till.reverse()
    top = head(f"POST {path}", JSON, "Transfer-Encoding: chunked")
    trailer = f"Idempotency-Key: {unique()}\r\nHost: 127.0.0.1\r\n\r\n".encode()
    coded = chunked(PART).removesuffix(b"\r\n") + trailer
    assert ask(server, top + coded)[0].outcome == (400, "idempotency_key_missing")
    assert ask(server, post(path, "Transfer-Encoding: chunked") + coded)[0].outcome == (201, "1.00")


@pytest.mark.parametrize("endless", [b"1;" + b"x" * 200_000, b"1\r\n \r\n0\r\nX: " + b"y" * 200_000], ids=["an extension", "a trailer"])
def test_there_is_an_end_to_what_is_no_body(server: Service, endless: bytes) -> None:
    pieces = [endless[start : start + 50_000] for start in range(0, len(endless), 50_000)]
    assert ask(server, head("POST /merchants", JSON, "Transfer-Encoding: chunked"), *pieces)[0].outcome == (400, "bad_request")


def test_answers_are_parsed_as_they_come() -> None:
    """The tests' own reader."""
    assert answers_of(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhiHTTP/1.1 100 Continue\r\n\r\n") == [
        Answer(200, {"content-length": "2"}, b"hi"),
        Answer(100, {}, b""),
    ]
