"""Codes of refusals that several calls may answer, for the OpenAPI document."""

OPTIONAL_KEY_CODES = ("idempotency_key_invalid", "idempotency_key_reused", "idempotency_in_progress")
"""Codes of calls with an optional key."""

KEY_CODES = ("idempotency_key_missing", *OPTIONAL_KEY_CODES)
MOVE_CODES = ("insufficient_funds", "account_frozen", "account_closed", "balance_limit_exceeded", "duplicate_external_reference")
FEE_CODES = ("fee_not_configured", "fee_exceeds_amount")
