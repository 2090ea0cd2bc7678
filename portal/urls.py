"""Routes under ``/app/``."""

from django.urls import path

from portal.views.wallets import wallets

urlpatterns = [
    path("", wallets, name="wallets"),
]
