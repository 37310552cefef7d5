"""The fix that is guessed without looking: another way to add up."""

from orders import program
from orders.catalog import Catalog
from orders.pipeline import add_up_shorter, process

if __name__ == "__main__":
    program.main(lambda orders, products: process(orders, Catalog(products), add_up_shorter))
