"""The fix that a profile points to: products are found by an index, not by going through all of them."""

from orders import program
from orders.catalog import IndexedCatalog
from orders.pipeline import process

if __name__ == "__main__":
    program.main(lambda orders, products: process(orders, IndexedCatalog(products)))
