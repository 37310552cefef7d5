"""Find products, the best first."""

from __future__ import annotations

import sqlite3
from typing import Any, Dict, List

EVERYTHING = "product.*"
ENOUGH = "product.id, product.name, product.cents"


class Search:
    """Looks through one category after the other."""

    def __init__(self, connection: sqlite3.Connection, columns: str = EVERYTHING) -> None:
        self.connection = connection
        self.connection.row_factory = sqlite3.Row
        self.sql = f"""
            SELECT {columns},
                   (SELECT avg(stars) FROM review WHERE review.product = product.id) AS stars
            FROM product
            WHERE category = ?
            ORDER BY stars DESC, product.id
        """

    def best(self, category: str, count: int = 10) -> List[Dict[str, Any]]:
        """The COUNT products of CATEGORY that people like most."""
        rows = self.connection.execute(self.sql, (category,)).fetchmany(count)
        return [self.present(row) for row in rows]

    @staticmethod
    def present(row: sqlite3.Row) -> Dict[str, Any]:
        """What a page shows of a product."""
        return {"name": row["name"], "price": f"{row['cents'] / 100:.2f}", "stars": round(row["stars"] or 0, 1)}
