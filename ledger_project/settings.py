"""All settings, typed and read from the environment once. docs/configuration.md lists them for
operators.

Nothing imports this module; code reads ``django.conf.settings``.
"""

from pathlib import Path
from typing import Literal

from environs import Env

from console import navigation as admin_navigation
from console import policy as admin_policy
from ledger_project import people_settings
from ledger_project.configuration import (
    authentication_mode,
    environment_secret,
    mail_settings,
    periodic_mode,
    public_url,
    second_factor_mode,
    secret_key,
)
from ledger_project.database.url import connection_settings
from ledger_project.http import spectacular
from ledger_project.observability.logging import configure_logging

env = Env()
BASE_DIR = Path(__file__).resolve().parent.parent

# --- where things are -----------------------------------------------------------------------------
LEDGER_DATA_DIR: Path = Path(env.str("LEDGER_DATA_DIR", str(BASE_DIR / ".data"))).resolve()
"""Folder of the embedded PostgreSQL, and of generated secrets."""

DEBUG: bool = env.bool("DEBUG", False)
DATABASE_URL: str = environment_secret("DATABASE_URL")
"""The PostgreSQL server (15 or newer). Without one, an embedded server is started."""

LEDGER_EMBEDDED: bool = not DATABASE_URL
SECRET_KEY: str = secret_key(environment_secret("SECRET_KEY"), data_dir=LEDGER_DATA_DIR, embedded=LEDGER_EMBEDDED, debug=DEBUG)
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", [])
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", ["127.0.0.1", "localhost", "[::1]", "testserver"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [])

# --- the ledger -----------------------------------------------------------------------------------
LEDGER_IDEMPOTENCY_WAIT: float = env.float("LEDGER_IDEMPOTENCY_WAIT", 5.0)
"""Seconds that a duplicate waits for the first request with its key."""

LEDGER_IDEMPOTENCY_RETENTION: int = env.int("LEDGER_IDEMPOTENCY_RETENTION", 7 * 24 * 3600)
"""Seconds that an idempotency key is remembered."""

LEDGER_APPROVAL_LIFETIME: int = env.int("LEDGER_APPROVAL_LIFETIME", 3 * 24 * 3600)
"""Seconds that a command waits for a second person at most."""

LEDGER_BATCH_MAX: int = env.int("LEDGER_BATCH_MAX", 256)
"""Requests that one posting transaction takes at most."""

LEDGER_QUEUE_MAX: int = env.int("LEDGER_QUEUE_MAX", 4096)
"""Requests that may wait for posting in one process; more are answered with 503."""

LEDGER_POSTING_TIMEOUT: float = env.float("LEDGER_POSTING_TIMEOUT", 30.0)
"""Seconds that a request waits for its posting; then 503. A repetition is safe."""

LEDGER_CLOCK_TOLERANCE: float = env.float("LEDGER_CLOCK_TOLERANCE", 5.0)
"""Seconds. No posting if the database's clock or an account's last entry differs by more."""

LEDGER_ERROR_BASE_URL: str = env.str("LEDGER_ERROR_BASE_URL", "https://ledger.example/errors/")
"""Prefix of the `type` of problem documents; the code is appended."""

LEDGER_READER_THREADS: int = env.int("LEDGER_READER_THREADS", 4)
"""Threads of one process that read from the database."""

LEDGER_PAGE_CONNECTIONS: int = env.int("LEDGER_PAGE_CONNECTIONS", 4)
LEDGER_READ_QUEUE_MAX: int = env.int("LEDGER_READ_QUEUE_MAX", 4096)
"""Reads that may wait in one process; more are answered with 503."""

LEDGER_READ_TIMEOUT: float = env.float("LEDGER_READ_TIMEOUT", 30.0)
"""Seconds for one statement of a list, a page or an export in a serving process; then 503."""

LEDGER_IDLE_TRANSACTION_TIMEOUT: float = env.float("LEDGER_IDLE_TRANSACTION_TIMEOUT", 10.0)
"""Seconds that the database waits for a silent process in a posting; then it rolls back."""

LEDGER_PERIODIC: Literal["web", "worker"] = periodic_mode(env.str("LEDGER_PERIODIC", "web"))
"""The process for expired holds and daily figures: each web process, or `run_periodic`."""

LEDGER_WEBHOOK_RETENTION: int = env.int("LEDGER_WEBHOOK_RETENTION", 3 * 24 * 3600)
"""Seconds that a delivery to a webhook is kept after it was made; waiting ones stay longer."""

