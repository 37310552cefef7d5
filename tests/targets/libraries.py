"""Work for modules of the standard library that are written in Python, for tests of lines: exercise() is the same each time."""

from __future__ import annotations

import argparse
import ast
import calendar
import configparser
import contextlib
import dataclasses
import difflib
import fractions
import html.parser
import io
import json
import pprint
import statistics
import string
import textwrap
import tokenize

PROSE = "It is a truth universally acknowledged, that a single man in possession of a good fortune... " * 3
SOURCE = '''
@decorator(a, *b, c=1, **d)
async def f(x: int, /, y=2, *z, w, **k) -> str:
    """Text."""
    async with a as b, c: pass
    async for i in j:
        if not i and (x or y) < 3 <= z: continue
        else: break
    try:
        return f"{x!r:>{w}} {y}" + [i for i in j if i][1:2, ...]
    except (A, B) as error:
        raise C from error
    finally:
        del x, y
class D(E, metaclass=F):
    x: list[int] = lambda *a: (yield a)
match x:
    case [1, *_] | {"k": v, **r} | G(h, i=None) if v: global_ = -1 ** ~2
'''


@dataclasses.dataclass(order=True)
class Point:
    x: int
    y: int = 3
    tags: list = dataclasses.field(default_factory=list, compare=False)


def prose():
    for width in (20, 37):
        textwrap.fill(PROSE, width, initial_indent="* ", break_long_words=width > 30)
    textwrap.dedent(textwrap.indent(PROSE, "    "))
    textwrap.shorten(PROSE, 30)
    string.Template("$a ${b} $$").substitute(a=1, b=2)
    with contextlib.suppress(ValueError, KeyError):
        string.Template("$missing").substitute()


def differences():
    before, after = PROSE.split(), PROSE.replace("single", "married").replace("good ", "").split()
    list(difflib.unified_diff(before, after))
    list(difflib.ndiff(before[:12], after[:12]))
    difflib.get_close_matches("appel", ["ape", "apple", "peach"])


def sources():
    tree = ast.parse(SOURCE)
    ast.unparse(tree)
    ast.dump(tree, indent=1)
    list(tokenize.generate_tokens(io.StringIO(SOURCE).readline))
    with contextlib.suppress(tokenize.TokenError, SyntaxError):
        list(tokenize.generate_tokens(io.StringIO("(1,\n").readline))


def texts():
    parser = html.parser.HTMLParser()
    parser.feed("<p class='a'>x &amp; y<br/><!-- c --><script>if (a < b)</script></p><a href=z>")
    parser.close()
    config = configparser.ConfigParser()
    config.read_string("[a]\nx = 1\ny: %(x)s2\n  more\n[b]\nz\n".replace("\nz\n", "\nz = 3\n"))
    config.get("a", "y")
    with contextlib.suppress(configparser.Error):
        config.get("a", "missing")
    config.write(io.StringIO())


def values():
    data = {"a": [1, 2.5, None, True, {"b": ["c" * 40] * 3}], "d": {str(i): i for i in range(30)}}
    json.dumps(data, indent=2, sort_keys=True)
    list(json.JSONEncoder(indent=None).iterencode(data))
    json.loads(json.dumps(data), object_pairs_hook=dict)
    with contextlib.suppress(ValueError):
        json.loads("[1,")
    pprint.pformat(data, width=40)
    sorted([Point(2), Point(1, 5), Point(1)])
    dataclasses.asdict(dataclasses.replace(Point(1), y=7))
    sum(fractions.Fraction(1, n) for n in range(1, 9)).limit_denominator(50)
    fractions.Fraction("3/7") ** 2
    statistics.linear_regression([1, 2, 3, 4], [2, 4, 5, 9])
    statistics.quantiles([1, 2, 3, 4, 9], n=4)
    statistics.multimode("aabbc")
    with contextlib.suppress(statistics.StatisticsError):
        statistics.mean([])
    calendar.TextCalendar().formatyear(2024)


def arguments():
    parser = argparse.ArgumentParser(prog="p", description=PROSE)
    parser.add_argument("-v", "--verbose", action="count", default=0, help="say more")
    parser.add_argument("files", nargs="*", metavar="FILE")
    commands = parser.add_mutually_exclusive_group()
    commands.add_argument("--a", choices=["x", "y"])
    commands.add_argument("--b", type=int)
    parser.parse_args(["-vv", "--a", "x", "one", "two"])
    parser.format_help()
    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        parser.parse_args(["--a", "x", "--b", "3"])


def exercise():
    for work in (prose, differences, sources, texts, values, arguments):
        work()
