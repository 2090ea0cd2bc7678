"""A peer as its users would write it: FastAPI, SQLAlchemy async, asyncpg; row locks and a mutable balance, one transaction a request.

The same promises as the ledger: the key, the fee, four entries and the stored answer in one durable transaction.
``python fastapi_app.py`` makes the tables and the merchants; ``uvicorn fastapi_app:app`` serves.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from fastapi import FastAPI, Header, HTTPException, Query
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Numeric,
    String,
    Text,
    UniqueConstraint,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship, selectinload

engine = create_async_engine(os.environ["PEER_DSN_ASYNCPG"], pool_size=16, max_overflow=0)
Session = async_sessionmaker(engine, expire_on_commit=False)
Reading = async_sessionmaker(engine.execution_options(isolation_level="AUTOCOMMIT"), expire_on_commit=False)
app = FastAPI()


class Base(DeclarativeBase):
    """All tables."""


class Account(Base):
    __tablename__ = "account"
    __table_args__ = (UniqueConstraint("merchant", "currency", "kind"), CheckConstraint("balance >= 0"))
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    merchant: Mapped[str] = mapped_column(String(64))
    currency: Mapped[str] = mapped_column(String(8))
    kind: Mapped[str] = mapped_column(String(8))
    balance: Mapped[Decimal] = mapped_column(Numeric(38, 0), default=0)


class Transfer(Base):
    __tablename__ = "transfer"
    __table_args__ = (Index("transfer_source", "source_id", "created_at"), Index("transfer_target", "target_id", "created_at"))
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    source_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    target_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    currency: Mapped[str] = mapped_column(String(8))
    amount: Mapped[Decimal] = mapped_column(Numeric(38, 0))
    fee: Mapped[Decimal] = mapped_column(Numeric(38, 0))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    source: Mapped[Account] = relationship(foreign_keys=source_id)
    target: Mapped[Account] = relationship(foreign_keys=target_id)
    entries: Mapped[list[Entry]] = relationship(order_by="Entry.id", back_populates="transfer")


class Entry(Base):
    __tablename__ = "entry"
    __table_args__ = (Index("entry_account", "account_id", "created_at", "id"),)
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    transfer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("transfer.id"), index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    direction: Mapped[str] = mapped_column(String(6))
    type: Mapped[str] = mapped_column(String(8))
    amount: Mapped[Decimal] = mapped_column(Numeric(38, 0))
    balance_after: Mapped[Decimal] = mapped_column(Numeric(38, 0))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    transfer: Mapped[Transfer] = relationship(back_populates="entries")
    account: Mapped[Account] = relationship()


class Key(Base):
    __tablename__ = "idempotency_key"
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    body: Mapped[str | None] = mapped_column(Text)


class TransferIn(BaseModel):
    from_merchant: str
    to_merchant: str
    currency: str
    amount: Decimal


class TransferOut(BaseModel):
    id: uuid.UUID
    from_merchant: str
    to_merchant: str
    currency: str
    amount: Decimal
    fee: Decimal
    created_at: datetime


@app.post("/transfers", status_code=201)
async def create_transfer(body: TransferIn, idempotency_key: str = Header()) -> Response:
    """Move money."""
    fingerprint = hashlib.sha256(body.model_dump_json().encode()).hexdigest()
    async with Session() as session, session.begin():
        claimed = await session.execute(
            insert(Key).values(key=idempotency_key, fingerprint=fingerprint).on_conflict_do_nothing().returning(Key.key)
        )
        if claimed.scalar_one_or_none() is None:
            stored = (await session.execute(select(Key).where(Key.key == idempotency_key))).scalar_one()
            if stored.fingerprint != fingerprint:
                raise HTTPException(409, "idempotency_key_reused")
            return Response(stored.body, 201, media_type="application/json")
        query = select(Account).where(Account.merchant.in_([body.from_merchant, body.to_merchant]), Account.currency == body.currency)
        rows = (await session.execute(query.order_by(Account.id).with_for_update())).scalars().all()
        accounts = {(row.merchant, row.kind): row for row in rows}
        try:
            source, target = accounts[body.from_merchant, "wallet"], accounts[body.to_merchant, "wallet"]
            fees = accounts[body.from_merchant, "fees"]
        except KeyError:
            raise HTTPException(404, "merchant_not_found") from None
        amount = body.amount * 100
        fee = round(amount / 100)
        if source.balance < amount + fee:
            raise HTTPException(409, "insufficient_funds")
        transfer = Transfer(source_id=source.id, target_id=target.id, currency=body.currency, amount=amount, fee=fee)
        transfer.created_at = datetime.now(UTC)
        session.add(transfer)
        await session.flush()
        for account, direction, kind, moved in (
            (source, "DEBIT", "transfer", amount),
            (target, "CREDIT", "transfer", amount),
            (source, "DEBIT", "fee", fee),
            (fees, "CREDIT", "fee", fee),
        ):
            account.balance += moved if direction == "CREDIT" else -moved
            entry = Entry(transfer_id=transfer.id, account_id=account.id, direction=direction, type=kind, amount=moved)
            entry.balance_after, entry.created_at = account.balance, transfer.created_at
            session.add(entry)
        answer = TransferOut(
            id=transfer.id,
            from_merchant=body.from_merchant,
            to_merchant=body.to_merchant,
            currency=body.currency,
            amount=body.amount,
            fee=fee / 100,
            created_at=transfer.created_at,
        ).model_dump_json()
        key = await session.get_one(Key, idempotency_key)
        key.body = answer
    return Response(answer, 201, media_type="application/json")


class BalanceOut(BaseModel):
    merchant: str
    currency: str
    balance: Decimal


class EntryOut(BaseModel):
    id: int
    account_id: int
    transfer_id: uuid.UUID
    direction: str
    type: str
    amount: Decimal
    balance_after: Decimal
    created_at: datetime


class LineOut(EntryOut):
    counterparty: str


class TransferWithEntries(TransferOut):
    entries: list[EntryOut]


class Transfers(BaseModel):
    items: list[TransferOut]
    next_before: datetime | None


class Statement(BaseModel):
    items: list[LineOut]
    next_before: int | None


@app.get("/merchants/{merchant}/balance")
async def get_balance(merchant: str, currency: str, at: datetime | None = None) -> BalanceOut:
    """The balance of a wallet, now or as it stood at a moment."""
    wallet = Account.merchant == merchant, Account.currency == currency, Account.kind == "wallet"
    query = select(Account.balance).where(*wallet)
    if at is not None:
        account = select(Account.id).where(*wallet).scalar_subquery()
        before = select(Entry.balance_after).where(Entry.account_id == account, Entry.created_at <= at)
        query = before.order_by(Entry.created_at.desc(), Entry.id.desc()).limit(1)
    async with Reading() as session:
        balance = (await session.execute(query)).scalar_one_or_none()
    if balance is None:
        raise HTTPException(404, "account_not_found")
    return BalanceOut(merchant=merchant, currency=currency, balance=balance / 100)


@app.get("/accounts/{account_id}/statement")
async def get_statement(account_id: int, limit: int = Query(50, ge=1, le=200), before: int | None = None) -> Statement:
    """A page of an account's lines, the newest first."""
    query = (
        select(Entry)
        .where(Entry.account_id == account_id)
        .options(
            joinedload(Entry.transfer, innerjoin=True).joinedload(Transfer.source, innerjoin=True),
            joinedload(Entry.transfer, innerjoin=True).joinedload(Transfer.target, innerjoin=True),
        )
        .order_by(Entry.created_at.desc(), Entry.id.desc())
        .limit(limit)
    )
    async with Reading() as session:
        if before is not None:
            last = await session.get_one(Entry, before)
            query = query.where(tuple_(Entry.created_at, Entry.id) < (last.created_at, last.id))
        entries = (await session.execute(query)).scalars().all()
    items = [
        LineOut(
            **_entry(entry),
            counterparty=(entry.transfer.target if entry.transfer.source_id == account_id else entry.transfer.source).merchant,
        )
        for entry in entries
    ]
    return Statement(items=items, next_before=items[-1].id if len(items) == limit else None)


