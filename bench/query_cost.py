#!/usr/bin/python3
"""What it costs to see a query: a function that is recognised as one that sends queries, beside its equal that is not.

    bench/query_cost.py [--python PATH] [--rounds N]

Both are called in turn, from ten frames of a library below the program's own line, under `pyrometer run`; printed is the difference of
their fastest passes."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
LIBRARY = """
class CursorWrapper:
    def _execute(self, sql, params):
        pass
def call(cursor, depth, sql, params):
    if depth:
        call(cursor, depth - 1, sql, params)
    else:
        cursor._execute(sql, params)
"""
PROGRAM = """
import sys, time
from django.db.backends import utils as seen
from other.db.backends import utils as equal
columns = ", ".join(f'"shop_order"."column_{i}"' for i in range(12))
texts = {
    "short": "SELECT a FROM t WHERE b = %s",
    "of Django, 12 columns": f'SELECT {columns} FROM "shop_order" WHERE "shop_order"."id" = %s LIMIT 21',
    "500 values in IN": f"SELECT {columns} FROM t WHERE a IN ({', '.join(['%s'] * 500)})",
}
rounds = int(sys.argv[1])
def once(module, sql):
    cursor, call, params = module.CursorWrapper(), module.call, (1, "x")
    begin = time.perf_counter_ns()
    for _ in range(1000):
        call(cursor, 10, sql, params)
    return time.perf_counter_ns() - begin
for name, sql in texts.items():
    best = {module: min(once(module, sql) for _ in range(rounds)) for module in (seen, equal)}
    print(f"{(best[seen] - best[equal]) / 1000 / 1000:8.2f} us a query   {name}, {len(sql)} bytes")
"""


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=200)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for library in ("django", "other"):
            path = Path(folder, "site-packages", library, "db", "backends", "utils.py")
            path.parent.mkdir(parents=True)
            path.write_text(LIBRARY)
        program = Path(folder, "program.py")
        program.write_text(PROGRAM)
        environment = {**os.environ, "PYTHONPATH": str(Path(folder, "site-packages"))}
        recording = str(Path(folder, "x.pyro"))
        ours = [REPOSITORY / "build" / "pyrometer", "run", "-o", recording, "--python", arguments.python]
        subprocess.run([*ours, program, str(arguments.rounds)], env=environment, check=True)


if __name__ == "__main__":
    main()
