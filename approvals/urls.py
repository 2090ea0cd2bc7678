"""Routes of approvals."""

from django.urls import path

from approvals import views

urlpatterns = [
    path("approvals", views.ApprovalsView.as_view(), name="approvals"),
    path("approvals/<str:approval_id>", views.ApprovalView.as_view(), name="approval"),
    path("approvals/<str:approval_id>/approve", views.ApproveView.as_view(), name="approval-approve"),
    path("approvals/<str:approval_id>/reject", views.RejectView.as_view(), name="approval-reject"),
]
