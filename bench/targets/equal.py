"""Two functions that cost about the same, one of them by making calls: prints the true ratio of their times.

    equal.py [ROUNDS]
"""

import sys
import time


def tiny(x):
    return x


def many_calls(rounds):
    total = 0
    for i in range(rounds):
        total += tiny(i)
    return total


def few_calls(rounds):
    total = 0
    for i in range(rounds):
        total += i * i % 7
    return total


def main():
    spent = [0.0, 0.0]
    for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 20):
        begin = time.perf_counter()
        many_calls(150000)
        middle = time.perf_counter()
        few_calls(150000)
        spent[0] += middle - begin
        spent[1] += time.perf_counter() - middle
    print("ratio", spent[0] / spent[1])


if __name__ == "__main__":
    main()
