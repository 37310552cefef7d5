"""The fix that is guessed without looking: twice as many workers, which wait for the same connections."""

import shop

WORKERS, CONNECTIONS = 64, 4

if __name__ == "__main__":
    shop.main(WORKERS, CONNECTIONS)
