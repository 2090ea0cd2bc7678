"""Statements: their query, and the answers of an account's entries."""

from __future__ import annotations

from rest_framework import serializers

from ledger_project.http.cursors import PageQuery
from ledger_project.http.fields import QueryBoolean, Timestamp
from ledger_project.http.members import Json, Members, amount_members, answered_amount, stored_timestamp, timestamp
from ledger_project.kernel.exact_json import dumps_text, text_or_null
from ledger_project.kernel.money import MAX_AMOUNT_MINOR, format_minor_text
from transfers.selectors.entries import StoredEntry, entry_id_text
from transfers.selectors.statements import StatementPage, counterparty_of


class EntryJson(Members):
    """One line of an account."""

    id = serializers.UUIDField()
    account_id = serializers.UUIDField()
    account_kind = serializers.ChoiceField(choices=["wallet", "held", "fees", "external"], required=False)
    transfer_id = serializers.UUIDField()
    sequence = serializers.IntegerField()
    direction = serializers.ChoiceField(choices=["DEBIT", "CREDIT"])
    type = serializers.CharField()
    amount = answered_amount(max_minor=MAX_AMOUNT_MINOR)
    balance_after = answered_amount()
    currency = serializers.CharField()
    counterparty = serializers.CharField(allow_null=True)
    memo = serializers.CharField(allow_null=True)
    external_reference = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class StatementJson(Members):
    """A page of an account's entries, newest first; with a period also what it opened and closed
    with.
    """

    items = EntryJson(many=True)
    next_cursor = serializers.CharField(allow_null=True)
    opening_balance = answered_amount(required=False)
    closing_balance = answered_amount(required=False)


class StatementQuery(Members, PageQuery):
    """Which lines: `from` ≤ time < `to`."""

    not_filters = PageQuery.not_filters | {"spreadsheet"}

    to = Timestamp(required=False)
    spreadsheet = QueryBoolean(
        required=False, default=False, help_text="CSV for people: text that a spreadsheet would take for a formula is quoted."
    )
    from_ = Timestamp(required=False)


def entry_json(entry: StoredEntry, *, with_kind: bool = False) -> Json:
    """Return an entry; ``with_kind`` adds the kind of its account."""
    return {
        "id": str(entry.id),
        "account_id": str(entry.account_id),
        **({"account_kind": entry.account_kind} if with_kind else {}),
        "transfer_id": str(entry.transfer_id),
        "sequence": entry.sequence,
        "direction": entry.direction,
        "type": entry.type,
        "currency": entry.currency.code,
        **amount_members("amount", entry.amount_minor, entry.currency),
        **amount_members("balance_after", entry.balance_after_minor, entry.currency),
        "counterparty": entry.counterparty,
        "memo": entry.memo,
        "external_reference": entry.external_reference,
        "created_at": timestamp(entry.created_at),
    }


def line_texts(page: StatementPage) -> list[str]:
    """Return the lines of a statement, each as JSON with the members of ``entry_json``."""
    account_id, merchant_id = str(page.wallet.id), str(page.wallet.merchant.id)
    code, exponent = page.wallet.currency.code, page.wallet.currency.exponent
    texts = []
    for row in page.rows:
        sequence, transfer_id, direction, type_, amount, balance, _, _, _, _, memo, reference, at = row
        counterparty = counterparty_of(row, page.parties, merchant_id)
        # One text a line takes half the time of a dictionary that a JSON library writes.
        texts.append(
            f'{{"id":"{entry_id_text(account_id, sequence)}","account_id":"{account_id}","transfer_id":"{transfer_id}",'
            f'"sequence":{sequence},"direction":"{direction}","type":"{type_}","currency":"{code}",'
            f'"amount":"{format_minor_text(amount, exponent)}","amount_minor":{amount},'
            f'"balance_after":"{format_minor_text(balance, exponent)}","balance_after_minor":{balance},'
            f'"counterparty":{text_or_null(counterparty)},"memo":{text_or_null(memo)},'
            f'"external_reference":{text_or_null(reference)},"created_at":"{stored_timestamp(at)}"}}'
        )
    return texts


def period_members(page: StatementPage) -> str:
    """Return the further members of a page of a period, as JSON, each after a comma."""
    if page.ends_minor is None:
        return ""
    opening_minor, closing_minor = page.ends_minor
    members = amount_members("opening_balance", opening_minor, page.wallet.currency)
    members |= amount_members("closing_balance", closing_minor, page.wallet.currency)
    return f",{dumps_text(members)[1:-1]}"
