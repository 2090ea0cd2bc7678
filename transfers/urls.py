"""Routes of moving money."""

from django.urls import path

from transfers.views import accounts, batches, cash, holds, operations, quotes, reversals, statements, transfers
from transfers.views import operator_actions as actions

urlpatterns = [
    path("transfers", transfers.TransfersView.as_view(), name="transfers"),
    path("transfers/quote", quotes.QuoteView.as_view(), name="transfer-quote"),
    path("transfers/batch", batches.BatchView.as_view(), name="transfer-batch"),
    path("transfers/<str:transfer_id>", transfers.TransferView.as_view(), name="transfer"),
    path("transfers/<str:transfer_id>/reverse", reversals.ReverseView.as_view(), name="transfer-reverse"),
    path("accounts/<str:account_id>", accounts.AccountView.as_view(), name="account"),
    path("accounts/<str:account_id>/statement", statements.StatementView.as_view(), name="account-statement"),
    path("accounts/<str:account_id>/deposit", cash.DepositView.as_view(), name="account-deposit"),
    path("accounts/<str:account_id>/withdraw", cash.WithdrawView.as_view(), name="account-withdraw"),
    path("accounts/<str:account_id>/freeze", actions.FreezeAccountView.as_view(), name="account-freeze"),
    path("accounts/<str:account_id>/unfreeze", actions.UnfreezeAccountView.as_view(), name="account-unfreeze"),
    path("accounts/<str:account_id>/overdraft", actions.OverdraftView.as_view(), name="account-overdraft"),
    path("merchants/<str:name>/freeze", actions.FreezeMerchantView.as_view(), name="merchant-freeze"),
    path("merchants/<str:name>/unfreeze", actions.UnfreezeMerchantView.as_view(), name="merchant-unfreeze"),
    path("merchants/<str:name>/close", actions.CloseMerchantView.as_view(), name="merchant-close"),
    path("holds", holds.HoldsView.as_view(), name="holds"),
    path("holds/<str:hold_id>", holds.HoldView.as_view(), name="hold"),
    path("holds/<str:hold_id>/capture", holds.CaptureView.as_view(), name="hold-capture"),
    path("holds/<str:hold_id>/void", holds.VoidView.as_view(), name="hold-void"),
    path("operations/summary", operations.SummaryView.as_view(), name="operations-summary"),
]
