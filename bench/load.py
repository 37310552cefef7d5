"""Real servers under load, with the middleware of `pyrometer.web` and without: does a request that nobody asked about take longer?

    build/venv/bin/python bench/load.py [--pairs 20] [--seconds 60] [--clients 200] [--servers flask,starlette,django,gunicorn,uvicorn]
                                        [--databases sqlite,postgresql] [--pyrometer build/pyrometer] [--python 3.13]

Each time three servers share one CPU for SECONDS: one with the middleware, and two without it. Each has CLIENTS of `wrk` on another CPU, which keep
one connection each and send one request after the other; one in twenty has a token. It counts once a server has answered for two seconds, and for three more on
those connections. So what else the machine does, which changes a p99 by a third from one minute to the next, falls on all of them. The sampler has to keep to the
clients' CPU, or it would take its time from all three; its looks are where the server is, and fall on all of them. The three of a pair have the same seed for hashes,
and the same addresses: by these alone one of two equal servers took some 3 % more than the other; and each has a session of its own, and by that a third of the CPU.

The p99 is that of requests without a token, but not of the first ones: all connect at once, and gunicorn accepts one connection for each round of its
loop. Told are the mean ratio of the pairs with its 95 % interval; the same of the two servers without the middleware, which is what the machine alone makes of
such a ratio; requests that failed, answers that told a profile and how many recordings they named (some are too short for a sample, or on top of
recordings_per_s), recordings that are of another path than was asked for or have anything of it. Not part of `make bench`: 20 pairs of 60 s take 25 minutes
for each server and database. "gunicorn" and "uvicorn" have no framework: a request reads one row and works 0.1 ms. "flask", under gunicorn, and "starlette",
under uvicorn, take twenty rows through SQLAlchemy and make JSON of them as well, some 1 ms (all in load_app.py); "django" is a site of Django's under
gunicorn (load_site.py), some 5 ms.
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
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
SETTLE_S = 3  # after all have connected
CLIENTS_CPU, *_, SERVERS_CPU = sorted(os.sched_getaffinity(0))  # two at least


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
class Server:
    """One of the three."""

    place: Place
    spool: Path
    port: int
    watched: bool

    def load(self, options: argparse.Namespace, seconds: int, settle_s: int) -> wrk.Seen:
        tokens = {path: token(path, time.time() + TOKEN_S, SECRET) for path in PATHS}
        return wrk.load(self.port, tokens, BODY, options.clients, options.clients // PROFILED, seconds, settle_s, CLIENTS_CPU)

    def count(self, seen: wrk.Seen, whole: dict[str, int]) -> None:
        """Adds to WHOLE."""
        mixed = self.place.mixed_up(self.spool, seen.recorded)[1]
        for text in [*seen.failed, *mixed]:
            say(f"failed: {text[:300]}")
        counts = {"requests": seen.requests, "failed": seen.wrong, "mixed": len(mixed)}
        if self.watched:
            counts |= {"profiled": seen.told, "untold": seen.profiled - seen.told, "recorded": len(seen.recorded)}
        for name, count in counts.items():
            whole[name] = whole.get(name, 0) + count


@contextlib.contextmanager
def servers(place: Place, kind: str, watched: Sequence[bool]) -> Iterator[list[Server]]:
    """As many as WATCHED has: with the middleware, or without."""
    with contextlib.ExitStack() as stack:
        made = []
        for one in watched:
            spool = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=place.folder)))
            port = stack.enter_context(place.server(kind, place.middleware(spool) if one else None, SERVERS_CPU))
            made.append(Server(place, spool, port, one))
        yield made


def move_samplers() -> None:
    """They were started by servers, and have their CPU."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            words = Path("/proc", pid, "cmdline").read_bytes().split(b"\0")
            if words[1:3] == [b"requests", b"--pid"]:
                os.sched_setaffinity(int(pid), {CLIENTS_CPU})


def load_all(of: list[Server], options: argparse.Namespace, seconds: int, settle_s: int = 0) -> list[wrk.Seen]:
    with ThreadPoolExecutor(len(of)) as loading:
        return list(loading.map(lambda server: server.load(options, seconds, settle_s), of))


def measure(place: Place, kind: str, options: argparse.Namespace, chance: random.Random) -> list[str]:
    """The rest of a row."""
    p99_ms: list[list[float]] = [[], [], []]  # with, without, without
    whole: dict[str, int] = {}
    for pair in range(options.pairs):
        order = chance.sample(range(3), 3)
        os.environ["PYTHONHASHSEED"] = str(chance.randrange(1, 2**32))
        with servers(place, kind, [at == 0 for at in order]) as running:
            load_all(running, options, WARM_UP_S)
            move_samplers()
            for at, server, seen in zip(order, running, load_all(running, options, SETTLE_S + options.seconds, SETTLE_S), strict=True):
                server.count(seen, whole)
                p99_ms[at].append(1000 * seen.p99_s())
        say(f"{kind}, pair {pair + 1}: p99 {p99_ms[0][-1]:.1f} ms with, {p99_ms[1][-1]:.1f} and {p99_ms[2][-1]:.1f} ms without")
    without = [math.sqrt(one * other) for one, other in zip(*p99_ms[1:], strict=True)]
    told, verdict = written([one / other for one, other in zip(p99_ms[0], without, strict=True)], chance)
    itself, _ = written([one / other for one, other in zip(*p99_ms[1:], strict=True)], chance)
    return [
        *(f"{whole[name]}" for name in ("requests", "failed", "profiled", "untold", "recorded", "mixed")),
        f"{statistics.median(p99_ms[0]):.1f}", f"{statistics.median(without):.1f}",
        told, f"{LOW}-{HIGH} {verdict}", itself,
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--servers", default="flask,starlette,django,gunicorn,uvicorn")
    parser.add_argument("--databases", default="sqlite,postgresql")
    parser.add_argument("--pyrometer", type=Path, default=REPOSITORY / "build" / "pyrometer")
    parser.add_argument("--python", default="3.13")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    python, chance = find_python(options.python), random.Random(options.seed)
    load_then = os.getloadavg()[0]
    notes = [
        f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, Python {python.id}, {options.pairs} pairs of {options.seconds} s, "
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
