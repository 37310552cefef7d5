"""The prices of some symbols, asked of the exchange one by one."""

from __future__ import annotations

import argparse
import http.client
import os
import subprocess
import sys
import time
from typing import Callable, List

Prices = List[float]
Fetch = Callable[[int, str], Prices]


def ask(port: int, symbol: str) -> str:
    """The exchange's answer: this waits."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", f"/{symbol}")
    answer = connection.getresponse().read().decode()
    connection.close()
    return answer


def parse(answer: str) -> Prices:
    """Number by number."""
    prices = []
    for word in answer.split(","):
        prices.append(float(word.strip()))
    return prices


def fetch(port: int, symbol: str) -> Prices:
    return parse(ask(port, symbol))


def main(fetch_all: Callable[[int, List[str]], List[Prices]]) -> None:
    """Print what FETCH_ALL fetches, and how long that took on standard error."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--symbols", type=int, default=10)
    parser.add_argument("--delay", type=float, default=0.2, help="seconds until the exchange answers")
    arguments = parser.parse_args()
    exchange = os.path.join(os.path.dirname(os.path.abspath(__file__)), "exchange.py")
    server = subprocess.Popen([sys.executable, exchange, str(arguments.delay)], stdout=subprocess.PIPE)
    try:
        assert server.stdout
        port = int(server.stdout.readline())
        start = time.perf_counter()
        prices = fetch_all(port, [f"SYM{number}" for number in range(arguments.symbols)])
        print(f"{time.perf_counter() - start:.2f} s", file=sys.stderr)
    finally:
        server.kill()
        server.wait()
    print(f"{len(prices)} symbols, {sum(map(sum, prices)):.1f} in all")
