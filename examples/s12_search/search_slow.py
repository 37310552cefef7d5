"""Looks for the best products of each category. Somebody says: search is slow."""

from catalog import program
from catalog.search import Search

if __name__ == "__main__":
    program.main(Search)
