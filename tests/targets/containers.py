"""Each function searches a list whose length names it, at another height of the value stack: for which instruction is it found?

Run by tests/live/test_findings.py, which reads LENGTHS; needs Python 3.10 for match."""

import asyncio
import contextlib

TIMES = 3000
LENGTHS = {
    name: 1000 + number
    for number, name in enumerate(
        [
            "globally", "attribute", "nested", "managing", "caught", "comprehension", "generator", "coroutine",
            "closure", "arguments", "formatting", "matching", "conditional",
        ]
    )
}  # fmt: skip
LISTS = {name: list(range(length)) for name, length in LENGTHS.items()}
GLOBAL = LISTS["globally"]


class Holder:
    def __init__(self, items):
        self.items = items


@contextlib.contextmanager
def managed():
    yield -1


def globally(a):
    hits = 0
    for i in range(TIMES):
        hits += -1 in GLOBAL


def attribute(a):
    holder = Holder(a)
    for i in range(TIMES):
        if -1 in holder.items:
            break


def nested(a):
    for i in range(TIMES // 10):
        for j in range(10):
            if i == -3 or (i, j) in a and j:
                break


def managing(a):
    with managed() as x, managed():
        for i in range(TIMES):
            if x not in a:
                continue


def caught(a):
    for i in range(TIMES):
        try:
            while True:
                if -1 not in a:
                    raise KeyError
        except KeyError:
            pass


def comprehension(a):
    return [i for i in range(-TIMES, 0) if i in a]


def generator(a):
    def found():
        for i in range(TIMES):
            yield -1 in a

    return list(found())


def coroutine(a):
    async def find():
        for i in range(TIMES):
            if -1 in a:
                break

    asyncio.run(find())


def closure(a):
    def inner():
        return sum(i in a for i in range(-TIMES, 0))

    return inner()


def arguments(a):
    def inner(*args, key=None, **more):
        for i in range(TIMES):
            t = (1, [2, i], {"a": -1 in args, **more}, key)
        return t

    return inner(*a, key=1, b=2)


def formatting(a):
    d = {}
    for i in range(TIMES):
        d[i] = f"{i}{-1 in a!r:>10}{i:x}"


def matching(a):
    for i in range(TIMES):
        match i:
            case int() if -1 in a:
                pass
            case [x, y]:
                pass


def conditional(a):
    for i in range(TIMES):
        x = i if -1 in (a if i >= 0 else "") else -i
    return x


if __name__ == "__main__":
    for name, items in LISTS.items():
        globals()[name](items)
