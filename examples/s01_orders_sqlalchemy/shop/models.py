"""The tables of the shop."""

from __future__ import annotations

import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """What all tables have in common."""


class Customer(Base):
    """Who buys."""

    __tablename__ = "shop_customer"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    city: Mapped[str]


class Order(Base):
    """What was bought, and by whom. Amounts are in cents."""

    __tablename__ = "shop_order"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str]
    placed: Mapped[datetime.date]
    total: Mapped[int]
    customer_id: Mapped[int] = mapped_column(ForeignKey("shop_customer.id"))
    customer: Mapped[Customer] = relationship()
