"""The fix that a profile points to: all are asked for at once."""

from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import List

import prices

AT_ONCE = 16  # as many as the exchange likes


def fetch_all(port: int, symbols: List[str]) -> List[prices.Prices]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(prices.fetch, repeat(port), symbols))


if __name__ == "__main__":
    prices.main(fetch_all)