@app.get("/transfers/{transfer_id}")
async def get_transfer(transfer_id: uuid.UUID) -> TransferWithEntries:
    """A transfer with its entries."""
    query = select(Transfer).where(Transfer.id == transfer_id)
    names = joinedload(Transfer.source, innerjoin=True), joinedload(Transfer.target, innerjoin=True)
    async with Reading() as session:
        transfer = (await session.execute(query.options(*names, selectinload(Transfer.entries)))).scalar_one_or_none()
    if transfer is None:
        raise HTTPException(404, "transfer_not_found")
    return TransferWithEntries(**_transfer(transfer), entries=[EntryOut(**_entry(entry)) for entry in transfer.entries])


@app.get("/transfers")
async def list_transfers(merchant: str, limit: int = Query(50, ge=1, le=200), before: datetime | None = None) -> Transfers:
    """A page of a merchant's transfers, on either side, the newest first."""
    async with Reading() as session:
        wallets = select(Account.id).where(Account.merchant == merchant, Account.kind == "wallet")
        ids = (await session.execute(wallets)).scalars().all()
        query = (
            select(Transfer)
            .where(or_(Transfer.source_id.in_(ids), Transfer.target_id.in_(ids)))
            .options(joinedload(Transfer.source, innerjoin=True), joinedload(Transfer.target, innerjoin=True))
            .order_by(Transfer.created_at.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(Transfer.created_at < before)
        transfers = (await session.execute(query)).scalars().all()
    items = [TransferOut(**_transfer(transfer)) for transfer in transfers]
    return Transfers(items=items, next_before=items[-1].created_at if len(items) == limit else None)


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "account_id": entry.account_id,
        "transfer_id": entry.transfer_id,
        "direction": entry.direction,
        "type": entry.type,
        "amount": entry.amount / 100,
        "balance_after": entry.balance_after / 100,
        "created_at": entry.created_at,
    }


def _transfer(transfer: Transfer) -> dict[str, Any]:
    return {
        "id": transfer.id,
        "from_merchant": transfer.source.merchant,
        "to_merchant": transfer.target.merchant,
        "currency": transfer.currency,
        "amount": transfer.amount / 100,
        "fee": transfer.fee / 100,
        "created_at": transfer.created_at,
    }


async def setup(merchants: int) -> None:
    """Make tables and merchants."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with Session() as session, session.begin():
        for number in range(merchants):
            name = f"bench{number:04}"
            session.add(Account(merchant=name, currency="USD", kind="wallet", balance=10**11))
            session.add(Account(merchant=name, currency="USD", kind="fees", balance=0))


if __name__ == "__main__":
    asyncio.run(setup(int(os.environ["PEER_MERCHANTS"])))
