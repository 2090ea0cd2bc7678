"""Every parser of what callers write, given anything: a value that means the same, or the error that the contract names. Nothing else."""

from __future__ import annotations

import contextlib
import json
from datetime import datetime
from fractions import Fraction
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from django.test import RequestFactory, override_settings
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ledger_project.http.cursors import PageQuery, decode_cursor, encode_cursor, page_request
from ledger_project.http.idempotency import fingerprint, parse_key
from ledger_project.http.negotiation import negotiate
from ledger_project.http.parsing import MAX_DEPTH, check_content_type, parse_json
from ledger_project.http.validation import read_query, validate
from ledger_project.kernel.actors import InvalidToken, NotAuthenticated
from ledger_project.kernel.amount_input import AmountInput
from ledger_project.kernel.errors import (
    IdempotencyKeyInvalid,
    InvalidCursor,
    MalformedJson,
    NotAcceptable,
    UnsupportedMediaType,
    ValidationFailed,
)
from ledger_project.kernel.money import MAX_AMOUNT_MINOR, CurrencyUnit, InvalidAmount, format_minor, parse_major
from merchants.serializers import BalanceQuery, RegistrationBody
from people.access import tokens
from people.access.authentication import authenticate
from transfers.serializers.batches import BatchBody
from transfers.serializers.holds import HoldBody
from transfers.serializers.movements import MovementBody
from transfers.serializers.reversals import ReverseBody
from transfers.serializers.statements import StatementQuery
from transfers.serializers.transfers import TransferBody, TransferQuery
from transfers.views.statements import CSV, JSON, XML

currencies = st.integers(0, 18).map(lambda exponent: CurrencyUnit("TST", exponent))
anything = st.text() | st.text(alphabet="0123456789.,+-eE_ \n\x00٣", max_size=50)
"""Text of all sorts, and text that is nearly a number (a digit of another script among it)."""

# What a header can carry: bytes read as Latin-1, without the ends of lines.
header_text = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\x00"), max_size=300)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=10), inner, max_size=4),
    max_leaves=12,
)

requests = RequestFactory()


# --- amounts ----------------------------------------------------------------------------------------------------------------


@given(st.integers(0, MAX_AMOUNT_MINOR), currencies)
def test_an_amount_that_was_written_is_read_as_it_was(amount_minor: int, currency: CurrencyUnit) -> None:
    assert parse_major(format_minor(amount_minor, currency.exponent), currency) == amount_minor


@given(anything, currencies)
@example("1\n", CurrencyUnit("TST", 2))
@example("٣", CurrencyUnit("TST", 2))
def test_text_is_an_exact_amount_or_invalid(text: str, currency: CurrencyUnit) -> None:
    try:
        amount_minor = parse_major(text, currency)
    except InvalidAmount:
        return
    assert type(amount_minor) is int
    assert Fraction(amount_minor, 10**currency.exponent) == Fraction(text)
    assert text.isascii()


@given(
    st.none() | anything | json_values.filter(lambda value: value is None or isinstance(value, str)),
    st.none() | st.integers() | st.integers(MAX_AMOUNT_MINOR - 2, MAX_AMOUNT_MINOR + 2),
    currencies,
)
def test_an_amount_in_either_spelling_is_within_bounds_or_invalid(major: str | None, minor: int | None, currency: CurrencyUnit) -> None:
    try:
        amount_minor = AmountInput(major, minor).checked().resolve(currency)
    except ValidationFailed:
        return
    assert (major is None) != (minor is None)
    assert type(amount_minor) is int
    assert 1 <= amount_minor <= MAX_AMOUNT_MINOR


@given(st.floats() | st.booleans() | st.lists(st.integers()) | st.text())
def test_what_is_no_json_integer_is_no_amount_in_minor_units(value: object) -> None:
    with pytest.raises(ValidationFailed):
        validate(MovementBody, {"amount_minor": value})


# --- keys -------------------------------------------------------------------------------------------------------------------


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=255))
def test_a_key_is_the_same_bare_and_quoted(key: str) -> None:
    quoted = '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert parse_key(quoted) == key
    if not key.startswith('"'):
        assert parse_key(f" {key}\t") == key


