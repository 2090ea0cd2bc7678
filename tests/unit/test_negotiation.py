"""The Accept header, by RFC 9110: ranges, weights, parameters, what is most specific, and what is none of these."""

from __future__ import annotations

import pytest

from ledger_project.http.negotiation import negotiate
from ledger_project.kernel.errors import NotAcceptable

JSON, CSV, XML = FORMS = ("application/json", "text/csv", "application/xml")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", FORMS),
        ("*/*", FORMS),
        (" , ,", FORMS),
        ("*", FORMS),
        ("*;q=.2", FORMS),
        ("application/json", (JSON,)),
        ("APPLICATION/JSON", (JSON,)),
        ("text/csv; charset=utf-8", (CSV,)),
        ('text/csv;charset="UTF-8"', (CSV,)),
        ("text/csv ; header=present ; q=0.5", (CSV,)),
        ('text/csv; note="a, b; q=0", application/xml', (CSV, XML)),
        ("text/*", (CSV,)),
        ("application/*", (JSON, XML)),
        ("text/csv, */*;q=0.1", (CSV, JSON, XML)),
        ("*/*, text/csv;q=0", (JSON, XML)),
        ("application/*;q=0, */*", (CSV,)),
        ("application/xml;q=0.9, application/*;q=0.5, */*;q=0.1", (XML, JSON, CSV)),
        ("text/csv;q=0.3, text/csv;q=0.7, application/json;q=0.5", (CSV, JSON)),
        ("text/csv;charset=latin-1, text/csv;q=0.2", (CSV,)),
        ("text/csv;charset=latin-1, */*;q=0.1", FORMS),
        ("application/json;q=1.000, application/xml;q=1.0", (JSON, XML)),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", (XML, JSON, CSV)),
        # What is no media range is passed over; if there is nothing else, nothing was said.
        ("text/csv;q=nan", FORMS),
        ("text/csv;q=2, application/json", (JSON,)),
        ("text/csv;q=, application/json", (JSON,)),
        ("json", FORMS),
        (";", FORMS),
        ("/;;;=", FORMS),
        ('"', FORMS),
        ('text/csv, "application/json', (CSV,)),
    ],
)
def test_the_forms_are_those_that_are_taken_the_best_liked_first(accept: str, expected: tuple[str, ...]) -> None:
    assert negotiate(accept, FORMS) == expected


@pytest.mark.parametrize(
    "accept", ["image/png", "*/*;q=0", "text/csv;q=0", "text/csv;charset=utf-16", "application/pdf, text/html;q=0.5", "a/b; x*=y'z'w"]
)
def test_with_none_left_it_says_what_there_is(accept: str) -> None:
    with pytest.raises(NotAcceptable) as refused:
        negotiate(accept, FORMS)
    assert refused.value.extra() == {"acceptable": list(FORMS)}
