"""Asks for the prices one after the other. Somebody says: the exchange is slow."""

from typing import List

import prices


def fetch_all(port: int, symbols: List[str]) -> List[prices.Prices]:
    answers = []
    for symbol in symbols:
        answers.append(prices.fetch(port, symbol))
    return answers


if __name__ == "__main__":
    prices.main(fetch_all)
