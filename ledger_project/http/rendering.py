"""DRF's renderer interface to our JSON, for DRF's own tools: views return ready bytes."""

from __future__ import annotations

from collections.abc import Mapping

from rest_framework.renderers import BaseRenderer

from ledger_project.kernel.exact_json import dumps


class JSONRenderer(BaseRenderer):
    """Exact JSON: integers of any size."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: object, accepted_media_type: str | None = None, renderer_context: Mapping[str, object] | None = None) -> bytes:
        """Return the bytes."""
        del accepted_media_type, renderer_context
        return dumps(data)
