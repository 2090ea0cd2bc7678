"""Routes of sign-in under ``/app/``. The names are django-allauth's: it looks its pages up by them.

Pages of allauth that are not listed here do not exist.
"""

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes.views import generate_recovery_codes
from django.urls import path, re_path

from portal.sign_in import views
from portal.sign_in.addresses import confirm_address, new_address
from portal.sign_in.invitations import activate
from portal.sign_in.look_around import look_around
from portal.sign_in.sign_up import begin, sign_up

urlpatterns = [
    path("login/", views.SignInView.as_view(), name="account_login"),
    path("login/code/", mfa.authenticate, name="mfa_authenticate"),
    path("logout/", account.logout, name="account_logout"),
    path("activate/<str:token>/", activate, name="activate"),
    path("signup/", sign_up, name="account_signup"),
    path("begin/", begin, name="begin"),
    path("look-around/", look_around, name="look-around"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("confirm/", account.reauthenticate, name="account_reauthenticate"),
    path("confirm/code/", views.CodeAgainView.as_view(), name="mfa_reauthenticate"),
    path("password/change/", account.password_change, name="account_change_password"),
    path("password/set/", account.password_set, name="account_set_password"),
    path("password/reset/", account.password_reset, name="account_reset_password"),
    path("password/reset/done/", account.password_reset_done, name="account_reset_password_done"),
    path("password/reset/key/done/", account.password_reset_from_key_done, name="account_reset_password_from_key_done"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        account.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path("security/", mfa.index, name="mfa_index"),
    path("security/address/", new_address, name="new-address"),
    path("security/address/<str:token>/", confirm_address, name="confirm-address"),
    path("security/app/", views.EnrolView.as_view(), name="mfa_activate_totp"),
    path("security/app/remove/", views.RemovalView.as_view(), name="mfa_deactivate_totp"),
    path("security/codes/", views.RecoveryCodesView.as_view(), name="mfa_view_recovery_codes"),
    path("security/codes/new/", generate_recovery_codes, name="mfa_generate_recovery_codes"),
]
