"""Every kind of statement that 3.11 knows, in small functions, for tests of lines: all of CASES, each done by exercise().

Byte-identical functions, functions on one line and code that jumps back onto its own line are what line profilers get wrong."""

from __future__ import annotations

import asyncio
import contextlib
import threading

CASES = []


def case(function):
    CASES.append(function)
    return function


def one_line(x): return x + 1
def one_line_twin(x): return x + 1
def one_line_generator(n): yield from range(n)
def one_line_loop(n):
    for _ in range(n): pass
def one_line_while(n):
    while n: n -= 1


@case
def one_liners():
    for i in range(5):
        one_line(i)
        one_line_twin(i)
    list(one_line_generator(4))
    one_line_loop(10)
    one_line_while(7)
    if one_line(1): return 1


@case
def loops():
    total = 0
    for i in range(10):
        if i == 3:
            continue
        if i == 8:
            break
        total += i
    else:
        total = -1
    for j in range(3):
        total += j
    else:
        total += 100
    while total > 50:
        total -= 7
        if total % 5 == 0: total -= 1
    else:
        total += 1
    while True:
        total -= 1
        if total < 30: break
    for a in range(3):
        for b in range(3): total += a * b
    for x in []: total += x
    for i in range(3): \
        total += i
    return total


@case
def comprehensions():
    a = [i * i for i in range(6)]
    b = {i: j for i, j in zip(a, a) if i % 2}
    c = {
        x
        for x in a
        if x > 3
    }
    d = list(x + y for x in a for y in a if x != y)
    e = [
        [x * y for x in range(3)]
        for y in range(4)
    ]
    f = [(lambda z: z + 1)(z) for z in range(3)]
    g = sum(x for x in a)
    return b, c, d, e, f, g


@case
def conditions():
    found = 0
    for i in range(12):
        if i % 3 == 0:
            found += 1
        elif i % 3 == 1 and i > 4 or \
                i == 1:
            found += 2
        else:
            found += 3
        found += 1 if i > 6 else 2
        assert found >= 0, "never"
        x = (
            i > 3
            and i < 9
            and i % 2
        )
        if not x:
            pass
    if (n := found) > 2: found = n
    return found


def raises(x):
    if x % 2:
        raise ValueError(x)
    return x


def passes_on(x):
    try:
        return raises(x)
    finally:
        x += 1


@case
def exceptions():
    seen = []
    for i in range(6):
        try:
            seen.append(passes_on(i))
        except ValueError as error:
            seen.append(str(error))
        except (TypeError,
                KeyError):
            seen.append("never")
        else:
            seen.append("fine")
        finally:
            seen.append("done")
    for i in range(3):
        try:
            try:
                raise KeyError(i)
            except KeyError as error:
                raise RuntimeError("other") from error
        except RuntimeError:
            continue
    for i in range(3):
        try:
            break
        finally:
            seen.append(i)
    with contextlib.suppress(ValueError):
        for i in range(5):
            raises(i)
    try:
        {}["missing"]
    except KeyError: seen.append("one line")
    try: raises(1)
    except ValueError: pass
    try:
        raise ExceptionGroup("group", [ValueError(1), TypeError(2)])
    except* ValueError:
        seen.append("values")
    except* TypeError:
        seen.append("types")
    return seen


def falls(n):
    try:
        for i in range(n):
            yield i
            if i == 2:
                raise LookupError(i)
    finally:
        n = 0


class Manager:
    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return exception[0] is not None


@case
def managers():
    total = 0
    for i in range(4):
        with Manager() as a, Manager() as b:
            total += 1
            if i == 2:
                raise ValueError(a, b)
            total += 1
        with (
            Manager(),
            Manager(),
        ):
            total += 1
        with Manager(): total += 1
    with Manager():
        with Manager():
            return total