LEDGER_FULL_STACK_PREFIXES = ("/admin", "/app/", "/static/")
"""Paths that go through Django's full stack of middleware; all others take the API's lean path."""

LEDGER_MAX_BODY_BYTES: int = env.int("LEDGER_MAX_BODY_BYTES", 1024 * 1024)

LEDGER_CONNECTIONS_MAX: int = env.int("LEDGER_CONNECTIONS_MAX", 800)
"""Connections of one process. One more closes the one that waits longest for its client."""

LEDGER_HEAD_TIMEOUT: float = env.float("LEDGER_HEAD_TIMEOUT", 10.0)
LEDGER_BODY_TIMEOUT: float = env.float("LEDGER_BODY_TIMEOUT", 30.0)
"""Seconds until a request's head must be complete, and its body."""

LEDGER_WRITE_TIMEOUT: float = env.float("LEDGER_WRITE_TIMEOUT", 60.0)
"""Seconds for a client to take 64 KiB, or one part of an answer."""

FORWARDED_ALLOW_IPS: list[str] = [proxy.strip() for proxy in env.list("FORWARDED_ALLOW_IPS", ["127.0.0.1", "::1"])]
"""Proxies whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are trusted; uvicorn reads it too."""

# --- who may do what ------------------------------------------------------------------------------
LEDGER_AUTH: Literal["open", "required"] = authentication_mode(env.str("LEDGER_AUTH", "required"))
"""`required`: calls need a credential. `open`: they need none, on loopback only."""

LEDGER_SANDBOX: bool = env.bool("LEDGER_SANDBOX", LEDGER_AUTH == "open")
"""Whether members add money by themselves, since it is not real. Else operators confirm it."""

LEDGER_SIGN_UP: bool = env.bool("LEDGER_SIGN_UP", LEDGER_AUTH == "open")
"""Whether anybody may sign up for wallets."""

LEDGER_AUTHENTICATION = "people.access.admission.admit"
"""The function that authenticates callers of the API and limits their rate."""

LEDGER_BIND: str = env.str("LEDGER_BIND", "")
"""The address that the service listens on, if its starter says so. Open mode needs it."""

LEDGER_CREDENTIAL_CACHE: float = env.float("LEDGER_CREDENTIAL_CACHE", 5.0)
"""Seconds that a checked credential is remembered. A revoked key works as long at most."""

LEDGER_JWT_SIGNING_KEY: str = environment_secret("LEDGER_JWT_SIGNING_KEY")
"""Private key in PEM (Ed25519, or RSA of 2048 bits) that signs tokens; without one, none are."""

LEDGER_JWT_VERIFYING_KEYS: str = environment_secret("LEDGER_JWT_VERIFYING_KEYS")
"""Further public keys in PEM: of former signing keys, or of another issuer."""

LEDGER_JWT_ISSUER: str = env.str("LEDGER_JWT_ISSUER", "ledger")
LEDGER_JWT_AUDIENCE: str = env.str("LEDGER_JWT_AUDIENCE", "ledger")
LEDGER_JWT_LEEWAY: float = env.float("LEDGER_JWT_LEEWAY", 10.0)
"""Seconds that an issuer's clock may be ahead of ours."""

LEDGER_JWT_ACCESS_LIFETIME: int = env.int("LEDGER_JWT_ACCESS_LIFETIME", 300)
LEDGER_JWT_REFRESH_LIFETIME: int = env.int("LEDGER_JWT_REFRESH_LIFETIME", 24 * 3600)
"""Seconds that tokens live. An access token cannot be revoked, so it lives briefly."""

LEDGER_RECEIPT_SIGNING_KEY: str = environment_secret("LEDGER_RECEIPT_SIGNING_KEY")
LEDGER_RECEIPT_FORMER_KEYS: str = environment_secret("LEDGER_RECEIPT_FORMER_KEYS")
"""Private Ed25519 key in PEM that signs receipts, and public ones that have signed before."""
LEDGER_RECEIPT_MAIL = "events.receipts.mail.receipt_mail"
vars().update(mail_settings(environment_secret("EMAIL_URL"), data_dir=LEDGER_DATA_DIR))  # Django's own names
LEDGER_PUBLIC_URL: str = public_url(env.str("LEDGER_PUBLIC_URL", ""), port=env.int("PORT", 8000))
"""Where people reach the service, for the links in mails."""
DEFAULT_FROM_EMAIL: str = env.str("DEFAULT_FROM_EMAIL", "ledger@localhost")
_limited = LEDGER_AUTH == "required"
_served = LEDGER_AUTH == "required" and not DEBUG and not LEDGER_EMBEDDED
LEDGER_RATE_CREDENTIAL: float = env.float("LEDGER_RATE_CREDENTIAL", 500.0 if _limited else 0.0)
"""Requests a second of one credential to one worker (0: no limit); then 429."""

