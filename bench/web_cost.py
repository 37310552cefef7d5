"""What the middleware of `pyrometer.web` adds to a request that is not profiled.

An application that does nothing is called in a loop in one process, as a server would call it, with each set of options; the fastest of
several passes counts, and the loop without the middleware is taken off. The sampler is not started: it runs beside the server.
"""

from __future__ import annotations

import json

import harness
import installs
from counts import add_row, wanted_pythons
from harness import Table

from tools import Bench
from ways import Inside

PACKAGE = Inside("the package", "pyrometer")
GOAL_US = 2.0
PROGRAM = """
import asyncio, json, time
from pyrometer.web import ASGIMiddleware, WSGIMiddleware, count_queries
CALLS, PASSES = 20_000, 9
OPTIONS = {
    "not configured": {},
    "tokens": {"secret": "x" * 32},
    "tokens, slow and failed ones kept": {"secret": "x" * 32, "slow_s": 1.0, "failed": True},
}

def wsgi(environ, start_response):
    start_response("200 OK", [])
    return []

class Database:
    def execute(self, sql, parameters):
        return self

database = Database()
counted = count_queries(database)

def asks(environ, start_response):
    database.execute("SELECT name, price FROM shop_order WHERE id = ?", (7,))
    start_response("200 OK", [])
    return []

def asks_counted(environ, start_response):
    counted.execute("SELECT name, price FROM shop_order WHERE id = ?", (7,))
    start_response("200 OK", [])
    return []

async def asgi(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})

ENVIRON = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/orders", "QUERY_STRING": "page=2", "REMOTE_ADDR": "10.0.0.1"}
HEADERS = [(b"host", b"shop"), (b"user-agent", b"x"), (b"accept", b"*/*"), (b"accept-encoding", b"gzip"), (b"cookie", b"a=b")]
SCOPE = {"type": "http", "method": "GET", "path": "/orders", "query_string": b"page=2", "client": ("10.0.0.1", 1), "headers": HEADERS}

def start_response(status, headers, exc_info=None):
    pass

async def send(message):
    pass

def time_wsgi(app):
    began = time.perf_counter()
    for _ in range(CALLS):
        app(ENVIRON, start_response)
    return 1e6 * (time.perf_counter() - began) / CALLS

async def loop(app):
    for _ in range(CALLS):
        await app(SCOPE, None, send)

def time_asgi(app):
    began = time.perf_counter()
    asyncio.run(loop(app))
    return 1e6 * (time.perf_counter() - began) / CALLS

found = {}
KEPT = "tokens, slow and failed ones kept"
for kind, measure, app, middleware in (("WSGI", time_wsgi, wsgi, WSGIMiddleware), ("ASGI", time_asgi, asgi, ASGIMiddleware)):
    ways = {"": app, **{name: middleware(app, **options) for name, options in OPTIONS.items()}}
    fastest = dict.fromkeys(ways, float("inf"))
    for _ in range(PASSES):
        for name, way in ways.items():
            fastest[name] = min(fastest[name], measure(way))
    for name in OPTIONS:
        found[f"{kind}, {name}"] = fastest[name] - fastest[""]
ways = {"": asks, KEPT: WSGIMiddleware(asks_counted, **OPTIONS[KEPT])}
fastest = {name: min(time_wsgi(way) for _ in range(PASSES)) for name, way in ways.items()}
found[f"WSGI, {KEPT}, one query"] = fastest[KEPT] - fastest[""]
print(json.dumps(found))
"""


def tables(bench: Bench) -> list[Table]:
    """The family's table."""
    table = Table(
        "web",
        "What `pyrometer.web` adds to a request that is not profiled",
        ["Microseconds, medians [quartiles] over processes; an application that does nothing, or sends one query to a database that does nothing."],
        ["what", "Python", "added, us", "goal"],
    )
    for python in wanted_pythons(bench, "web"):
        python = installs.bare(bench, python)
        found = [json.loads(PACKAGE.output(bench, python, ["-c", PROGRAM])) for _ in range(bench.rounds)]
        for kind in found[0]:
            added = harness.summarize([one[kind] for one in found])
            short = " short" if added and added.median > GOAL_US else ""
            add_row(table, kind, python.id, added.text() if added else "-", f"{GOAL_US:g} us{short}", added=added)
    return [table]
