"""Routes of merchants."""

from django.urls import path

from merchants import views

urlpatterns = [
    path("merchants", views.MerchantsView.as_view(), name="merchants"),
    path("merchants/<str:name>", views.MerchantView.as_view(), name="merchant"),
    path("merchants/<str:name>/balance", views.BalanceView.as_view(), name="merchant-balance"),
    path("merchants/<str:name>/accounts", views.MerchantAccountsView.as_view(), name="merchant-accounts"),
]
