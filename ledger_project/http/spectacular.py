"""The settings of drf-spectacular, which makes the OpenAPI document."""

SETTINGS = {
    "TITLE": "Ledger",
    "DESCRIPTION": "Multi-currency double-entry ledger: merchants, transfers with fees, idempotent writes.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "DEFAULT_GENERATOR_CLASS": "ledger_project.http.openapi.DescribedGenerator",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "ledger_project.http.openapi.unwrap_descriptions",
        "ledger_project.http.openapi.add_summaries",
        "ledger_project.http.openapi.declare_refusals",
        "ledger_project.http.security_schema.declare_security",
        "ledger_project.http.examples.add_examples",
        "events.serializers.webhook_schema.describe_webhooks",
    ],
    "ENUM_NAME_OVERRIDES": {
        "StatusEnum": ["active", "frozen", "closed"],
        "HoldStatusEnum": ["open", "captured", "voided", "expired"],
        "TransferStatusEnum": ["posted"],
        "WebhookStatusEnum": ["enabled", "paused", "disabled"],
        "DeliveryStatusEnum": ["pending", "delivered", "failed"],
        "ApprovalStatusEnum": ["pending", "approved", "rejected", "expired", "failed"],
    },
}
