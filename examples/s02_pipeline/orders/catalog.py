"""The products that orders name, and two ways to find one."""

from __future__ import annotations

from typing import Dict, List, NamedTuple


class Product(NamedTuple):
    """What can be ordered."""

    number: str
    name: str
    cents: int


class Catalog:
    """Products in the order in which they were listed."""

    def __init__(self, products: List[Product]) -> None:
        self.products = products

    def find(self, number: str) -> Product:
        """The product of that NUMBER; LookupError if there is none."""
        for product in self.products:
            if product.number == number:
                return product
        raise LookupError(number)


class IndexedCatalog(Catalog):
    """The same, with an index made once."""

    def __init__(self, products: List[Product]) -> None:
        super().__init__(products)
        self.by_number: Dict[str, Product] = {product.number: product for product in products}

    def find(self, number: str) -> Product:
        return self.by_number[number]