LEDGER_RATE_ADDRESS: float = env.float("LEDGER_RATE_ADDRESS", 1000.0 if _limited else 0.0)
"""Requests a second from one address to one worker."""

LEDGER_RATE_FAILURES: float = env.float("LEDGER_RATE_FAILURES", 5.0 if _limited else 0.0)
"""Bad credentials a second from one address to one worker; then all of its requests wait."""

# --- Django ---------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_structlog",
    "portal",  # its templates before those of allauth
    *people_settings.APPS,
    "rest_framework",
    "adrf",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "ledger_project",
    "merchants",
    "people",
    "console",
    "fees",
    "transfers",
    "events",
    "approvals",
]

# The full stack's middleware. The API does without it; ledger_project/http/handler.py says why.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "ledger_project.http.request_log.PageLogMiddleware",
    "portal.middleware.PortalMiddleware",
    "console.unusable_values.UnusableValuesMiddleware",  # before whatever looks up a cookie
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.sign_in.second_factor.SecondFactorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

CSRF_FAILURE_VIEW = "ledger_project.http.fallbacks.csrf_failure"
ROOT_URLCONF = "ledger_project.urls"
ASGI_APPLICATION = "ledger_project.asgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "console" / "templates"],  # before unfold's own, some of which it replaces
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": connection_settings(
        DATABASE_URL,
        data_dir=LEDGER_DATA_DIR,
        pool_max_size=env.int("LEDGER_POOL_MAX", 8),
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "people.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/app/login/"
LOGIN_REDIRECT_URL = "/app/"
AUTHENTICATION_BACKENDS = people_settings.BACKENDS
vars().update(people_settings.allauth_settings(is_limited=_limited) | people_settings.AXES_SETTINGS)

# --- hardening of the admin; docs/authorization.md says what and why ------------------------------
LEDGER_ADMIN_TOTP: Literal["required", "off"] = second_factor_mode(env.str("LEDGER_ADMIN_TOTP", "required" if _served else "off"))
"""Whether members of the staff must have a second factor (TOTP)."""

LEDGER_HTTPS: bool = env.bool("LEDGER_HTTPS", _served)
"""Whether the service is reached over HTTPS: secure cookies, HSTS, and the admin over HTTPS only.
"""

SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LEDGER_HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if LEDGER_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = LEDGER_HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = admin_policy.CONTENT_SECURITY_POLICY

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
FORMAT_MODULE_PATH = ["console.formats"]

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "console" / "static_replaced"]  # before the files of unfold that they replace
STATIC_ROOT = env.path("STATIC_ROOT", BASE_DIR / "staticfiles")

REST_FRAMEWORK = {
    "EXCEPTION_HANDLER": "ledger_project.http.problems.exception_handler",
    "DEFAULT_RENDERER_CLASSES": ["ledger_project.http.rendering.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["ledger_project.http.parsing.JSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_SCHEMA_CLASS": "ledger_project.http.openapi.DeclaredSchema",
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS = spectacular.SETTINGS

LEDGER_READINESS_CHECKS = ["transfers.upkeep.roles.missing_rights"]
"""Further checks of `/readyz`: each returns the obstacle to postings, or None."""

LEDGER_EVENT_WRITER = "events.serializers.feed.event_texts"
"""The function that writes events as JSON, for those who send them."""

LEDGER_EXAMPLE_THINGS = "events.selectors.example_things.find_things"
"""The function that finds the merchants and ids of the examples, in open mode."""

UNFOLD = admin_navigation.UNFOLD

LEDGER_LOG_FORMAT: str = env.str("LEDGER_LOG_FORMAT", "console" if DEBUG or LEDGER_EMBEDDED else "json")
# OpenTelemetry's own variable names the receiver of traces.
LEDGER_TRACING: bool = bool(env.str("OTEL_EXPORTER_OTLP_ENDPOINT", "") or env.str("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ""))
LEDGER_LOG_LEVEL: str = env.str("LEDGER_LOG_LEVEL", "INFO")
LOGGING_CONFIG = None
configure_logging(log_format=LEDGER_LOG_FORMAT, level=LEDGER_LOG_LEVEL)
