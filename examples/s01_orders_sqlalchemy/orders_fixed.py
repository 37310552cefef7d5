"""The fix that a profile points to: the customers come along with the orders, in one query."""

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from shop import program
from shop.models import Order
from shop.serializers import OrderSerializer
from shop.views import order_list

if __name__ == "__main__":
    orders = select(Order).options(joinedload(Order.customer))
    program.main(lambda session: order_list(session, orders, OrderSerializer))
