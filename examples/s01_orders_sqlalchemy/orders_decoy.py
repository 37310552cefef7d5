"""The fix that is guessed without looking: a faster serializer."""

from sqlalchemy import select

from shop import program
from shop.models import Order
from shop.serializers import FastOrderSerializer
from shop.views import order_list

if __name__ == "__main__":
    program.main(lambda session: order_list(session, select(Order), FastOrderSerializer))