@case
def matches():
    out = []
    for thing in (1, "two", [3, 4], {"k": 5}, None, 6.5, (7,), Manager()):
        match thing:
            case 1:
                out.append("one")
            case str() as text if text.startswith("t"):
                out.append(text)
            case [first, *rest]:
                out.append(first)
                out.extend(rest)
            case {"k": value}:
                out.append(value)
            case None | float():
                out.append("none")
            case Manager():
                out.append("manager")
            case _:
                out.append("other")
    return out


@case
def long_statements():
    values = dict(
        a=1,
        b=one_line(
            2
        ),
        c=[
            3,
            one_line(4),
        ],
    )
    text = (
        "a"
        f"{values['a']}"
        "c"
    )
    total = values["a"] + \
        values["b"] + \
        len(text)
    x = y = z = total
    x, (y, z) = y, (
        z, x)
    del x, y
    a = 1; b = 2; c = a + b
    """A string that is
    no documentation."""
    return (
        one_line(
            one_line(z)
        ) + c
    )


def counts(n):
    got = 0
    while n:
        got = yield n
        n -= 1
        if got: n -= got
    return got


def delegates(n):
    result = yield from counts(n)
    yield result
    for x in counts(2): yield x


@case
def generators():
    out = list(counts(4))
    one, other = counts(6), counts(9)
    for _ in range(4):
        out.append(next(one))
        out.append(next(other))
    other.send(2)
    out.extend(delegates(3))
    half = counts(5)
    next(half)
    half.close()
    thrown = falls(5)
    next(thrown)
    try:
        thrown.throw(OSError("in"))
    except OSError:
        out.append("thrown")
    try:
        out.extend(falls(5))
    except LookupError:
        out.append("fell")
    dropped = falls(3)
    next(dropped)
    del dropped
    never = counts(3)
    del never
    return out


@case
def recursion():
    def fact(n):
        if n < 2:
            return 1
        return n * fact(n - 1)

    def even(n): return True if n == 0 else odd(n - 1)
    def odd(n): return False if n == 0 else even(n - 1)

    def walk(tree):
        for branch in tree:
            yield from walk(branch)
        yield len(tree)

    def fails(n):
        if n:
            fails(n - 1)
        raise ValueError(n)

    with contextlib.suppress(ValueError):
        fails(4)
    return fact(6), even(7), list(walk([[], [[]], [[[]], []]]))


@case
def nested():
    def outer(n):
        total = 0

        def inner(x):
            nonlocal total
            total += x
            return total

        class Local:
            """Made each time."""
            field = n

            def method(self):
                return self.field + inner(1)

            @property
            def value(self): return self.method()

        return Local().value, sorted([3, 1, 2], key=lambda x: -x)

    twins = [eval("lambda: 1") for _ in range(3)]
    return [outer(n) for n in range(3)], [twin() for twin in twins]


@case
def coroutines():
    async def tick(n):
        for _ in range(n):
            await asyncio.sleep(0)
        return n

    async def numbers(n):
        for i in range(n):
            yield i
            await asyncio.sleep(0)

    class Held:
        async def __aenter__(self):
            await asyncio.sleep(0)
            return self

        async def __aexit__(self, *exception):
            await asyncio.sleep(0)

    async def main():
        total = 0
        async for i in numbers(4): total += i
        async for i in numbers(3):
            if i == 2:
                break
            total += i
        async with Held() as held:
            total += await tick(2)
        results = await asyncio.gather(*(tick(i) for i in range(4)))
        listed = [i async for i in numbers(3)]
        waits = asyncio.ensure_future(asyncio.sleep(60))
        await asyncio.sleep(0)
        waits.cancel()
        try:
            await waits
        except asyncio.CancelledError:
            total += 1
        return total, results, listed, held

    return asyncio.run(main())


@case
def threads():
    def work(n):
        total = 0
        for i in range(n):
            total += i
        return total

    workers = [threading.Thread(target=work, args=(n,)) for n in (5, 50, 7)]
    for worker in workers:
        worker.start()
    for worker in workers: worker.join()
    with contextlib.ExitStack() as stack:
        stack.callback(work, 2)
    return work(3)


def exercise():
    for function in CASES:
        with contextlib.suppress(ValueError):
            function()
