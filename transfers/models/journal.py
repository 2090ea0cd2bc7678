"""The journal: transfers and their entries.

Rows are only inserted; ``sql/guards.sql`` refuses all else.

References from here have no foreign-key trigger for each row (``db_constraint=False``). The guards
prove for a whole batch at once that accounts, transfers and schedules exist and are of one
currency, and these rows cannot be deleted.
"""

from django.db import models
from django.db.models import Case, F, Q, Value, When

from fees.models import FeeSchedule
from ledger_project.database.fields import MinorUnitsField, one_of
from ledger_project.kernel.money import MAX_BALANCE_MINOR
from merchants.models import Account, Currency
from transfers.domain.kinds import BatchPlace, Direction, EntryType, TransferKind

LONG_AMOUNT_MINOR = 10**18
"""The smallest amount of more than 18 digits, which the formats of banks cannot hold."""

_BATCH_PLACES = [
    (BatchPlace.ALONE.value, "looked at by itself"),
    (BatchPlace.FIRST.value, "looked at together with all further ones"),
    (BatchPlace.FURTHER.value, "looked at with the first one"),
]


class Transfer(models.Model):
    """One movement of money.

    ``id`` is a UUIDv7 of ``created_at``, so the order of ids is the order of time (kernel/ids.py).

    ``source`` and ``target`` are the accounts as people see them: the source of a capture is the
    payer's wallet, though its entries debit the held account. ``total_debit_minor`` is what the
    sender pays in all. ``ExternalReference`` keeps ``external_reference`` unique.
    """

    # Columns of eight bytes come first, then ids, then those of any length: so nothing is padded.
    created_at = models.DateTimeField()
    id = models.UUIDField(primary_key=True, editable=False)
    source = models.ForeignKey(Account, models.PROTECT, related_name="+", db_constraint=False, db_index=False)
    target = models.ForeignKey(Account, models.PROTECT, related_name="+", db_constraint=False, db_index=False)
    fee_schedule = models.ForeignKey(FeeSchedule, models.PROTECT, null=True, related_name="+", db_constraint=False, db_index=False)
    reverses = models.ForeignKey("self", models.PROTECT, null=True, related_name="reversals", db_constraint=False, db_index=False)
    hold = models.ForeignKey("Hold", models.PROTECT, null=True, related_name="+", db_constraint=False, db_index=False)
    batch_place = models.SmallIntegerField(choices=_BATCH_PLACES, db_default=BatchPlace.ALONE.value, editable=False)
    kind = models.CharField(max_length=16, choices=[(k.value, k.value) for k in TransferKind])
    currency = models.ForeignKey(Currency, models.PROTECT, related_name="+", db_constraint=False, db_index=False)
    amount_minor = MinorUnitsField()
    fee_minor = MinorUnitsField()
    total_debit_minor = MinorUnitsField()
    external_reference = models.CharField(max_length=255, null=True)
    memo = models.CharField(max_length=500, null=True)
    metadata = models.JSONField(default=dict)
    principal = models.CharField(max_length=255)
    request_id = models.CharField(max_length=128)

    class Meta:
        ordering = ["-id"]
        permissions = [
            ("reverse_transfer", "Can reverse transfers"),
            ("deposit_transfer", "Can deposit money into wallets"),
            ("withdraw_transfer", "Can withdraw money from wallets"),
            ("make_transfer", "Can transfer money between merchants"),
        ]
        indexes = [
            models.Index(fields=["source", "id"], name="transfer_source_id"),
            models.Index(fields=["target", "id"], name="transfer_target_id"),
            models.Index(fields=["currency", "id"], name="transfer_currency_id"),
            models.Index(fields=["kind", "id"], name="transfer_kind_id", condition=~Q(kind=TransferKind.TRANSFER.value)),
            models.Index(fields=["reverses", "id"], name="transfer_reverses", condition=Q(reverses__isnull=False)),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="transfer_amount_positive"),
            models.CheckConstraint(condition=Q(fee_minor__gte=0), name="transfer_fee_not_negative"),
            # An upper bound everywhere: NUMERIC's 'NaN' is above every number.
            models.CheckConstraint(
                condition=Q(
                    amount_minor__lte=MAX_BALANCE_MINOR, fee_minor__lte=MAX_BALANCE_MINOR, total_debit_minor__lte=MAX_BALANCE_MINOR
                ),
                name="transfer_amounts_bounded",
            ),
            models.CheckConstraint(condition=Q(kind__regex=one_of(TransferKind)), name="transfer_kind_known"),
            models.CheckConstraint(condition=~Q(source=F("target")), name="transfer_two_accounts"),
            models.CheckConstraint(condition=Q(fee_minor=0) | Q(fee_schedule__isnull=False), name="transfer_fee_has_schedule"),
            models.CheckConstraint(
                condition=Q(kind=TransferKind.REVERSAL.value, reverses__isnull=False)
                | (~Q(kind=TransferKind.REVERSAL.value) & Q(reverses__isnull=True)),
                name="transfer_reversal_has_original",
            ),
            # A hold has one movement that begins it and one that ends it, both beside the payer's
            # wallet.
            models.UniqueConstraint(
                F("hold"),
                Case(When(kind=TransferKind.HOLD_RELEASE.value, then=F("target")), default=F("source")),
                Case(When(kind=TransferKind.HOLD.value, then=Value(0)), default=Value(1), output_field=models.SmallIntegerField()),
                condition=Q(hold__isnull=False),
                name="transfer_hold_begun_and_ended_once",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class ExternalReference(models.Model):
    """An external reference of a transfer, unique for good within an account.

    That is the transfer's source account; of a deposit, its target account. The row lies beside the
    account, and a posting writes it before the transfer. The guard of transfers refuses a transfer
    without its row, and the guard at the commit a row without its transfer (sql/guards.sql).
    """

    pk = models.CompositePrimaryKey("reference", "account_id")
    account = models.ForeignKey(Account, models.PROTECT, related_name="+", db_constraint=False, db_index=False)
    transfer = models.ForeignKey(Transfer, models.PROTECT, related_name="+", db_constraint=False, db_index=False)
    reference = models.CharField(max_length=255)

    def __str__(self) -> str:
        return f"{self.reference} of {self.account_id}"


class LedgerEntry(models.Model):
    """One line of an account's chain.

    Lines are numbered without gaps. Each has the balance after it and a hash over all before it.

    The primary key is (account, sequence), the identity that the chain has anyway. An id beside it
    would be a second index, written four times a transfer, that no query needs. The admin cannot
    register a model with a ``CompositePrimaryKey``: it shows entries on the pages of their account
    and of their transfer. No foreign key refers to an entry. Callers see a stable UUID that is made
    of the pair.
    """

    pk = models.CompositePrimaryKey("account_id", "sequence")
    # Columns of eight bytes come first, then ids, then those of any length: so nothing is padded.
    sequence = models.BigIntegerField()
    created_at = models.DateTimeField()
    account = models.ForeignKey(Account, models.PROTECT, related_name="+", db_constraint=False, db_index=False)
    transfer = models.ForeignKey(Transfer, models.PROTECT, related_name="entries", db_constraint=False, db_index=False)
    hash = models.BinaryField(max_length=32)
    direction = models.CharField(max_length=6, choices=[(d.value, d.value) for d in Direction])
    type = models.CharField(max_length=16, choices=[(t.value, t.value) for t in EntryType])
    amount_minor = MinorUnitsField()
    balance_after_minor = MinorUnitsField()

    class Meta:
        verbose_name_plural = "ledger entries"
        indexes = [
            models.Index(fields=["transfer"], name="entry_transfer"),
            # Says whether a period fits the formats of banks without reading it. Few entries are in
            # this index, so writing it costs little.
            models.Index(fields=["account", "sequence"], name="entry_long_amount", condition=Q(amount_minor__gte=LONG_AMOUNT_MINOR)),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="entry_amount_positive"),
            models.CheckConstraint(
                condition=Q(amount_minor__lte=MAX_BALANCE_MINOR, balance_after_minor__lte=MAX_BALANCE_MINOR), name="entry_amounts_bounded"
            ),
            models.CheckConstraint(condition=Q(sequence__gt=0), name="entry_sequence_positive"),
            models.CheckConstraint(condition=Q(direction__regex=one_of(Direction)), name="entry_direction_known"),
            models.CheckConstraint(condition=Q(type__regex=one_of(EntryType)), name="entry_type_known"),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} #{self.sequence}"
