"""The base of all models: knows its fields and holds one row."""

from __future__ import annotations

from typing import Any, ClassVar, Dict, List

from shop import orm
from shop.models.fields import Field


class Model:
    """One row of a table; its fields are descriptors over `row`."""

    table: ClassVar[str]

    def __init__(self, row: Dict[str, Any]) -> None:
        self.row = row
        self.related: Dict[str, "Model"] = {}

    @classmethod
    def fields(cls) -> List[Field]:
        """In the order of their definition."""
        return [value for value in vars(cls).values() if isinstance(value, Field)]

    @classmethod
    def columns(cls) -> List[str]:
        """The columns' names, in the order of their definition."""
        return [field.column for field in cls.fields()]

    @classmethod
    def all(cls) -> "orm.Query":
        """A query for every row."""
        return orm.Query(cls)
