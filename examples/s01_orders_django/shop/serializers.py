"""From a model to what the view answers with."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Dict, List

CENT = Decimal("0.01")
TAX_RATE = Decimal("0.19")


class OrderSerializer:
    """One order, field by field: values are looked up by name and written as their type asks."""

    fields: List[str] = ["id", "number", "placed", "total", "tax"]

    def __init__(self, order: Any) -> None:
        self.order = order

    @property
    def data(self) -> Dict[str, Any]:
        """A dictionary of plain values."""
        return {name: self.represent(self.value(name)) for name in self.fields}

    def value(self, name: str) -> Any:
        """A field of the order, or what a method of that name computes."""
        compute = getattr(self, f"compute_{name}", None)
        return compute() if compute else getattr(self.order, name)

    def compute_total(self) -> Decimal:
        """The total in whole units of money."""
        return Decimal(self.order.total) / 100

    def compute_tax(self) -> Decimal:
        """The part of the total that is tax."""
        total = self.compute_total()
        return total - (total / (1 + TAX_RATE)).quantize(CENT)

    def represent(self, value: Any) -> Any:
        """Dates and amounts as text, numbers and text as they are."""
        if hasattr(value, "isoformat"):
            return value.isoformat()
        if hasattr(value, "quantize"):
            return f"{value:.2f}"
        return value


class FastOrderSerializer(OrderSerializer):
    """The same dictionary written out by hand, in whole cents: several times faster."""

    @property
    def data(self) -> Dict[str, Any]:
        order = self.order
        total = order.total
        tax = total - (total * 200 + 119) // 238  # the net amount, rounded half up
        return {
            "id": order.id,
            "number": order.number,
            "placed": order.placed.isoformat(),
            "total": f"{total // 100}.{total % 100:02d}",
            "tax": f"{tax // 100}.{tax % 100:02d}",
        }
