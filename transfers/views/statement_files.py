"""Statements as files: CSV and camt.053, streamed page by page, so that any length takes the memory of one page."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from io import StringIO
from xml.sax.saxutils import escape

from django.http import StreamingHttpResponse

from ledger_project.kernel.money import format_minor
from ledger_project.readers import in_reader
from transfers.representations import EntryView, entry_json, timestamp
from transfers.selectors.statements import Period, period_lines

PAGE_LINES = 1000

_FIELDS = (
    "id", "account_id", "transfer_id", "sequence", "direction", "type", "currency", "amount", "amount_minor",
    "balance_after", "balance_after_minor", "counterparty", "memo", "created_at",
)  # fmt: skip


async def _pages(period: Period, entry_type: str | None = None) -> AsyncIterator[list[EntryView]]:
    before: int | None = None
    while True:
        lines = await in_reader(period_lines, period, before=before, limit=PAGE_LINES, entry_type=entry_type)
        if not lines:
            return
        yield lines
        before = lines[-1].sequence


async def _csv(period: Period, entry_type: str | None) -> AsyncIterator[bytes]:
    text = StringIO()
    writer = csv.DictWriter(text, _FIELDS)
    writer.writeheader()
    yield text.getvalue().encode()
    async for lines in _pages(period, entry_type):
        text.seek(0)
        text.truncate()
        writer.writerows(entry_json(line) for line in lines)
        yield text.getvalue().encode()


def csv_response(period: Period, entry_type: str | None = None) -> StreamingHttpResponse:
    """Return a whole period (perhaps only entries of one type) as CSV, newest first, with a header of the JSON field names."""
    return StreamingHttpResponse(_csv(period, entry_type), content_type="text/csv; charset=utf-8")


_NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"


def _amount(amount_minor: int, period: Period) -> str:
    """Return an amount element's text and currency. ISO 20022 allows 18 digits with 5 decimals; ours may need more of both."""
    currency = period.currency
    return f'<Amt Ccy="{currency.code}">{format_minor(abs(amount_minor), currency.exponent)}</Amt>'


def _indicator(amount_minor: int) -> str:
    return "CRDT" if amount_minor >= 0 else "DBIT"


def _balance(code: str, amount_minor: int, moment: datetime, period: Period) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>{_amount(amount_minor, period)}"
        f"<CdtDbtInd>{_indicator(amount_minor)}</CdtDbtInd><Dt><DtTm>{timestamp(moment)}</DtTm></Dt></Bal>"
    )


def _entry(line: EntryView, period: Period) -> str:
    indicator = "CRDT" if line.direction == "CREDIT" else "DBIT"
    party_role = "Dbtr" if indicator == "CRDT" else "Cdtr"
    party = (
        f"<RltdPties><{party_role}><Pty><Nm>{escape(line.counterparty)}</Nm></Pty></{party_role}></RltdPties>" if line.counterparty else ""
    )
    memo = f"<RmtInf>{''.join(_remittance(line.memo))}</RmtInf>" if line.memo else ""
    moment = timestamp(line.created_at)
    return (
        f"<Ntry><NtryRef>{line.sequence}</NtryRef>{_amount(line.amount_minor, period)}<CdtDbtInd>{indicator}</CdtDbtInd>"
        f"<Sts><Cd>BOOK</Cd></Sts><BookgDt><DtTm>{moment}</DtTm></BookgDt><ValDt><DtTm>{moment}</DtTm></ValDt>"
        f"<AcctSvcrRef>{line.transfer_id.hex}</AcctSvcrRef><BkTxCd><Prtry><Cd>{line.type}</Cd></Prtry></BkTxCd>"
        f"<NtryDtls><TxDtls><Refs><TxId>{line.transfer_id.hex}</TxId></Refs>{party}{memo}</TxDtls></NtryDtls></Ntry>"
    )


def _remittance(memo: str) -> Iterator[str]:
    """Unstructured remittance lines hold 140 characters each; characters that XML cannot hold are replaced."""
    clean = "".join(character if character in "\t\n\r" or ord(character) >= 0x20 else "\ufffd" for character in memo)
    for start in range(0, len(clean), 140):
        yield f"<Ustrd>{escape(clean[start : start + 140])}</Ustrd>"


async def _camt(period: Period, start: datetime, end: datetime) -> AsyncIterator[bytes]:
    now = datetime.now(UTC)
    account = period.account_id.hex
    yield (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{_NAMESPACE}"><BkToCstmrStmt>'
        f"<GrpHdr><MsgId>{now:%Y%m%d%H%M%S%f}</MsgId><CreDtTm>{timestamp(now)}</CreDtTm></GrpHdr>"
        f"<Stmt><Id>{account}</Id><CreDtTm>{timestamp(now)}</CreDtTm>"
        f"<FrToDt><FrDtTm>{timestamp(start)}</FrDtTm><ToDtTm>{timestamp(end)}</ToDtTm></FrToDt>"
        f"<Acct><Id><Othr><Id>{account}</Id></Othr></Id><Ccy>{period.currency.code}</Ccy><Nm>{escape(period.merchant_name)}</Nm></Acct>"
        f"{_balance('OPBD', period.opening_minor, start, period)}{_balance('CLBD', period.closing_minor, end, period)}"
    ).encode()
    async for lines in _pages(period):
        yield "".join(_entry(line, period) for line in lines).encode()
    yield b"</Stmt></BkToCstmrStmt></Document>\n"


def camt_response(period: Period, *, start: datetime | None, end: datetime | None) -> StreamingHttpResponse:
    """Return a whole period as an ISO 20022 camt.053.001.08 bank-to-customer statement."""
    first = start or datetime(1970, 1, 1, tzinfo=UTC)
    return StreamingHttpResponse(_camt(period, first, end or datetime.now(UTC)), content_type="application/xml; charset=utf-8")
