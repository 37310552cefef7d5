"""The fix that is guessed without looking: a faster serializer."""

from shop import program

if __name__ == "__main__":
    program.begin()

    from shop.models import Order
    from shop.serializers import FastOrderSerializer
    from shop.views import order_list

    program.answer(lambda: order_list(Order.objects.all(), FastOrderSerializer))
