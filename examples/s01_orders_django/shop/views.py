"""What the shop answers."""

from __future__ import annotations

from typing import Any, Dict, List, Type

from django.db.models import QuerySet

from shop.serializers import OrderSerializer


def order_list(orders: QuerySet[Any], serializer: Type[OrderSerializer]) -> List[Dict[str, Any]]:
    """Every order with the name of its customer."""
    answer = []
    for order in orders:
        row = serializer(order).data
        row["customer"] = order.customer.name
        answer.append(row)
    return answer
