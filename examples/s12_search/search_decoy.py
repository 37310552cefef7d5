"""The fix that is guessed without looking: only the columns that are shown."""

from catalog import program
from catalog.search import ENOUGH, Search

if __name__ == "__main__":
    program.main(lambda connection: Search(connection, ENOUGH))
