"""Fields: descriptors that turn a column's stored value into the value that Python code works with."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any, Optional, Type

from shop import orm


class Field:
    """One column. A model instance keeps stored values in `row`, by column name."""

    sql_type = "TEXT"

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.column = name

    def __get__(self, instance: Any, owner: Optional[type] = None) -> Any:
        if instance is None:
            return self
        return self.to_python(instance.row[self.column])

    def to_python(self, stored: Any) -> Any:
        return stored


class TextField(Field):
    """Text, as it is stored."""


class IntegerField(Field):
    """A whole number."""

    sql_type = "INTEGER"


class MoneyField(Field):
    """An amount, stored in cents."""

    sql_type = "INTEGER"

    def to_python(self, stored: int) -> Decimal:
        return Decimal(stored) / 100


class DateField(Field):
    """A day, stored as ISO 8601."""

    def to_python(self, stored: str) -> datetime.date:
        return datetime.datetime.strptime(stored, "%Y-%m-%d").date()


class ForeignKey(Field):
    """Another model's row, fetched when it is first looked at, unless the query brought it along."""

    sql_type = "INTEGER"

    def __init__(self, model: Type[Any]) -> None:
        self.model = model

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.column = name + "_id"

    def __get__(self, instance: Any, owner: Optional[type] = None) -> Any:
        if instance is None:
            return self
        if self.name not in instance.related:
            instance.related[self.name] = self.fetch(instance.row[self.column])
        return instance.related[self.name]

    def fetch(self, key: int) -> Any:
        """One query for one row."""
        return orm.Query(self.model).filter(id=key).get()
