"""Queries: built step by step, run when iterated."""

from __future__ import annotations

import sqlite3
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

_connection: Optional[sqlite3.Connection] = None


def connect(connection: sqlite3.Connection) -> None:
    """Use CONNECTION for every query from now on."""
    global _connection
    _connection = connection


def execute_query(sql: str, parameters: Sequence[Any] = ()) -> List[Tuple[Any, ...]]:
    """Send one statement to the database and fetch all of its rows."""
    if _connection is None:
        raise RuntimeError("no database: call orm.connect() first")
    cursor = _connection.cursor()
    cursor.execute(sql, parameters)
    return cursor.fetchall()


class Query:
    """The rows of one model that match. Each step returns a new query."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.conditions: Dict[str, Any] = {}
        self.joined: Tuple[str, ...] = ()

    def filter(self, **conditions: Any) -> "Query":
        """Only rows whose columns equal these values."""
        query = self._copy()
        query.conditions.update(conditions)
        return query

    def select_related(self, *names: str) -> "Query":
        """Bring the rows these foreign keys point to along, in the same statement."""
        query = self._copy()
        query.joined += names
        return query

    def get(self) -> Any:
        """The one row that matches; LookupError if there is none."""
        for instance in self._run(" LIMIT 1"):
            return instance
        raise LookupError(f"no {self.model.__name__} with {self.conditions}")

    def __iter__(self) -> Iterator[Any]:
        return self._run()

    def _copy(self) -> "Query":
        query = Query(self.model)
        query.conditions = dict(self.conditions)
        query.joined = self.joined
        return query

    def _run(self, tail: str = "") -> Iterator[Any]:
        for values in execute_query(self._sql() + tail, list(self.conditions.values())):
            yield self._instance(values)

    def _sql(self) -> str:
        table = self.model.table
        columns = [f"{table}.{column}" for column in self.model.columns()]
        joins = []
        for name in self.joined:
            key = vars(self.model)[name]
            other = key.model.table
            columns += [f"{other}.{column}" for column in key.model.columns()]
            joins.append(f" JOIN {other} ON {other}.id = {table}.{key.column}")
        sql = f"SELECT {', '.join(columns)} FROM {table}{''.join(joins)}"
        if self.conditions:
            sql += " WHERE " + " AND ".join(f"{table}.{name} = ?" for name in self.conditions)
        return sql

    def _instance(self, values: Tuple[Any, ...]) -> Any:
        columns = self.model.columns()
        instance = self.model(dict(zip(columns, values)))
        start = len(columns)
        for name in self.joined:
            other = vars(self.model)[name].model
            end = start + len(other.columns())
            instance.related[name] = other(dict(zip(other.columns(), values[start:end])))
            start = end
        return instance
