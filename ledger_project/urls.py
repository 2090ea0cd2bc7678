"""All routes of the service."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from ledger_project.http.documentation import DocsView, ErrorView, SchemaView
from ledger_project.http.health import HealthView, MetricsView, ReadinessView
from ledger_project.http.html_pages import LandingView
from portal.sign_in.views import admin_login

urlpatterns = [
    path("", include("merchants.urls")),
    path("", include("transfers.urls")),
    path("", include("events.urls")),
    path("", include("people.urls")),
    path("", include("approvals.urls")),
    path("", LandingView.as_view(), name="landing"),
    path("healthz", HealthView.as_view(), name="healthz"),
    path("readyz", ReadinessView.as_view(), name="readyz"),
    path("metrics", MetricsView.as_view(), name="metrics"),
    path("openapi.json", SchemaView.as_view(), name="openapi"),
    path("docs", DocsView.as_view(), name="docs"),
    path("errors/<str:code>", ErrorView.as_view(), name="error"),
    path("admin", RedirectView.as_view(pattern_name="admin:index", query_string=True), name="admin-without-slash"),
    path("admin/login/", admin_login),
    path("admin/", admin.site.urls),
    path("app", RedirectView.as_view(url="/app/")),
    path("app/", include("portal.sign_in.urls")),
    path("app/", include(("portal.urls", "portal"))),
]

handler400 = "ledger_project.http.fallbacks.bad_request"
handler403 = "console.forbidden.permission_denied"
handler404 = "ledger_project.http.fallbacks.not_found"
handler500 = "ledger_project.http.fallbacks.server_error"
