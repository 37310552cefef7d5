"""Real servers under load, with the middleware of `pyrometer.web` and without: does a request that nobody asked about take longer?

    build/venv/bin/python bench/load.py [--pairs 20] [--seconds 60] [--slice 30] [--clients 200] [--servers gunicorn,uvicorn,django]
                                        [--databases sqlite,postgresql] [--pyrometer build/pyrometer] [--python 3.13]

CLIENTS of wrk keep one connection each and send one request after the other; one in twenty has a token. A pair is two servers, one with the
middleware and one without, that both have answered for two seconds before it counts: each gets SECONDS of load, in slices that take turns (A B B A; who is A
is drawn), so that what else the machine does falls on both; not in short ones, since the first requests of 200 connections would be their slowest. The clients keep to one CPU. The p99 is that of all requests without a token. Told are the mean ratio of the pairs with its 95 %
interval, requests that failed, answers that told a profile and how many recordings they named (some are too short for a sample, or on top of
recordings_per_s), recordings that are of another path than was asked for or have anything of it, and the same ratio of the server without the middleware
with itself, every other slice to the rest: what the machine alone makes of such a ratio, of half as many requests. Not part of `make bench`: 20 pairs of
60 s take 45 minutes for each server and database. Gunicorn and uvicorn serve an application without a framework (load_app.py), "django" is a site of
Django's under gunicorn (load_site.py), some 5 ms a request.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

BENCH = Path(__file__).resolve().parent
sys.path[:0] = [str(BENCH.parent / "tests"), str(BENCH.parent / "tests" / "live")]

import wrk  # noqa: E402
from harness import Row, Table, say  # noqa: E402
from loaded import BODY, PATHS, SECRET, Place, database  # noqa: E402
from pythons import REPOSITORY, find_python  # noqa: E402
from test_web import token  # noqa: E402

PROFILED = 20  # one in so many clients
LOW, HIGH = 0.95, 1.05  # the goal: the interval lies between
RESAMPLES = 5000
PAIRS_MIN = 5  # fewer make no interval
TOKEN_S = 3600
WARM_UP_S = 2
CLIENTS_CPU = 0 if (os.cpu_count() or 1) > 1 else None  # or they are moved to that of the server now and then, for a tenth of a second


def interval(ratios: list[float], chance: random.Random) -> tuple[float, float, float]:
    """Geometric mean and its 95 % interval, by resampling."""
    logs = [math.log(ratio) for ratio in ratios]
    means = sorted(statistics.fmean(chance.choices(logs, k=len(logs))) for _ in range(RESAMPLES))
    ends = means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES) - 1]
    low, high = map(math.exp, ends)
    return math.exp(statistics.fmean(logs)), low, high


def written(ratios: list[float], chance: random.Random) -> tuple[str, str]:
    """Their mean with its interval, where there are enough for one, and what that says of the goal."""
    mean, low, high = interval(ratios, chance)
    if len(ratios) < PAIRS_MIN:
        return f"{mean:.3f} ({min(ratios):.3f}-{max(ratios):.3f})", "too few pairs"
    return f"{mean:.3f} [{low:.3f}-{high:.3f}]", "within" if LOW <= low and high <= HIGH else "short"


@dataclass
class Half:
    """One of the two servers of a pair."""

    place: Place
    spool: Path
    port: int
    slices: list[wrk.Seen] = field(default_factory=list)

    def load(self, options: argparse.Namespace, seconds: int) -> wrk.Seen:
        tokens = {path: token(path, time.time() + TOKEN_S, SECRET) for path in PATHS}
        return wrk.load(self.port, tokens, BODY, options.clients, options.clients // PROFILED, seconds, CLIENTS_CPU)

    def p99_ms(self, start: int = 0, step: int = 1) -> float:
        """Of every STEP-th slice, from START on."""
        return 1000 * wrk.joined(self.slices[start::step]).p99_s()

    def count(self, watched: bool, whole: dict[str, int]) -> None:
        """Adds to WHOLE what was seen."""
        seen = wrk.joined(self.slices)
        mixed = self.place.mixed_up(self.spool, seen.recorded)[1]
        for text in [*seen.failed, *mixed]:
            say(f"failed: {text[:300]}")
        counts = {"requests": seen.requests, "failed": seen.wrong, "mixed": len(mixed)}
        if watched:
            counts |= {"profiled": seen.told, "untold": seen.profiled - seen.told, "recorded": len(seen.recorded)}
        for name, count in counts.items():
            whole[name] = whole.get(name, 0) + count


@contextlib.contextmanager
def pair(place: Place, kind: str) -> Iterator[dict[bool, Half]]:
    """Both servers: with the middleware, and without."""
    with contextlib.ExitStack() as stack:
        spools = {watched: Path(stack.enter_context(tempfile.TemporaryDirectory(dir=place.folder))) for watched in (True, False)}
        yield {
            watched: Half(place, spool, stack.enter_context(place.server(kind, place.middleware(spool) if watched else None)))
            for watched, spool in spools.items()
        }


def measure_pair(halves: dict[bool, Half], options: argparse.Namespace, chance: random.Random) -> None:
    for half in halves.values():
        half.load(options, WARM_UP_S)
    order = chance.sample((True, False), 2)
    for _ in range(options.seconds // options.slice):
        for watched in order:
            halves[watched].slices.append(halves[watched].load(options, options.slice))
        order.reverse()


def measure(place: Place, kind: str, options: argparse.Namespace, chance: random.Random) -> list[str]:
    """The rest of a row."""
    p99_ms: dict[bool, list[float]] = {True: [], False: []}
    itself: list[float] = []
    whole: dict[str, int] = {}
    for at in range(options.pairs):
        with pair(place, kind) as halves:
            measure_pair(halves, options, chance)
        for watched, half in halves.items():
            half.count(watched, whole)
            p99_ms[watched].append(half.p99_ms())
        itself.append(halves[False].p99_ms(0, 2) / halves[False].p99_ms(1, 2))
        say(f"{kind}, pair {at + 1}: p99 {p99_ms[True][-1]:.1f} ms with, {p99_ms[False][-1]:.1f} ms without, {itself[-1]:.3f} with itself")
    told, verdict = written([one / other for one, other in zip(p99_ms[True], p99_ms[False], strict=True)], chance)
    return [
        *(f"{whole[name]}" for name in ("requests", "failed", "profiled", "untold", "recorded", "mixed")),
        f"{statistics.median(p99_ms[True]):.1f}", f"{statistics.median(p99_ms[False]):.1f}",
        told, f"{LOW}-{HIGH} {verdict}", written(itself, chance)[0],
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--slice", type=int, default=30)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--servers", default="gunicorn,uvicorn,django")
    parser.add_argument("--databases", default="sqlite,postgresql")
    parser.add_argument("--pyrometer", type=Path, default=REPOSITORY / "build" / "pyrometer")
    parser.add_argument("--python", default="3.13")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    if options.seconds < 2 * options.slice:
        parser.error("two slices at least: --slice is more than half of --seconds")
    python, chance = find_python(options.python), random.Random(options.seed)
    load_then = os.getloadavg()[0]
    notes = [
        f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, Python {python.id}, {options.pairs} pairs of {options.seconds} s in slices of {options.slice}, "
        f"{options.clients} clients, {os.cpu_count()} CPUs, load {load_then:.2f} at the start, seed {options.seed}."
    ]
    heads = ["server", "database", "requests", "failed", "profiled", "not told", "recorded", "mixed up", "p99 with, ms", "without", "ratio [95 %]", "goal", "without, with itself"]
    table = Table("load", "What `pyrometer.web` does to other requests, under load", notes, heads)
    for name in options.databases.split(","):
        with tempfile.TemporaryDirectory(prefix="pyrometer-load-") as made, database(name, Path(made)) as where:
            place = Place(python, options.pyrometer.absolute(), where, Path(made))
            for kind in options.servers.split(","):
                table.rows.append(Row([kind, name, *measure(place, kind, options, chance)]))
    print(table.text())


if __name__ == "__main__":
    main()
