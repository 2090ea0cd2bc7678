"""Credentials in the OpenAPI document: the schemes, and the scope and refusals of each call."""

from __future__ import annotations

from typing import Any

from ledger_project.http.views import ApiView

SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key (`lk_…`, made in the admin or by `manage.py api_key create`) or an access token of `POST /auth/token`.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "sessionid",
        "description": "The session of a member of the staff, logged in to the admin with the second factor where one is required.",
    },
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "An API key, where `Authorization` is not free."},
}

_REFUSALS = {
    "401": ("`not_authenticated`, `invalid_token`", {"WWW-Authenticate": "What would be accepted."}),
    "403": ("`permission_denied`", {}),
    "429": ("`rate_limited`", {"Retry-After": "Seconds after which to come back."}),
}


def _refusal(status: str) -> dict[str, Any]:
    description, headers = _REFUSALS[status]
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemJson"}}},
        "headers": {name: {"schema": {"type": "string"}, "description": text} for name, text in headers.items()},
    }


def declare_security(result: dict[str, Any], generator: Any, **kwargs: Any) -> dict[str, Any]:
    """Give every call that needs a credential its scope and its 401, 403 and 429.

    A hook of drf-spectacular.
    """
    del kwargs
    result.setdefault("components", {})["securitySchemes"] = SCHEMES
    for path, _, method, view in generator._get_paths_and_endpoints():
        call = result["paths"].get(path, {}).get(method.lower())
        if call is None or not isinstance(view, ApiView):
            continue
        scope = type(view).scope_of(method)
        if scope is None:
            call["security"] = []
            continue
        call["security"] = [{"bearer": []}, {"apiKey": []}, *([{"session": []}] if type(view).takes_session else [])]
        call["description"] = f"{call.get('description', '')}\n\nNeeds the scope `{scope.value}`.".strip()
        call["responses"] |= {status: _refusal(status) for status in _REFUSALS if status not in call["responses"]}
        call["responses"] = dict(sorted(call["responses"].items()))
    return result
