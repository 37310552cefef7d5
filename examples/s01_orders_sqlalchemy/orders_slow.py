"""Lists orders with their customers' names. Somebody says: this is slow."""

from sqlalchemy import select

from shop import program
from shop.models import Order
from shop.serializers import OrderSerializer
from shop.views import order_list

if __name__ == "__main__":
    program.main(lambda session: order_list(session, select(Order), OrderSerializer))
