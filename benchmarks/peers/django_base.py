"""What both Django peers share: settings as a small project has them, and the table of idempotency keys."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import parse_qs, urlsplit

import django
from django.conf import settings


def configure(urlconf: str, apps: list[str], **extra: Any) -> None:
    """Configure Django on the database that PEER_DSN names."""
    parts = urlsplit(os.environ["PEER_DSN"])
    settings.configure(
        SECRET_KEY="benchmark",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=urlconf,
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework", *apps],
        MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": parts.path.lstrip("/"),
                "USER": parts.username,
                "HOST": parse_qs(parts.query)["host"][0],
                "CONN_MAX_AGE": 600,
            }
        },
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        REST_FRAMEWORK={
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
            "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        },
        **extra,
    )
    django.setup()


def key_model(label: str) -> Any:
    """Return the table of keys."""
    from django.db import models

    class IdempotencyKey(models.Model):
        key = models.CharField(max_length=255, primary_key=True)
        fingerprint = models.CharField(max_length=64)
        body = models.TextField(null=True)

        class Meta:
            app_label = label

        def __str__(self) -> str:
            return self.key

    return IdempotencyKey
