"""Adds up orders in three steps. Somebody says: it takes a minute, and there is nothing in it."""

from orders import program
from orders.catalog import Catalog
from orders.pipeline import process

if __name__ == "__main__":
    program.main(lambda orders, products: process(orders, Catalog(products)))
