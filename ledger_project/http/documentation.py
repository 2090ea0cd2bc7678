"""The contract, published by the service itself. All assets are local.

OpenAPI is at /openapi.json, a page to browse it at /docs, and an explanation of each error at
/errors/<code>.
"""

from __future__ import annotations

import re
from functools import cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.templatetags.static import static
from django.utils.html import escape
from django.utils.module_loading import import_string
from drf_spectacular.settings import spectacular_settings

from ledger_project.database.readers import in_reader
from ledger_project.http.error_catalogue import error_cases
from ledger_project.http.example_values import Things
from ledger_project.http.examples import about
from ledger_project.http.responses import JSON, json_response
from ledger_project.http.schema import extend_schema
from ledger_project.http.views import ApiView
from ledger_project.kernel.errors import RouteNotFound
from ledger_project.kernel.exact_json import dumps

HTML = "text/html"


@cache
def schema_bytes() -> bytes:
    """Return the OpenAPI 3.1 document; made once a process."""
    generator = spectacular_settings.DEFAULT_GENERATOR_CLASS()  # imported here, by its name
    return dumps(generator.get_schema(request=None, public=True))


def _document() -> bytes:
    """Return the document.

    In open mode its examples name existing merchants and accounts, so that they work.
    """
    if settings.LEDGER_AUTH != "open":
        return schema_bytes()
    found: dict[str, str] = import_string(settings.LEDGER_EXAMPLE_THINGS)(Things().new_merchant)
    return about(schema_bytes(), Things(**found))


class SchemaView(ApiView):
    """The OpenAPI document."""

    is_public = True

    @extend_schema(exclude=True)
    async def get(self, request: HttpRequest) -> HttpResponse:
        """Return it."""
        del request
        return HttpResponse(await in_reader(_document), content_type=JSON)


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ledger API</title><link rel="icon" href="{icon}"><link rel="stylesheet" href="{css}"></head>
<body><div id="swagger-ui"></div><script src="{bundle}"></script><script src="{start}"></script></body></html>
"""

_SECURITY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


class DocsView(ApiView):
    """The page that shows the OpenAPI document."""

    is_public = True
    offers = {"GET": (HTML,)}

    @extend_schema(exclude=True)
    async def get(self, request: HttpRequest) -> HttpResponse:
        """Return it."""
        del request
        folder = "drf_spectacular_sidecar/swagger-ui-dist"
        page = _PAGE.format(
            icon=static(f"{folder}/favicon-32x32.png"),
            css=static(f"{folder}/swagger-ui.css"),
            bundle=static(f"{folder}/swagger-ui-bundle.js"),
            start=static("ledger_project/docs.js"),
        )
        return HttpResponse(page, headers={"Content-Security-Policy": _SECURITY})


_ERROR_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title} ({code})</title></head>
<body><h1>{title}</h1><p><code>{status} {code}</code></p>
<h2>When</h2><p>{when}</p>
<h2>What to do</h2><p>{remedy}</p>
<p>The <code>Idempotency-Key</code>, if there was one, {key}.</p>
<p><a href="/docs">All calls</a></p></body></html>
"""

_CODE = re.compile("`([^`]+)`")


class ErrorView(ApiView):
    """One error: when it comes and what to do. The ``type`` of a problem document points here."""

    is_public = True
    offers = {"GET": (JSON, HTML)}

    @extend_schema(exclude=True)
    async def get(self, request: HttpRequest, code: str) -> HttpResponse:
        """Return it as JSON, or as a page if the caller prefers HTML.

        Raises ``RouteNotFound`` for a code that no call answers.
        """
        case = error_cases().get(code)
        if case is None:
            raise RouteNotFound(request.path)
        shown = {
            "code": case.code,
            "title": case.title,
            "status": case.status,
            "when": case.when,
            "remedy": case.remedy,
            "is_kept": case.is_kept,
        }
        if self.accepted[0] == JSON:
            return json_response(shown)
        key = "keeps this answer: a new try needs a new key" if case.is_kept else "stays free"
        return HttpResponse(_ERROR_PAGE.format(key=key, **{name: _marked_up(str(value)) for name, value in shown.items()}))


def _marked_up(text: str) -> str:
    """Return a text of the catalogue as HTML."""
    return _CODE.sub(r"<code>\1</code>", escape(text))