@given(header_text | st.text())
def test_a_key_is_visible_ascii_or_invalid(text: str) -> None:
    try:
        key = parse_key(text)
    except IdempotencyKeyInvalid:
        return
    assert 1 <= len(key) <= 255
    assert all("\x21" <= character <= "\x7e" for character in key)


@given(st.dictionaries(st.text(), json_values, max_size=5), json_values)
def test_a_fingerprint_is_of_the_value_and_not_of_its_spelling(body: dict[str, Any], other: object) -> None:
    spelt = json.loads(json.dumps(dict(reversed(body.items())), indent=3))
    assert fingerprint("POST", "/transfers", body) == fingerprint("POST", "/transfers", spelt)
    assume(json.dumps(other, sort_keys=True) != json.dumps(body, sort_keys=True))
    assert fingerprint("POST", "/transfers", body) != fingerprint("POST", "/transfers", other)


# --- cursors ----------------------------------------------------------------------------------------------------------------

lists = st.sampled_from(["transfers", "holds", "merchants", "statement.x"])
filters = st.dictionaries(st.sampled_from(["from", "to", "currency", "kind"]), st.text(st.characters(codec="utf-8"), max_size=40))


@given(st.text() | header_text, lists)
def test_text_that_nobody_handed_out_is_no_cursor(text: str, list_name: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(text, list_name)


@given(lists, filters, st.text(st.characters(codec="utf-8"), max_size=40))
def test_a_cursor_carries_its_filters_and_position(list_name: str, chosen: dict[str, str], position: str) -> None:
    assert decode_cursor(encode_cursor(list_name, chosen, position), list_name) == (chosen, position)


@given(lists, filters, st.data())
def test_a_cursor_that_was_tampered_with_is_none(list_name: str, chosen: dict[str, str], data: st.DataObject) -> None:
    good = encode_cursor(list_name, chosen, "0199c0de-0000-7000-8000-000000000000")
    start = data.draw(st.integers(0, len(good) - 1))
    end = data.draw(st.integers(start, len(good)))
    bad = good[:start] + data.draw(st.text(max_size=3) | st.text("-_.:abcXYZ019", max_size=3)) + good[end:]
    assume(bad != good)
    with pytest.raises(InvalidCursor):
        decode_cursor(bad, list_name)
    with pytest.raises(InvalidCursor):
        decode_cursor(good, "another list")


# --- query parameters -------------------------------------------------------------------------------------------------------

moments = st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()) | st.text("0123456789-:.TZ+ tz", max_size=40)


@given(anything)
def test_a_limit_is_1_to_200_or_invalid(text: str) -> None:
    try:
        page = page_request(read_query(PageQuery, urlencode({"limit": text})), "list")
    except ValidationFailed:
        return
    assert text == "" or 1 <= page.limit == int(text) <= 200


@given(moments | anything)
@example("0001-01-01T00:00:00+23:59")
@example("9999-12-31T23:59:59-23:59")
@example("2026-02-30T00:00:00Z")
@example("2026-01-01T24:00:00Z")
@example("2026-01-01T00:00:60Z")
def test_a_time_is_a_moment_or_invalid(text: str) -> None:
    try:
        at = validate_query_of(BalanceQuery, at=text)["at"]
    except ValidationFailed:
        return
    assert isinstance(at, datetime)
    assert at.utcoffset() is not None


def validate_query_of(query: Any, **parameters: str) -> dict[str, Any]:
    return read_query(query, urlencode(parameters)).values


@given(st.text("abc%&=+;0129éF\udcff\udc80") | st.text(st.characters(codec="utf-8")))
def test_any_query_string_is_read_as_it_was_sent_or_refused(text: str) -> None:
    try:
        query = read_query(PageQuery, text)
    except ValidationFailed:
        return
    assert set(query.raw) <= {"limit", "cursor"}
    assert dict(parse_qsl(text, keep_blank_values=True, errors="strict")) == query.raw


