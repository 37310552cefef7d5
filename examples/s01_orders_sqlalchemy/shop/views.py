"""What the shop answers."""

from __future__ import annotations

from typing import Any, Dict, List, Type

from sqlalchemy.orm import Session

from shop.serializers import OrderSerializer


def order_list(session: Session, orders: Any, serializer: Type[OrderSerializer]) -> List[Dict[str, Any]]:
    """Every order of a query with the name of its customer."""
    answer = []
    for order in session.scalars(orders):
        row = serializer(order).data
        row["customer"] = order.customer.name
        answer.append(row)
    return answer
