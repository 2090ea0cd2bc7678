"""A statement as ISO 20022 camt.053.001.08 (BankToCustomerStatement), streamed page by page.

Elements and their order are those of the message's own schema; ``tests/schemas/camt.053.001.08.excerpt.xsd`` has its types for the
elements used here, and the tests validate against it. Libraries for camt build the whole document in memory; this one must not.

What the message cannot hold exactly is refused rather than rounded (``check_representable``): an amount has at most 18 digits, 5 of them
decimals, and a currency code is three letters. So there are no camt.053 statements of BTC (8 decimals) or USDC (4 letters); JSON and CSV
have no such limits.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from xml.sax.saxutils import escape  # writes text, parses nothing  # nosec B406

from django.http import StreamingHttpResponse

from ledger_project.kernel.errors import ValidationFailed
from ledger_project.kernel.money import format_minor
from merchants.models import new_id
from transfers.representations import EntryView, timestamp
from transfers.selectors.statements import Period
from transfers.views.statement_files import pages

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
MAX_DIGITS = 18
MAX_DECIMALS = 5
"""Of an ActiveOrHistoricCurrencyAndAmount."""

_CODE = re.compile(r"[A-Z]{3}")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE = 140
_REVERSALS = frozenset({"reversal", "fee_refund"})


def check_representable(period: Period, largest_minor: int) -> None:
    """Raise ``ValidationFailed`` if camt.053 cannot hold the period's amounts exactly. ``largest_minor`` is its largest entry."""
    currency = period.currency
    reason = None
    if not _CODE.fullmatch(currency.code):
        reason = f"currency codes of three letters only, not {currency.code}"
    elif currency.exponent > MAX_DECIMALS:
        reason = f"{MAX_DECIMALS} decimals at most; {currency.code} has {currency.exponent}"
    elif max(largest_minor, abs(period.opening_minor), abs(period.closing_minor)) >= 10**MAX_DIGITS:
        reason = f"amounts of {MAX_DIGITS} digits at most, and this period has a longer one"
    if reason is not None:
        raise ValidationFailed.of("Accept", "not_representable", f"camt.053 holds {reason}; ask for text/csv or application/json")


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
    """Escape text; characters that XML 1.0 cannot hold are replaced, and a carriage return is kept from becoming a line feed."""
    return escape(_NOT_XML.sub("\ufffd", text), {"\r": "&#13;"})


def _remittance(memo: str) -> Iterator[str]:
    """Return the memo as unstructured remittance lines of 140 characters."""
    for start in range(0, len(memo), _LINE):
        yield f"<Ustrd>{_text(memo[start : start + _LINE])}</Ustrd>"


def _entry(line: EntryView, period: Period) -> str:
    credit = line.direction == "CREDIT"
    role = "Dbtr" if credit else "Cdtr"
    money = _amount(line.amount_minor, period) + _indicator(credit=credit)
    party = f"<RltdPties><{role}><Pty><Nm>{_text(line.counterparty)}</Nm></Pty></{role}></RltdPties>" if line.counterparty else ""
    memo = f"<RmtInf>{''.join(_remittance(line.memo))}</RmtInf>" if line.memo else ""
    reversal = "<RvslInd>true</RvslInd>" if line.type in _REVERSALS else ""
    moment = timestamp(line.created_at)
    reference = line.transfer_id.hex
    return (
        f"<Ntry><NtryRef>{line.sequence}</NtryRef>{money}{reversal}<Sts><Cd>BOOK</Cd></Sts>"
        f"<BookgDt><DtTm>{moment}</DtTm></BookgDt><ValDt><DtTm>{moment}</DtTm></ValDt><AcctSvcrRef>{reference}</AcctSvcrRef>"
        f"<BkTxCd><Prtry><Cd>{line.type}</Cd></Prtry></BkTxCd>"
        f"<NtryDtls><TxDtls><Refs><TxId>{reference}</TxId></Refs>{money}{party}{memo}</TxDtls></NtryDtls></Ntry>"
    )


def _head(period: Period, start: datetime, end: datetime) -> str:
    message, made_at, account = new_id().hex, timestamp(period.read_at), period.account_id.hex
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{NAMESPACE}"><BkToCstmrStmt>'
        f"<GrpHdr><MsgId>{message}</MsgId><CreDtTm>{made_at}</CreDtTm></GrpHdr>"
        f"<Stmt><Id>{message}</Id><CreDtTm>{made_at}</CreDtTm>"
        f"<FrToDt><FrDtTm>{timestamp(start)}</FrDtTm><ToDtTm>{timestamp(end)}</ToDtTm></FrToDt>"
        f"<Acct><Id><Othr><Id>{account}</Id></Othr></Id><Ccy>{period.currency.code}</Ccy><Nm>{_text(period.merchant_name)}</Nm></Acct>"
        f"{_balance('OPBD', period.opening_minor, start, period)}{_balance('CLBD', period.closing_minor, end, period)}"
    )


async def _document(period: Period, start: datetime, end: datetime) -> AsyncIterator[bytes]:
    yield _head(period, start, end).encode()
    async for lines in pages(period):
        yield "".join(_entry(line, period) for line in lines).encode()
    yield b"</Stmt></BkToCstmrStmt></Document>\n"


def camt053_response(period: Period, *, start: datetime | None, end: datetime | None) -> StreamingHttpResponse:
    """Return a whole period as camt.053, newest first. Without bounds it is from the account's opening to now."""
    document = _document(period, start or period.opened_at, end or period.read_at)
    return StreamingHttpResponse(document, content_type="application/xml; charset=utf-8")