@given(st.sampled_from([TransferQuery, StatementQuery, BalanceQuery]), st.data())
def test_any_query_is_valid_or_said_to_be_invalid(query: Any, data: st.DataObject) -> None:
    names = [*query().fields, "unheard-of"]
    parameters = data.draw(st.dictionaries(st.sampled_from(names), st.text(st.characters(codec="utf-8")) | moments, max_size=6))
    parameters.pop("cursor", None)
    try:
        values = validate_query_of(query, **parameters)
    except ValidationFailed:
        return
    assert "unheard-of" not in parameters
    assert parameters.keys() <= values.keys()


# --- bodies -----------------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=400) | st.text('[]{}":,0123456789.eE+-truefalsnNI \\ud8', max_size=80).map(str.encode))
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b"NaN")
@example(b"1e400")
@example(b"9" * 5000)
@example(b'"\\ud800"')
@example(b'\xef\xbb\xbf{"a":1}')
def test_bytes_are_json_or_malformed(raw: bytes) -> None:
    try:
        value = parse_json(raw)
    except MalformedJson:
        return
    with contextlib.suppress(ValueError):  # an integer that is longer than Python reads
        assert "Infinity" in json.dumps(expected := json.loads(raw)) or value == expected
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()  # can be stored and written again


@given(json_values)
def test_json_is_read_as_it_was_written(value: object) -> None:
    text = json.dumps(value)
    assume(_depth(value) <= MAX_DEPTH)
    read = parse_json(text.encode())
    assert json.dumps(read) == text


def _depth(value: object) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if parts is None else 1 + max(map(_depth, parts), default=0)


bodies = [TransferBody, MovementBody, HoldBody, ReverseBody, BatchBody, RegistrationBody]


@given(st.sampled_from(bodies), st.data())
def test_any_body_is_valid_or_said_to_be_invalid(body: Any, data: st.DataObject) -> None:
    names = st.sampled_from([*body().fields, "unheard-of"])
    given_ = data.draw(st.dictionaries(names, json_values | anything, max_size=8) | json_values)
    try:
        values = validate(body, given_)
    except ValidationFailed:
        return
    assert isinstance(given_, dict)
    assert "unheard-of" not in given_
    for name, value in given_.items():
        assert values[name] == value or str(values[name]) == str(value).lower(), "a value was made into another"


@given(header_text)
def test_a_media_type_is_json_or_unsupported(text: str) -> None:
    try:
        check_content_type(text)
    except UnsupportedMediaType:
        return
    assert text.strip().lower().startswith("application/json")


# --- headers ----------------------------------------------------------------------------------------------------------------


@given(
    header_text
    | st.lists(
        st.sampled_from(["text/csv", "application/xml", "application/json", "*/*", "*", "a/b", ";q=", ";q*=x'y'z", ",", "nan", "0.5"])
    ).map("".join)
)
@example("a/b; q*=no-such'x'y")
@example("text/csv;q=nan,application/xml;q=inf")
@example('"' + '\\"' * 20_000)
def test_any_accept_header_chooses_forms_that_there_are_or_none(text: str) -> None:
    try:
        forms = negotiate(text, (JSON, CSV, XML))
    except NotAcceptable:
        return
    assert forms
    assert len(set(forms)) == len(forms)
    assert set(forms) <= {JSON, CSV, XML}


# Base64 of a header and claims, some of them of types that no token has.
segments = st.dictionaries(st.sampled_from(["alg", "kid", "typ", "sub", "exp", "jku"]), json_values, max_size=5).map(
    lambda claims: tokens.jwt.utils.base64url_encode(json.dumps(claims).encode()).decode()
)


@given(
    header_text
    | header_text.map(lambda text: f"Bearer {text}")
    | st.tuples(segments, segments, header_text).map(lambda parts: "Bearer " + ".".join(parts))
    | st.from_regex(r"bearer lk_[A-Za-z0-9_-]{0,60}", fullmatch=True)
)
async def test_a_credential_that_nobody_gave_out_is_invalid(text: str) -> None:
    request = requests.get("/merchants")
    request.META["HTTP_AUTHORIZATION"] = text
    with override_settings(LEDGER_AUTH="required"), pytest.raises((InvalidToken, NotAuthenticated)):
        await authenticate(request)
