"""Write line table vectors of the CPython that runs this: tests/unit/data/linetable-3.X.txt.

    for python in python3.8 ... python3.15: $python make_linetables.py > linetable-3.X.txt

A line is one code object: co_firstlineno, the table in hex ("-" when empty), then OFFSET:LINE
wherever the line changes (0: the instruction has no line) and END at the end of the code. What is
right is what PyCode_Addr2Line() of that very interpreter says for each instruction.
"""

import ctypes
import sys
import types

SOURCE = '''
import os, sys

def plain(a, b):
    c = a + b
    return c

def spread(first,
           second=
           2):
    return call(
        first,
        second
        +
        first,
    )

@decorate
@decorate(
    1
)
def decorated():

    """Doc."""

    return None

class Thing:
    value = [number
             for number in range(10)
             if number
             % 2]

    def loop(self, items):
        for item in items:
            try:
                if item:
                    continue
                elif item is None: break
                yield item
            except (ValueError,
                    TypeError) as error:
                raise RuntimeError(
                    "x"
                ) from error
            finally:
                print(item)
        else:
            return
        while True:
            with open(item) as file, \\
                 open(item) as other:
                return {
                    key: value
                    for key, value
                    in file
                }

async def routine(source):
    async with source as stream:
        async for line in stream:
            await line; x = 1; y = 2
    return [part async for part in source]

def generator():
    received = yield
    try:
        yield from generator()
    except GeneratorExit:
        pass
    lambda: (
        received
    )

def conditional(a, b, c): return a if b else c if a else (b and c or a)

def chained(a):
    return (a
            .one()
            .two(a,
                 b=3)
            [4]
            .three)

def formatted(a): return f"{a!r:>{a}} {a}"

def asserts(a):
    assert a, (
        "message")
    del a
'''


def long_gap():
    return (
        "def gap(a):\n    a = 1\n"
        + "\n" * 700
        + "    b = (\n"
        + "\n" * 300
        + "   a)\n    return b\n"
    )


def backwards():
    return "def back(a):\n    return (" + "\n" * 200 + "a.x" + "\n" * 200 + ".y(\n1,\n2)\n)\n"


def long_line():
    return "def wide(a):\n    a = " + " + ".join("a" for _ in range(300)) + "\n    return a\n"


def many_lines():
    return (
        "def many(a):\n"
        + "".join("    a = a + %d\n" % number for number in range(100))
        + "    return a\n"
    )


def very_late():
    return "\n" * 70000 + "def late(a):\n    return a\n"


def code_objects(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from code_objects(constant)


addr2line = ctypes.pythonapi.PyCode_Addr2Line
addr2line.argtypes = [ctypes.py_object, ctypes.c_int]
addr2line.restype = ctypes.c_int


def describe(code):
    table = code.co_linetable if sys.version_info >= (3, 10) else code.co_lnotab
    words, last = [str(code.co_firstlineno), table.hex() or "-"], None
    for offset in range(0, len(code.co_code), 2):
        line = max(addr2line(code, offset), 0)
        if line != last:
            words.append("%d:%d" % (offset, line))
            last = line
    return " ".join(words + ["%d" % len(code.co_code)])


def main():
    print("# made by make_linetables.py with Python %d.%d.%d" % sys.version_info[:3])
    sources = [SOURCE, long_gap(), backwards(), long_line(), many_lines(), very_late()]
    for source in sources:
        for code in code_objects(compile(source, "vectors", "exec")):
            print(describe(code))


main()
