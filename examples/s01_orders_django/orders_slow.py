"""Lists orders with their customers' names. Somebody says: this is slow."""

from shop import program

if __name__ == "__main__":
    program.begin()

    from shop.models import Order
    from shop.serializers import OrderSerializer
    from shop.views import order_list

    program.answer(lambda: order_list(Order.objects.all(), OrderSerializer))
