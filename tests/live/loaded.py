"""Real servers with the middleware of `pyrometer.web` or without it, and the database they read, for the test and the benchmark of servers under load."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import postgresql
from counting import installed
from pythons import REPOSITORY, TARGETS, Python
from test_web import PINS, free_port

PSYCOPG = ("psycopg==3.3.6", "psycopg_binary==3.3.6")
SECRET = b"0123456789abcdef-of-the-load"
PATHS = ("/a", "/b")
BODY = " row-7 "  # what follows the path in each answer
KEEP = 100  # recordings, all of which are read afterwards
START_S = 30


@dataclass
class Place:
    """Where and with what the servers run."""

    python: Python
    pyrometer: Path
    database: str
    folder: Path

    def middleware(self, spool: Path) -> dict[str, object]:
        """Its options: tokens, slow and failed requests."""
        return {"secret": SECRET.decode(), "directory": str(spool), "slow_s": 1.0, "failed": True, "keep": KEEP}

    @contextlib.contextmanager
    def server(self, kind: str, options: dict[str, object] | None, cpu: int | None = None) -> Iterator[int]:
        """The port it answers at; on that CPU alone, if one is given, and then with its memory where that of others is, and in a session of its own: to
        each of these Linux gives the same share of a CPU (sched_autogroup), however many threads want it."""
        port = free_port()
        packages = [installed(self.python, "web", *PINS), installed(self.python, "web_postgresql", *PSYCOPG)]
        variables = {
            **os.environ,
            "PYTHONPATH": ":".join(map(str, [REPOSITORY / "python", TARGETS, *packages])),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYROMETER_PROGRAM": str(self.pyrometer),
            "PYROMETER_PROBE_FILE": str(self.pyrometer.parent / "src/probe/_probe.abi3.so"),
            "LOAD_OPTIONS": json.dumps(options) if options else "",
            "LOAD_DATABASE": self.database,
        }
        gunicorn = ["-b", f"127.0.0.1:{port}", "--threads", "8", "--no-control-socket"]
        command = {
            "gunicorn": ["-m", "gunicorn", "load_app:wsgi", *gunicorn],
            "flask": ["-m", "gunicorn", "load_app:flask", *gunicorn],
            "starlette": ["-m", "uvicorn", "load_app:starlette", "--port", str(port), "--no-access-log"],
            "pool": ["-m", "gunicorn", "load_pool:app", *gunicorn[:2], "--threads", "32", "--no-control-socket"],
            "django": ["-m", "gunicorn", "load_site:wsgi", *gunicorn],
            "uvicorn": ["-m", "uvicorn", "load_app:asgi", "--port", str(port), "--no-access-log"],
        }[kind]
        pinned = [] if cpu is None else ["setarch", "-R", "taskset", "-c", str(cpu)]
        written = self.folder / f"log-{port}"
        with open(written, "wb") as log, subprocess.Popen(
            [*pinned, *self.python.command(command)], env=variables, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=cpu is not None
        ) as process:
            try:
                self._wait(port, process, written)
                yield port
            finally:
                process.terminate()

    @staticmethod
    def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        until = time.monotonic() + START_S
        while process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/a", timeout=START_S):
                return
            time.sleep(0.05)
        raise RuntimeError(log.read_text()[-2000:])

    def mixed_up(self, spool: Path, told: dict[str, str]) -> tuple[int, list[str]]:
        """How many of the recordings in SPOOL were told, by their ids in TOLD with the path that was asked for; and the recordings that are of another path or
        have anything of it."""
        found, wrong = 0, []
        for recording in spool.glob("*.pyro"):
            path = told.get(recording.stem)
            asked = subprocess.run([self.pyrometer, "stats", recording, "--json", "-n", "0"], capture_output=True, check=False)
            if asked.returncode != 0 and not recording.exists():
                continue  # the oldest go while others are written
            asked.check_returncode()
            stats = json.loads(asked.stdout)
            command, names = stats["recording"]["command"], [row["name"] for row in stats["functions"]]
            other = "work_b" if command == "GET /a" else "work_a"
            found += path is not None
            if (path and command != f"GET {path}") or any(name.endswith(other) for name in names):
                wrong.append(f"{recording.name}, told for {path}, is {command} with {names}")
        return found, wrong


@contextlib.contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """With the row that is read: a path of SQLite's, or a URL of a PostgreSQL server."""
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
