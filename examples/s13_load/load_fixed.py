"""The fix that a profile points to: a connection for each worker."""

import shop

WORKERS, CONNECTIONS = 32, 32

if __name__ == "__main__":
    shop.main(WORKERS, CONNECTIONS)
