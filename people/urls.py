"""Routes of people."""

from django.urls import path

from people.views import memberships, tokens, users

urlpatterns = [
    path("auth/token", tokens.TokenView.as_view(), name="token"),
    path("auth/token/refresh", tokens.TokenRefreshView.as_view(), name="token-refresh"),
    path("users", users.UsersView.as_view(), name="users"),
    path("users/<str:user_id>", users.UserView.as_view(), name="user"),
    path("users/<str:user_id>/memberships", memberships.MembershipsView.as_view(), name="user-memberships"),
    path("users/<str:user_id>/memberships/<str:merchant_name>", memberships.MembershipView.as_view(), name="user-membership"),
]
