"""Every error that the API can answer: when it comes, and what its reader can do.

docs/errors.md and /errors/<code> are made from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from ledger_project.http.problems import STATUS
from ledger_project.kernel.errors import LedgerError
from ledger_project.kernel.refusals import Refusal

REMEDIES: Mapping[str, str] = {
    "malformed_json": "Send one JSON object in UTF-8, whole, with at most 16 levels. The key is still free.",
    "idempotency_key_missing": "Make one key for each thing that you want done, store it, and send it with each try.",
    "idempotency_key_invalid": "Send the header once, with 1 to 255 visible ASCII characters. A UUID is a good key.",
    "invalid_cursor": "Send `next_cursor` as the list returned it, with the same filters. Or begin again without a cursor.",
    "bad_request": "Correct the request by the rules of HTTP. Most often a header is wrong or comes twice.",
    "not_authenticated": "Send `Authorization: Bearer` with an API key or an access token.",
    "invalid_token": "Send another credential. If an access token has ended, get a new one from `POST /auth/token/refresh`.",
    "permission_denied": "Use a credential that has the scope in `required_scope`, or one of the owner that may do this.",
    "merchant_not_found": "Check the name in `merchant_name`. Register the merchant first, then use a new key.",
    "account_not_found": "Take the id from a balance of the merchant (`GET /merchants/{name}`), then use a new key.",
    "transfer_not_found": "Check the id. A merchant's credential finds the merchant's own transfers only.",
    "hold_not_found": "Check the id. A merchant's credential finds the merchant's own holds only.",
    "event_not_found": "Check the id. An event of another merchant is answered like one that does not exist.",
    "webhook_not_found": "Check the id. A merchant's credential finds the merchant's own webhooks only.",
    "user_not_found": "Check the id. A merchant's credential finds the members of its own merchant only.",
    "approval_not_found": "Check the id. `GET /approvals` lists all.",
    "not_found": "Check the path; it has no slash at its end. `/docs` lists every call.",
    "method_not_allowed": "Use one of the methods in the `Allow` header.",
    "not_acceptable": "Ask for one of the media types in `acceptable`.",
    "request_timeout": "Send the request again, with the same key. Nothing was done.",
    "insufficient_funds": "Compare `required` with `available`. Pay in or send less, with a new key: this key keeps its answer.",
    "merchant_exists": "Use the merchant that is there, or choose another name. Case makes no difference.",
    "account_exists": "Use the account in `account_id`.",
    "user_exists": "Use the user in `user_id`: give it a membership instead of inviting it again.",
    "duplicate_external_reference": "The payment was made before, as `transfer_id`. Look at that transfer before you pay again.",
    "idempotency_key_reused": "Send the first request again as it was, or use a new key for the new request.",
    "idempotency_in_progress": "Wait for `Retry-After` seconds, then send the same request with the same key.",
    "account_frozen": "Ask the operators of this service. When the account is unfrozen, use a new key.",
    "account_closed": "Use another account. A closed account stays closed.",
    "account_not_empty": "Pay out the money in `currencies` and end the open holds, then close.",
    "balance_limit_exceeded": "Send less, or pay out from the receiving account first.",
    "currency_inactive": "Use another currency. What the accounts hold in this one can still be withdrawn and sent back.",
    "already_reversed": "Nothing is left to send back. Look at the transfer's reversals.",
    "reversal_exceeds_original": "Reverse `remaining` at most, with a new key.",
    "not_reversible": "Reverse the transfer or the capture that moved the money.",
    "hold_not_open": "Look at `hold_status`: the hold has ended. Place a new one if money is to be reserved.",
    "hold_expired": "The payer has the money back. Place a new hold.",
    "approval_decided": "Look at `approval_status`. If the command is still wanted, send it again: it becomes a new request.",
    "approval_required": "Send it alone, with a new key: it becomes a request, which another person approves.",
    "capture_exceeds_hold": "Capture `held` at most, with a new key.",
    "payload_too_large": "Send a smaller body. Split a batch into several, each with a key of its own.",
    "unsupported_media_type": "Send `Content-Type: application/json` in UTF-8, without a `Content-Encoding`.",
    "validation_error": "Correct each field in `errors`. The key is still free, so the corrected request may use it.",
    "unknown_currency": "Use a code in upper case from the list of this service. Operators can add currencies.",
    "currency_mismatch": "Choose two accounts of the same currency.",
    "same_account": "Name two different accounts or merchants.",
    "fee_not_configured": "Ask the operators to add a fee schedule. A schedule of zero charges nothing.",
    "fee_exceeds_amount": "Send more than the fee. `POST /transfers/quote` shows the fee before you pay.",
    "url_not_allowed": "Use an https URL of a name that resolves to public addresses only, without a user name.",
    "rate_limited": "Wait for `Retry-After` seconds, and send fewer requests a second.",
    "internal_error": "Send the same request with the same key once more. If it fails again, report `request_id`.",
    "too_many_connections": "Wait for `Retry-After` seconds and connect again. Keep connections open and reuse them.",
    "database_unavailable": "Wait for `Retry-After` seconds, then send the same request with the same key: it is done at most once.",
    "account_busy": "Wait for `Retry-After` seconds, then send the same request with the same key.",
}
"""What a caller can do about each code."""


@dataclass(frozen=True, slots=True)
class ErrorCase:
    """One code of the contract, with what docs/errors.md says about it.

    ``is_kept`` is whether the idempotency key keeps the answer, so that a new try needs a new key.
    """

    code: str
    title: str
    status: int
    when: str
    remedy: str
    is_kept: bool


def error_classes(root: type[LedgerError] = LedgerError) -> Iterator[type[LedgerError]]:
    """Yield every class below ``root`` that is imported, parents first."""
    for child in root.__subclasses__():
        yield child
        yield from error_classes(child)


@cache
def error_cases() -> Mapping[str, ErrorCase]:
    """Return every code that the API can answer, by status and then in the order of ``STATUS``.

    Needs the application (``ledger_project.asgi``) to be imported: some errors are defined beside
    the code that raises them.
    """
    first: dict[str, type[LedgerError]] = {}
    for found in error_classes():
        if "code" in vars(found):
            first.setdefault(found.code, found)
    return {
        code: ErrorCase(code, first[code].title, status, _first_paragraph(first[code]), REMEDIES[code], issubclass(first[code], Refusal))
        for code, status in sorted(STATUS.items(), key=lambda item: item[1])
    }


def _first_paragraph(error: type[LedgerError]) -> str:
    return " ".join((error.__doc__ or "").partition("\n\n")[0].split())
