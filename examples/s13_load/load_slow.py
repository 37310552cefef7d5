"""Answers ten users at once, and five hundred after seconds. Somebody says: it needs more workers."""

import shop

WORKERS, CONNECTIONS = 32, 4

if __name__ == "__main__":
    shop.main(WORKERS, CONNECTIONS)
