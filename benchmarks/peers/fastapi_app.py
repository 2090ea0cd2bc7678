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

from fastapi import FastAPI, Header, HTTPException
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Numeric, String, Text, UniqueConstraint, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_async_engine(os.environ["PEER_DSN_ASYNCPG"], pool_size=16, max_overflow=0)
Session = async_sessionmaker(engine, expire_on_commit=False)
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
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    source_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    target_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    currency: Mapped[str] = mapped_column(String(8))
    amount: Mapped[Decimal] = mapped_column(Numeric(38, 0))
    fee: Mapped[Decimal] = mapped_column(Numeric(38, 0))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Entry(Base):
    __tablename__ = "entry"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    transfer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("transfer.id"), index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    direction: Mapped[str] = mapped_column(String(6))
    amount: Mapped[Decimal] = mapped_column(Numeric(38, 0))
    balance_after: Mapped[Decimal] = mapped_column(Numeric(38, 0))


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
        for account, direction, moved in (
            (source, "DEBIT", amount),
            (target, "CREDIT", amount),
            (source, "DEBIT", fee),
            (fees, "CREDIT", fee),
        ):
            account.balance += moved if direction == "CREDIT" else -moved
            session.add(
                Entry(transfer_id=transfer.id, account_id=account.id, direction=direction, amount=moved, balance_after=account.balance)
            )
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
