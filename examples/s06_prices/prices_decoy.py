"""The fix that is guessed without looking: answers are parsed faster."""

from typing import List

import prices


def fetch_all(port: int, symbols: List[str]) -> List[prices.Prices]:
    answers = []
    for symbol in symbols:
        answers.append(list(map(float, prices.ask(port, symbol).split(","))))
    return answers


if __name__ == "__main__":
    prices.main(fetch_all)
