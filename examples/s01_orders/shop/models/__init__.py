"""The tables of the shop."""

from __future__ import annotations

from shop.models.base import Model
from shop.models.fields import DateField, ForeignKey, IntegerField, MoneyField, TextField

__all__ = ["Customer", "Model", "Order"]


class Customer(Model):
    """Who buys."""

    table = "customer"

    id = IntegerField()
    name = TextField()
    city = TextField()


class Order(Model):
    """What was bought, and by whom."""

    table = "orders"

    id = IntegerField()
    number = TextField()
    placed = DateField()
    total = MoneyField()
    customer = ForeignKey(Customer)
