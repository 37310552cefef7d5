"""Real servers under load, with the middleware of `pyrometer.web` and without: does a request that nobody asked about take longer?

    build/venv/bin/python bench/load.py [--pairs 20] [--seconds 60] [--clients 200] [--servers gunicorn,uvicorn,django]
                                        [--databases sqlite,postgresql] [--pyrometer build/pyrometer] [--python 3.13]

CLIENTS keep one connection each, from one event loop, and send one request after the other for SECONDS; one in twenty has a token,
in both halves of a pair. Each half is a server of its own; their order is drawn. The p99 is that of requests without a token. Told are the mean
ratio of the pairs with its 95 % interval, requests that failed, answers that told a profile and those of them that named a recording (some are too
short for a sample, or on top of recordings_per_s), recordings that have anything of another path, and, of the halves without the middleware, what the next
one's p99 is to the one before: what the machine alone makes of such a ratio, of half as many. Not part of `make bench`: 20 pairs of all take four hours. Gunicorn and uvicorn serve an application without a framework (load_app.py, 0.3 ms a request), "django" is a site of
Django's under gunicorn (load_site.py, some 5 ms).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import hmac
import json
import math
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

BENCH = Path(__file__).resolve().parent
sys.path[:0] = [str(BENCH.parent / "tests"), str(BENCH.parent / "tests" / "live")]

import postgresql  # noqa: E402
from counting import installed  # noqa: E402
from harness import Row, Table, say  # noqa: E402
from pythons import REPOSITORY, Python, find_python  # noqa: E402
from test_web import PINS, free_port  # noqa: E402

PSYCOPG = ("psycopg==3.3.6", "psycopg_binary==3.3.6")
SECRET = "0123456789abcdef-of-the-load"
PROFILED = 0.05
LOW, HIGH = 0.95, 1.05  # the goal: the interval lies between
KEEP = 100  # recordings, all of which are read afterwards
RESAMPLES = 5000
PAIRS_MIN = 5  # fewer make no interval
START_S = 30


def token(path: str) -> str:
    """Good for an hour."""
    expires = int(time.time()) + 3600
    mac = hmac.new(SECRET.encode(), f"pyrometer profile 1\n{expires}\n{path}".encode(), hashlib.sha256)
    return f"1.{expires}.{mac.hexdigest()}"


# -- clients ---------------------------------------------------------------------------------------


@dataclass
class Seen:
    """By all clients of one half."""

    plain_s: list[float] = field(default_factory=list)  # of requests without a token
    profiled: int = 0
    told: int = 0  # answers with X-Profile
    recorded: int = 0  # of these, with the id of a recording
    failed: list[str] = field(default_factory=list)

    def p99_s(self) -> float:
        return statistics.quantiles(self.plain_s, n=100)[98]


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, text: str) -> tuple[bytes, bytes]:
    """Head and body of the answer."""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: shop\r\n{text}\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    size = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    return head, await reader.readexactly(size)


async def client(port: int, until: float, tokens: dict[str, str], chance: random.Random, seen: Seen) -> None:
    streams = None
    while time.monotonic() < until:
        path, profiled = chance.choice(("/a", "/b")), chance.random() < PROFILED
        try:
            if streams is None:
                streams = await asyncio.open_connection("127.0.0.1", port)
            began = time.monotonic()
            head, body = await ask(*streams, path, f"X-Pyrometer-Token: {tokens[path]}\r\n" if profiled else "")
            took = time.monotonic() - began
        except (OSError, EOFError, ValueError) as error:
            seen.failed.append(repr(error))
            streams = None
            continue
        told = b"\r\nx-profile:" in head
        if b" 200 " not in head[:20] or not body.startswith(path.encode() + b" row-7 ") or (told and not profiled):
            seen.failed.append(repr((head, body)))
        seen.profiled += profiled
        seen.told += told
        seen.recorded += told and b" id=" in head.partition(b"\r\nx-profile:")[2].split(b"\r\n", 1)[0]
        if not profiled:
            seen.plain_s.append(took)
        if b"connection: close" in head:
            streams[1].close()
            streams = None
    if streams is not None:
        streams[1].close()


async def load(port: int, clients: int, seconds: float, chance: random.Random) -> Seen:
    seen, tokens = Seen(), {path: token(path) for path in ("/a", "/b")}
    until = time.monotonic() + seconds
    await asyncio.gather(*(client(port, until, tokens, chance, seen) for _ in range(clients)))
    return seen


# -- servers ---------------------------------------------------------------------------------------


@dataclass
class Place:
    """Where and with what the servers run."""

    python: Python
    pyrometer: Path
    database: str
    folder: Path

    @contextlib.contextmanager
    def server(self, kind: str, options: dict[str, object] | None) -> Iterator[int]:
        """The port it answers at."""
        port = free_port()
        packages = [installed(self.python, "web", *PINS), installed(self.python, "web_postgresql", *PSYCOPG)]
        variables = {
            **os.environ,
            "PYTHONPATH": ":".join(map(str, [REPOSITORY / "python", BENCH / "targets", *packages])),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYROMETER_PROGRAM": str(self.pyrometer),
            "PYROMETER_PROBE_FILE": str(self.pyrometer.parent / "src/probe/_probe.abi3.so"),
            "LOAD_OPTIONS": json.dumps(options) if options else "",
            "LOAD_DATABASE": self.database,
        }
        command = {
            "gunicorn": ["-m", "gunicorn", "load_app:wsgi", "-b", f"127.0.0.1:{port}", "--threads", "8", "--no-control-socket"],
            "django": ["-m", "gunicorn", "load_site:wsgi", "-b", f"127.0.0.1:{port}", "--threads", "8", "--no-control-socket"],
            "uvicorn": ["-m", "uvicorn", "load_app:asgi", "--port", str(port), "--no-access-log"],
        }[kind]
        with open(self.folder / "log", "wb") as log, subprocess.Popen(
            self.python.command(command), env=variables, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        ) as process:
            try:
                asyncio.run(self._wait(port, process))
                yield port
            finally:
                process.terminate()

    async def _wait(self, port: int, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + START_S
        while process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError, EOFError, ValueError):
                streams = await asyncio.open_connection("127.0.0.1", port)
                await ask(*streams, "/a", "")
                streams[1].close()
                return
            await asyncio.sleep(0.05)
        raise RuntimeError((self.folder / "log").read_text()[-2000:])

    def mixed_up(self, directory: Path) -> int:
        """Recordings that have anything of another path."""
        count = 0
        for recording in directory.glob("*.pyro"):
            done = subprocess.run([self.pyrometer, "stats", recording, "--json", "-n", "0"], capture_output=True, check=True)
            found = json.loads(done.stdout)
            other = "work_b" if found["recording"]["command"] == "GET /a" else "work_a"
            count += any(row["name"].endswith(other) for row in found["functions"])
        return count


@contextlib.contextmanager
def databases(kind: str, folder: Path) -> Iterator[str]:
    """With the row that is read."""
    rows = [(at, f"row-{at}") for at in range(100)]
    if kind == "sqlite":
        path = folder / "load.db"
        with contextlib.closing(sqlite3.connect(path)) as made, made:
            made.execute("CREATE TABLE load_row (id INTEGER PRIMARY KEY, name TEXT)")
            made.executemany("INSERT INTO load_row VALUES (?, ?)", rows)
        yield str(path)
        return
    values = ", ".join(f"({at}, '{name}')" for at, name in rows)
    script = f"CREATE TABLE load_row (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO load_row VALUES {values};"
    with postgresql.server() as url:
        postgresql.run("psql", "-q", "-c", script, url)
        yield url


# -- pairs -----------------------------------------------------------------------------------------


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


def measure(place: Place, kind: str, options: argparse.Namespace, chance: random.Random) -> list[str]:
    """The rest of a row."""
    ratios, with_ms, without_ms = [], [], []
    requests = profiled = recorded = failed = mixed = untold = 0
    for pair in range(options.pairs):
        p99 = {}
        for watched in chance.sample((True, False), 2):
            with tempfile.TemporaryDirectory(dir=place.folder) as spool:
                middleware = {"secret": SECRET, "directory": spool, "slow_s": 1.0, "failed": True, "keep": KEEP}
                with place.server(kind, middleware if watched else None) as port:
                    seen = asyncio.run(load(port, options.clients, options.seconds, chance))
                p99[watched] = 1000 * seen.p99_s()
                requests += len(seen.plain_s) + seen.profiled
                failed += len(seen.failed)
                if watched:
                    profiled += seen.told
                    recorded += seen.recorded
                    untold += seen.profiled - seen.told
                    mixed += place.mixed_up(Path(spool))
                if seen.failed:
                    say(f"failed: {seen.failed[0][:300]}")
        ratios.append(p99[True] / p99[False])
        with_ms.append(p99[True])
        without_ms.append(p99[False])
        say(f"{kind}, pair {pair + 1}: p99 {p99[True]:.0f} ms with, {p99[False]:.0f} ms without")
    told, verdict = written(ratios, chance)
    itself = [after / before for before, after in zip(without_ms[::2], without_ms[1::2], strict=False)]
    return [
        f"{requests}", f"{failed}", f"{profiled}", f"{untold}", f"{recorded}", f"{mixed}",
        f"{statistics.median(with_ms):.0f}", f"{statistics.median(without_ms):.0f}",
        told, f"{LOW}-{HIGH} {verdict}", written(itself, chance)[0] if itself else "",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--servers", default="gunicorn,uvicorn,django")
    parser.add_argument("--databases", default="sqlite,postgresql")
    parser.add_argument("--pyrometer", type=Path, default=REPOSITORY / "build" / "pyrometer")
    parser.add_argument("--python", default="3.13")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    python, chance = find_python(options.python), random.Random(options.seed)
    load_then = os.getloadavg()[0]
    notes = [
        f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, Python {python.id}, {options.pairs} pairs of {options.seconds:g} s, "
        f"{options.clients} clients, {os.cpu_count()} CPUs, load {load_then:.2f} at the start, seed {options.seed}."
    ]
    heads = ["server", "database", "requests", "failed", "profiled", "not told", "recorded", "mixed up", "p99 with, ms", "without", "ratio [95 %]", "goal", "without, twice"]
    table = Table("load", "What `pyrometer.web` does to other requests, under load", notes, heads)
    for database in options.databases.split(","):
        with tempfile.TemporaryDirectory(prefix="pyrometer-load-") as made, databases(database, Path(made)) as where:
            place = Place(python, options.pyrometer.absolute(), where, Path(made))
            for kind in options.servers.split(","):
                table.rows.append(Row([kind, database, *measure(place, kind, options, chance)]))
    print(table.text())


if __name__ == "__main__":
    main()
