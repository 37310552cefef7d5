"""Two functions, one of which makes all its work of tiny calls: prints how much further apart than by its own clock a Profile
shows them, and how much further one whose timer is given, which takes nothing out.

Short rounds of all in turn, because a machine's speed changes meanwhile.
"""

import time

import pyrometer

CALLS = 4_000
ROUNDS = 50


def tiny(x):
    return x


def calls():
    total = 0
    for i in range(CALLS):
        total += tiny(i)


def loop():
    total = 0
    for i in range(CALLS):
        total += i * i % 7


class Clock:
    """Adds up what the functions take without a profiler."""

    def __init__(self):
        self.spent = {"calls": 0.0, "loop": 0.0}

    def go_round(self):
        for function in (calls, loop):
            begin = time.perf_counter()
            function()
            self.spent[function.__name__] += time.perf_counter() - begin


class Shown:
    """What a Profile shows of them."""

    def __init__(self, *arguments):
        self.profile = pyrometer.Profile(*arguments)

    def go_round(self):
        with self.profile:
            calls()
            loop()

    @property
    def spent(self):
        self.profile.create_stats()
        return {key[2]: row[3] for key, row in self.profile.stats.items()}


def main():
    clock, compensated, raw = ways = Clock(), Shown(), Shown(time.perf_counter)
    for _ in range(ROUNDS):
        for way in ways:
            way.go_round()
    true, *shown = (way.spent["calls"] / way.spent["loop"] for way in (clock, compensated, raw))
    print(*(ratio / true for ratio in shown))


main()
