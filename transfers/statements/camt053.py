"""A statement as ISO 20022 camt.053.001.08 (BankToCustomerStatement), streamed page by page.

The elements and their order are those of the message's schema.
``tests/schemas/camt.053.001.08.excerpt.xsd`` has its types for the elements used here, and the
tests validate against it. Libraries for camt build the whole document in memory; this module does
not.

The message has limits: an amount has at most 18 digits, 5 of them decimals, and a currency code has
three letters. An amount beyond them is refused, not rounded (``check_representable``). So there are
no camt.053 statements of BTC (8 decimals) or USDC (4 letters); JSON and CSV have no such limits.
The check is one look-up in an index, so the document begins at once, however long the account is.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from uuid import NAMESPACE_OID, uuid5
from xml.sax.saxutils import escape  # writes text, parses nothing

from django.http import StreamingHttpResponse

from ledger_project.http.members import timestamp
from ledger_project.kernel.money import format_minor
from transfers.domain.kinds import EntryType
from transfers.selectors.entries import StoredEntry
from transfers.selectors.statements import Period, has_long_amounts
from transfers.statements.csv import pages

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
MAX_DECIMALS = 5
"""The most decimals of an ActiveOrHistoricCurrencyAndAmount; it has 18 digits in all."""

_CODE = re.compile(r"[A-Z]{3}")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE = 140
_REFERENCE = 35
_REVERSALS = frozenset({"reversal", "fee_refund"})

BOOKING_TEXTS = {
    EntryType.TRANSFER: "Transfer",
    EntryType.DEPOSIT: "Deposit",
    EntryType.WITHDRAWAL: "Withdrawal",
    EntryType.OPENING: "Opening balance",
    EntryType.HOLD: "Amount reserved by a hold",
    EntryType.HOLD_RELEASE: "Release of a reserved amount",
    EntryType.CAPTURE: "Payment out of a reserved amount",
    EntryType.REVERSAL: "Reversal",
    EntryType.FEE: "Fee for transfer {transfer}",
    EntryType.FEE_REFUND: "Refund of the fee, by transfer {transfer}",
    EntryType.FEE_SETTLEMENT: "Settlement of collected fees",
}
"""Each type of entry in words. A fee has no counterparty and no memo of its own."""


class NotRepresentable(Exception):
    """A form cannot hold a period as it is: camt.053 its amounts, PDF its length."""

    def __init__(self, reason: str, *, form: str = "camt.053") -> None:
        super().__init__(f"{form} holds {reason}")


def check_representable(period: Period) -> None:
    """Raise ``NotRepresentable`` if camt.053 cannot hold the amounts of a period exactly.

    Synchronous; one look-up.
    """
    currency = period.currency
    if not _CODE.fullmatch(currency.code):
        raise NotRepresentable(f"currency codes of three letters only, not {currency.code}")
    if currency.exponent > MAX_DECIMALS:
        raise NotRepresentable(f"{MAX_DECIMALS} decimals at most; {currency.code} has {currency.exponent}")
    if has_long_amounts(period):
        raise NotRepresentable("amounts of 18 digits at most, and this period has a longer one")


def _amount(amount_minor: int, period: Period) -> str:
    currency = period.currency
    return f'<Amt Ccy="{currency.code}">{format_minor(abs(amount_minor), currency.exponent)}</Amt>'


def _indicator(*, credit: bool) -> str:
    return f"<CdtDbtInd>{'CRDT' if credit else 'DBIT'}</CdtDbtInd>"


def _balance(code: str, amount_minor: int, moment: datetime, period: Period) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>{_amount(amount_minor, period)}{_indicator(credit=amount_minor >= 0)}"
        f"<Dt><DtTm>{timestamp(moment)}</DtTm></Dt></Bal>"
    )


def _text(text: str) -> str:
    """Escape a text.

    Characters that XML 1.0 cannot hold are replaced; a carriage return stays one.
    """
    return escape(_NOT_XML.sub("\ufffd", text), {"\r": "&#13;"})


def _remittance(memo: str) -> Iterator[str]:
    """Return the memo as unstructured remittance lines of 140 characters each."""
    for start in range(0, len(memo), _LINE):
        yield f"<Ustrd>{_text(memo[start : start + _LINE])}</Ustrd>"


def _entry(line: StoredEntry, period: Period) -> str:
    credit = line.direction == "CREDIT"
    role = "Dbtr" if credit else "Cdtr"
    money = _amount(line.amount_minor, period) + _indicator(credit=credit)
    party = f"<RltdPties><{role}><Pty><Nm>{_text(line.counterparty)}</Nm></Pty></{role}></RltdPties>" if line.counterparty else ""
    memo = f"<RmtInf>{''.join(_remittance(line.memo))}</RmtInf>" if line.memo else ""
    reversal = "<RvslInd>true</RvslInd>" if line.type in _REVERSALS else ""
    moment = timestamp(line.created_at)
    reference = line.id.hex
    own, rest = _external_reference(line.external_reference)
    return (
        f"<Ntry><NtryRef>{reference}</NtryRef>{money}{reversal}<Sts><Cd>BOOK</Cd></Sts>"
        f"<BookgDt><DtTm>{moment}</DtTm></BookgDt><ValDt><DtTm>{moment}</DtTm></ValDt><AcctSvcrRef>{reference}</AcctSvcrRef>"
        f"<BkTxCd><Prtry><Cd>{line.type}</Cd></Prtry></BkTxCd><NtryDtls><TxDtls>"
        f"<Refs>{own}<TxId>{line.transfer_id.hex}</TxId></Refs>{money}{party}{memo}{rest}</TxDtls></NtryDtls>"
        f"<AddtlNtryInf>{BOOKING_TEXTS[EntryType(line.type)].format(transfer=line.transfer_id)}</AddtlNtryInf></Ntry>"
    )


def _external_reference(reference: str | None) -> tuple[str, str]:
    """Return the external reference as an ``EndToEndId``, or as a text if it is too long."""
    if reference is None:
        return "", ""
    if len(reference) <= _REFERENCE:
        return f"<EndToEndId>{_text(reference)}</EndToEndId>", ""
    return "", f"<AddtlTxInf>External reference: {_text(reference)}</AddtlTxInf>"


def _identifier(period: Period, start: datetime, end: datetime) -> str:
    """Return the identifier: the same for the same account, bounds and entries between them."""
    return uuid5(NAMESPACE_OID, f"camt.053:{period.account_id}:{timestamp(start)}:{timestamp(end)}:{period.after}:{period.until}").hex


def _head(period: Period, start: datetime, end: datetime) -> str:
    identifier, made_at, account = _identifier(period, start, end), timestamp(period.read_at), period.account_id.hex
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{NAMESPACE}"><BkToCstmrStmt>'
        f"<GrpHdr><MsgId>{identifier}</MsgId><CreDtTm>{made_at}</CreDtTm></GrpHdr>"
        f"<Stmt><Id>{identifier}</Id><CreDtTm>{made_at}</CreDtTm>"
        f"<FrToDt><FrDtTm>{timestamp(start)}</FrDtTm><ToDtTm>{timestamp(end)}</ToDtTm></FrToDt>"
        f"<Acct><Id><Othr><Id>{account}</Id></Othr></Id><Ccy>{period.currency.code}</Ccy><Nm>{_text(period.merchant_name)}</Nm></Acct>"
        f"{_balance('OPBD', period.opening_minor, start, period)}{_balance('CLBD', period.closing_minor, end, period)}"
    )


async def camt053_pieces(period: Period, *, start: datetime | None, end: datetime | None) -> AsyncIterator[bytes]:
    """Yield what ``camt053_response`` sends."""
    yield _head(period, start or period.opened_at, end or period.read_at).encode()
    async for lines in pages(period):
        yield "".join(_entry(line, period) for line in lines).encode()
    yield b"</Stmt></BkToCstmrStmt></Document>\n"


def camt053_response(period: Period, *, start: datetime | None, end: datetime | None) -> StreamingHttpResponse:
    """Return a whole period as camt.053, newest first.

    Without bounds the period is from the account's opening to now.
    """
    return StreamingHttpResponse(camt053_pieces(period, start=start, end=end), content_type="application/xml; charset=utf-8")
